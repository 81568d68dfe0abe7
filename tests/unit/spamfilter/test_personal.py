from __future__ import annotations

import pytest

from config.settings import Spam
from spamfilter.personal import LARGEST, offset, offsets
from spamfilter.train import Trainer
from storage.database import Database


def test_an_offset_grows_slowly_and_stays_small() -> None:
    assert offset(0, 0) == 0.0
    assert offset(0, 10) == pytest.approx(LARGEST / 2)
    assert offset(10, 0) == pytest.approx(-LARGEST / 2)
    assert offset(500, 500) == 0.0
    assert 0.9 * LARGEST < offset(0, 10_000) < LARGEST


def test_lessons_of_others_change_nothing(each_database: Database) -> None:
    trainer = Trainer(each_database, Spam())
    messages = [f"Subject: lecon {i}\r\n\r\ncorps {i}\r\n".encode() for i in range(4)]
    for message in messages[:3]:
        trainer.learn(message, spam=True, account="marie")
    trainer.learn(messages[3], spam=False, account="paul")
    assert offsets(each_database, {"marie", "paul", "luc"}) == {"marie": offset(0, 3), "paul": offset(1, 0)}
    assert offsets(each_database, {"luc"}) == {}
    for message in messages[:3]:
        trainer.forget(message, account="marie")
    assert offsets(each_database, {"marie"}) == {}
