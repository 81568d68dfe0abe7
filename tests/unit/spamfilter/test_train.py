from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import func, select

from config.settings import Spam
from spamfilter import taught
from spamfilter.prior import WEIGHT_UNIT, nothing_known
from spamfilter.tables import features, learnt, models
from spamfilter.train import DAY, Trainer
from storage.database import Database, metadata

HAM = b"From: a@exemple.org\r\nSubject: conseil de classe\r\n\r\nLe conseil commence lundi avec les bulletins.\r\n"
SPAM = b"From: b@exemple.top\r\nSubject: gagnez\r\n\r\nGagnez lundi un voyage avec notre loterie exclusive.\r\n"


@pytest.fixture
def database(each_database: Database) -> Database:
    return each_database


@pytest.fixture
def trainer(database: Database) -> Trainer:
    return Trainer(database, Spam())


def snapshot(database: Database) -> dict[str, Any]:
    """Everything that judgements depend on, without features that came back to zero."""
    with database.read() as connection:
        totals = taught.totals(connection)
        rows = [row for batch in taught.changed_since(connection, 0) for row in batch]
        lessons = connection.execute(select(func.count()).select_from(learnt)).scalar_one()
    return {
        "ham": totals.ham,
        "spam": totals.spam,
        "counts": {number: (ham, spam) for number, ham, spam, _ in rows if ham or spam},
        "weights": {number: weight for number, _, _, weight in rows if weight},
        "learnt": lessons,
    }


def test_learning_counts_each_token_once(database: Database, trainer: Trainer) -> None:
    assert trainer.learn(HAM, spam=False)
    state = snapshot(database)
    assert (state["ham"], state["spam"], state["learnt"]) == (1, 0, 1)
    assert state["counts"]
    assert set(state["counts"].values()) == {(1, 0)}
    assert set(state["weights"]) - set(state["counts"]), "weights have features beside the tokens"
    assert all(weight < 0 for weight in state["weights"].values())


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
    assert all(weight < 0 for weight in state["weights"].values())


def test_forgetting_leaves_nothing_behind(database: Database, trainer: Trainer) -> None:
    trainer.learn(HAM, spam=False, account="paul")
    before = snapshot(database)
    trainer.learn(SPAM, spam=True, account="marie")
    assert trainer.forget(SPAM, account="marie")
    assert snapshot(database) == before
    assert not trainer.forget(SPAM, account="marie")
    assert not trainer.forget(HAM, account="marie")


def test_lessons_taken_back_in_any_order_leave_nothing(database: Database, trainer: Trainer) -> None:
    """A later lesson moved the weights from where an earlier one had left them; both come back to zero exactly."""
    empty = snapshot(database)
    lessons = [(HAM, False, "paul"), (SPAM, True, "marie"), (HAM + b"encore\r\n", False, "marie"), (HAM, True, "jean")]
    for message, spam, account in lessons:
        assert trainer.learn(message, spam=spam, account=account)
    for message, _, account in (lessons[1], lessons[0], lessons[3], lessons[2]):
        assert trainer.forget(message, account=account)
    assert snapshot(database) == empty


def test_the_same_lesson_by_many_moves_weights_only_so_far(database: Database, trainer: Trainer) -> None:
    """What is right by the margin teaches nothing more: a crowd can't push weights without end."""
    strongest = []
    for i in range(12):
        assert trainer.learn(SPAM, spam=True, account=f"account{i}")
        strongest.append(max(snapshot(database)["weights"].values()))
    assert strongest[0] > 0
    assert len(set(strongest)) == 1


def test_what_the_prior_knows_already_needs_no_lesson(database: Database, tmp_path: Path) -> None:
    Trainer(database, Spam()).learn(SPAM, spam=True)
    known = snapshot(database)["weights"]
    numbers = np.array(sorted(known))
    weights = np.array([3 * known[number] // WEIGHT_UNIT for number in sorted(known)])
    prior = replace(nothing_known(), numbers=numbers, shares=np.full(len(known), 127, np.uint8), weights=weights)
    other = Database(f"sqlite:///{tmp_path}/other.db")
    metadata.create_all(other.engine)
    assert Trainer(other, Spam(), prior=prior).learn(SPAM, spam=True)
    state = snapshot(other)
    assert (state["spam"], state["weights"]) == (1, {})
    other.close()


def test_a_message_may_be_learnt_again_after_forgetting(database: Database, trainer: Trainer) -> None:
    trainer.learn(HAM, spam=False)
    before = snapshot(database)
    trainer.forget(HAM)
    assert trainer.learn(HAM, spam=False)
    assert snapshot(database) == before


def test_what_another_version_counted_is_not_taken_from_others(
    database: Database, trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer.learn(HAM, spam=False)
    before = snapshot(database)
    monkeypatch.setattr("spamfilter.train.VERSION", 999)
    assert trainer.forget(HAM)
    state = snapshot(database)
    assert (state["counts"], state["weights"]) == (before["counts"], before["weights"])
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
            revisions.append(taught.totals(connection).revision)
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


def test_learning_survives_a_kill(database: Database) -> None:
    """After kill -9 in the middle of learning each message is counted wholly or not at all."""
    database.close()
    url = database.engine.url.render_as_string()
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
            words = connection.execute(select(func.sum(features.c.ham + features.c.spam))).scalar_one()
            if database.is_sqlite:
                assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
        assert len(lessons) >= 8
        assert (model.ham, model.spam) == (lessons.count(False), lessons.count(True))
        replay = Trainer(again, Spam())
        for i in range(len(lessons)):
            words_of = " ".join(f"mot{i}x{k}" for k in range(300))
            assert replay.forget(f"Subject: lecon {i}\r\n\r\n{words_of}\r\n".encode())
        assert words > 0
        state = snapshot(again)
        assert state == {"ham": 0, "spam": 0, "counts": {}, "weights": {}, "learnt": 0}
    finally:
        again.close()
