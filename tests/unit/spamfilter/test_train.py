from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from config.settings import Spam
from spamfilter.bayes import tokens as store
from spamfilter.train import DAY, Trainer
from spamfilter.tables import learnt, models
from spamfilter.tables import tokens as token_table
from storage.database import Database, metadata

HAM = b"From: a@exemple.org\r\nSubject: conseil de classe\r\n\r\nLe conseil commence lundi avec les bulletins.\r\n"
SPAM = b"From: b@exemple.top\r\nSubject: gagnez\r\n\r\nGagnez lundi un voyage avec notre loterie exclusive.\r\n"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/spam.db")
    metadata.create_all(database.engine)
    yield database
    database.close()


@pytest.fixture
def trainer(database: Database) -> Trainer:
    return Trainer(database, Spam())


def snapshot(database: Database) -> dict[str, Any]:
    """Everything that judgements depend on, without tokens whose counts came back to zero."""
    with database.read() as connection:
        totals = store.totals(connection)
        counts = {t: (h, s) for t, h, s in store.all_counts(connection) if h or s}
        lessons = connection.execute(select(func.count()).select_from(learnt)).scalar_one()
    return {"ham": totals.ham, "spam": totals.spam, "counts": counts, "learnt": lessons}


def test_learning_counts_each_token_once(database: Database, trainer: Trainer) -> None:
    assert trainer.learn(HAM, spam=False)
    state = snapshot(database)
    assert (state["ham"], state["spam"], state["learnt"]) == (1, 0, 1)
    assert state["counts"]
    assert set(state["counts"].values()) == {(1, 0)}


def test_once_per_message_and_account(database: Database, trainer: Trainer) -> None:
    assert trainer.learn(SPAM, spam=True, account="marie")
    before = snapshot(database)
    assert not trainer.learn(SPAM, spam=True, account="marie")
    assert snapshot(database) == before
    assert trainer.learn(SPAM, spam=True, account="paul")
    assert snapshot(database)["spam"] == 2


def test_the_other_class_takes_back_first(database: Database, trainer: Trainer) -> None:
    trainer.learn(HAM, spam=False)
    expected = snapshot(database)
    other = Trainer(database, Spam())
    other.learn(HAM, spam=True, account="marie")
    assert other.learn(HAM, spam=False, account="marie")
    state = snapshot(database)
    assert (state["ham"], state["spam"]) == (2, 0)
    assert state["counts"] == dict.fromkeys(expected["counts"], (2, 0))


def test_forgetting_leaves_nothing_behind(database: Database, trainer: Trainer) -> None:
    trainer.learn(HAM, spam=False, account="paul")
    before = snapshot(database)
    trainer.learn(SPAM, spam=True, account="marie")
    assert trainer.forget(SPAM, account="marie")
    assert snapshot(database) == before
    assert not trainer.forget(SPAM, account="marie")
    assert not trainer.forget(HAM, account="marie")


def test_a_message_may_be_learnt_again_after_forgetting(database: Database, trainer: Trainer) -> None:
    trainer.learn(HAM, spam=False)
    before = snapshot(database)
    trainer.forget(HAM)
    assert trainer.learn(HAM, spam=False)
    assert snapshot(database) == before


def test_what_another_tokenizer_counted_is_not_taken_from_others(
    database: Database, trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer.learn(HAM, spam=False)
    before = snapshot(database)
    monkeypatch.setattr("spamfilter.bayes.tokenize.VERSION", 999)
    assert trainer.forget(HAM)
    state = snapshot(database)
    assert state["counts"] == before["counts"]
    assert (state["ham"], state["learnt"]) == (0, 0)


def test_an_account_teaches_so_many_a_day(database: Database) -> None:
    now = [1000.0]
    trainer = Trainer(database, Spam(learn_per_account=2), clock=lambda: now[0])
    messages = [HAM + f"numero {i}\r\n".encode() for i in range(4)]
    assert [trainer.learn(m, spam=False, account="paul") for m in messages] == [True, True, False, False]
    assert trainer.learn(messages[0], spam=True, account="paul"), "a correction is always taken"
    assert trainer.learn(messages[2], spam=False, account="marie")
    assert all(trainer.learn_all(messages, spam=False)), "the operator has no limit"
    now[0] += DAY + 1
    assert trainer.learn(messages[2], spam=False, account="paul")


def test_the_revision_rises_with_every_change(database: Database, trainer: Trainer) -> None:
    revisions = []
    steps = [partial(trainer.learn, m, spam=m is SPAM) for m in (HAM, SPAM)] + [partial(trainer.forget, HAM)]
    for step in steps:
        assert step()
        with database.read() as connection:
            revisions.append(store.totals(connection).revision)
    assert revisions == sorted(set(revisions))


def test_a_failure_in_the_middle_leaves_nothing(
    database: Database, trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer.learn(HAM, spam=False)
    before = snapshot(database)

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("power cut")

    monkeypatch.setattr(trainer, "_clock", broken)
    with pytest.raises(RuntimeError):
        trainer.learn(SPAM, spam=True)
    assert snapshot(database) == before


@pytest.mark.parametrize("octets", [b"", b"\r\n", b"\x00" * 100, b"Subject: x", b"\xff\xfe" * 1000])
def test_odd_messages_can_be_learnt_and_forgotten(database: Database, trainer: Trainer, octets: bytes) -> None:
    empty = snapshot(database)
    assert trainer.learn(octets, spam=True)
    assert trainer.forget(octets)
    assert snapshot(database) == empty


LEARN_FOR_EVER = """
import sys
from config.settings import Spam
from spamfilter.train import Trainer
from storage.database import Database
trainer = Trainer(Database(sys.argv[1]), Spam())
i = 0
while True:
    words = " ".join(f"mot{i}x{k}" for k in range(300))
    trainer.learn(f"Subject: lecon {i}\\r\\n\\r\\n{words}\\r\\n".encode(), spam=bool(i % 2))
    i += 1
    print(i, flush=True)
"""


def test_learning_survives_a_kill(database: Database, tmp_path: Path) -> None:
    """After kill -9 in the middle of learning each message is counted wholly or not at all."""
    database.close()
    url = f"sqlite:///{tmp_path}/spam.db"
    root = Path(__file__).resolve().parents[3]
    for round_ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", LEARN_FOR_EVER, url], stdout=subprocess.PIPE, cwd=root, env={**os.environ}
        )
        assert process.stdout is not None
        for _ in range(5 + 3 * round_):
            assert process.stdout.readline()
        time.sleep(0.003 * round_)
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        process.stdout.close()
    again = Database(url)
    try:
        with again.read() as connection:
            lessons = connection.execute(select(learnt.c.spam)).scalars().all()
            model = connection.execute(select(models)).one()
            words = connection.execute(select(func.sum(token_table.c.ham + token_table.c.spam))).scalar_one()
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
        assert len(lessons) >= 8
        assert (model.ham, model.spam) == (lessons.count(False), lessons.count(True))
        replay = Trainer(again, Spam())
        for i in range(len(lessons)):
            words_of = " ".join(f"mot{i}x{k}" for k in range(300))
            assert replay.forget(f"Subject: lecon {i}\r\n\r\n{words_of}\r\n".encode())
        assert words > 0
        state = snapshot(again)
        assert state == {"ham": 0, "spam": 0, "counts": {}, "learnt": 0}
    finally:
        again.close()
