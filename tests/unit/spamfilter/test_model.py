from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import event

from config.settings import Spam
from spamfilter import taught
from spamfilter.features import COUNT
from spamfilter.model import Knowledge, SiteModel
from spamfilter.prior import HALF, WEIGHT_UNIT, Prior, nothing_known
from spamfilter.train import Trainer
from storage.database import Database
from storage.errors import Unavailable

PRIOR = Prior(np.array([3, 70, 9000]), np.array([254, 0, HALF], np.uint8), np.array([5, -7, 9], np.int16))


@pytest.fixture
def database(each_database: Database) -> Database:
    return each_database


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def lesson(i: int) -> bytes:
    return f"Subject: lecon {i}\r\n\r\ncommun mot{i}a mot{i}b\r\n".encode()


def rows(database: Database, after: int = 0) -> list[tuple[int, int, int, int]]:
    with database.read() as connection:
        return [row for batch in taught.changed_since(connection, after) for row in batch]


def agrees(known: Knowledge, database: Database, prior: Prior) -> bool:
    """The arrays hold what SQL and the prior say, and nothing else."""
    ham, spam, weights = (np.zeros(COUNT, np.int64) for _ in range(3))
    weights[prior.numbers] = prior.weights.astype(np.int64) * WEIGHT_UNIT
    for number, h, s, weight in rows(database):
        ham[number], spam[number] = h, s
        weights[number] += weight
    expected = ((known.ham, ham), (known.spam, spam), (known.weights, weights))
    return all(np.array_equal(array, wanted) for array, wanted in expected)


def test_it_follows_the_database(database: Database, tmp_path: Path) -> None:
    clock = Clock()
    model = SiteModel(database, tmp_path, PRIOR, clock=clock)
    trainer = Trainer(database, Spam(), prior=PRIOR)
    assert agrees(model.knowledge(), database, PRIOR)
    for i in range(6):
        if i == 3:
            trainer.learn(lesson(0), spam=True)
        elif i == 4:
            trainer.forget(lesson(1))
        else:
            trainer.learn(lesson(i), spam=bool(i % 2))
        clock.now += 1.5
        assert agrees(model.knowledge(), database, PRIOR)
    known = model.knowledge()
    assert (known.ham_messages, known.spam_messages) == (1, 2)


def test_what_the_prior_assumes(database: Database, tmp_path: Path) -> None:
    known = SiteModel(database, tmp_path, PRIOR).knowledge()
    assert known.began
    shares = known.shares(np.array([3, 4, 70]))
    assert (shares[0] > 0.99, shares[1], shares[2] < 0.01) == (True, 0.5, True)
    assert known.weights[[3, 70, 9000]].tolist() == [5 * WEIGHT_UNIT, -7 * WEIGHT_UNIT, 9 * WEIGHT_UNIT]


def test_it_looks_at_most_once_an_interval_and_reads_only_changes(database: Database, tmp_path: Path) -> None:
    clock = Clock()
    trainer = Trainer(database, Spam())
    for i in range(20):
        trainer.learn(lesson(i), spam=False)
    model = SiteModel(database, tmp_path, nothing_known(), clock=clock, interval=1.0)
    statements: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    for _ in range(100):
        model.knowledge()
    assert statements == []
    clock.now += 1.1
    model.knowledge()
    model.knowledge()
    assert len([s for s in statements if "SELECT" in s]) == 1, "only the revision, when nothing changed"
    with database.read() as connection:
        before = taught.totals(connection).revision
    trainer.learn(lesson(99), spam=True)
    assert 0 < len(rows(database, before)) < len(rows(database))


def test_a_database_that_is_away_leaves_the_last_knowledge(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    Trainer(database, Spam()).learn(lesson(1), spam=True)
    model = SiteModel(database, tmp_path, nothing_known(), clock=clock)

    def away() -> None:
        raise Unavailable("away")

    monkeypatch.setattr(database, "read", away)
    clock.now += 10
    assert model.knowledge().spam_messages == 1


def test_another_process_sees_the_same_memory(database: Database, tmp_path: Path) -> None:
    """Both map one file: what one brings up to date the other sees without asking the database."""
    clock = Clock()
    first = SiteModel(database, tmp_path, PRIOR, clock=clock)
    second = SiteModel(database, tmp_path, PRIOR, clock=clock, interval=1e9)
    Trainer(database, Spam(), prior=PRIOR).learn(lesson(1), spam=True)
    clock.now += 2
    first.knowledge()
    assert second.knowledge().spam_messages == 1
    assert agrees(second.knowledge(), database, PRIOR)
    assert sum(path.stat().st_size for path in tmp_path.glob("spam-model-*")) < 40 << 20


def test_a_damaged_or_foreign_file_is_made_again(database: Database, tmp_path: Path) -> None:
    Trainer(database, Spam(), prior=PRIOR).learn(lesson(1), spam=True)
    SiteModel(database, tmp_path, PRIOR).close()
    (path,) = tmp_path.glob("spam-model-*")
    for damage in (b"", b"x" * 5000, b"another boot" + bytes(path.stat().st_size - 12)):
        path.write_bytes(damage)
        model = SiteModel(database, tmp_path, PRIOR)
        assert agrees(model.knowledge(), database, PRIOR)
        model.close()


def test_a_file_cut_under_its_users_is_left_to_them(database: Database, tmp_path: Path) -> None:
    """Who touches what was cut off ends by a signal; the one that starts in its place must not."""
    first = SiteModel(database, tmp_path, PRIOR)
    (path,) = tmp_path.glob("spam-model-*")
    size, number = path.stat().st_size, path.stat().st_ino
    os.truncate(path, 5000)
    second = SiteModel(database, tmp_path, PRIOR)
    assert agrees(second.knowledge(), database, PRIOR)
    assert path.stat().st_size == size
    assert path.stat().st_ino != number
    first.close()
    second.close()


def test_a_file_that_the_disk_does_not_give_is_made_anew(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    SiteModel(database, tmp_path, PRIOR).close()
    (path,) = tmp_path.glob("spam-model-*")
    bad = path.stat().st_ino
    read = os.preadv

    def preadv(fd: int, buffers: list[bytearray], at: int) -> int:
        if os.fstat(fd).st_ino == bad and at >= 3 << 20:
            raise OSError(errno.EIO, "Input/output error")
        return read(fd, buffers, at)

    monkeypatch.setattr(os, "preadv", preadv)
    model = SiteModel(database, tmp_path, PRIOR)
    assert agrees(model.knowledge(), database, PRIOR)
    model.close()


def test_a_database_put_back_to_an_older_state_is_believed(database: Database, tmp_path: Path) -> None:
    trainer = Trainer(database, Spam())
    for i in range(3):
        trainer.learn(lesson(i), spam=True)
    SiteModel(database, tmp_path, nothing_known()).close()
    with database.write() as connection:
        connection.exec_driver_sql("DELETE FROM spam_features")
        connection.exec_driver_sql("UPDATE spam_models SET ham = 0, spam = 0, revision = 1")
    known = SiteModel(database, tmp_path, nothing_known()).knowledge()
    assert known.spam_messages == 0
    assert not known.spam.any()
    assert not known.weights.any()


FOLLOW_FOR_EVER = """
import sys
from pathlib import Path
from config.settings import Spam
from spamfilter.model import SiteModel
from spamfilter.prior import nothing_known
from spamfilter.train import Trainer
from storage.database import Database
database = Database(sys.argv[1])
trainer = Trainer(database, Spam())
model = SiteModel(database, Path(sys.argv[2]), nothing_known(), interval=0.0)
i = 0
while True:
    trainer.learn(f"Subject: lecon {i}\\r\\n\\r\\ncommun mot{i}a mot{i}b\\r\\n".encode(), spam=bool(i % 2))
    model.knowledge()
    i += 1
    print(i, flush=True)
"""


def test_the_file_survives_a_kill_in_the_middle(database: Database, tmp_path: Path) -> None:
    database.close()
    url = database.engine.url.render_as_string()
    root = Path(__file__).resolve().parents[3]
    for turn in range(2):
        process = subprocess.Popen(
            [sys.executable, "-c", FOLLOW_FOR_EVER, url, str(tmp_path)],
            stdout=subprocess.PIPE, cwd=root, env={**os.environ},
        )  # fmt: skip
        assert process.stdout is not None
        for _ in range(4 + turn):
            assert process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        process.stdout.close()
    again = Database(url)
    assert agrees(SiteModel(again, tmp_path, nothing_known()).knowledge(), again, nothing_known())
    again.close()
