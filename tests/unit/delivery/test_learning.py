"""Learning from what people do with their messages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from config.settings import Spam
from delivery.learning import Learning, lesson
from directory.model import Account
from message.content import Buffer, MemoryContent
from spamfilter.train import Trainer
from storage.errors import Unavailable
from storage.events import Event
from storage.model import NewMessage, SpecialUse
from tests.fakes.post_office import MARIE, PAUL, PostOffice

JUNK, TRASH, ARCHIVE = SpecialUse.JUNK, SpecialUse.TRASH, SpecialUse.ARCHIVE


class Pupil:
    """A trainer that remembers its lessons and learns each once."""

    def __init__(self) -> None:
        self.lessons: list[tuple[bytes, bool, str | None]] = []
        self.error: Exception | None = None

    def learn(self, buffer: Buffer, *, spam: bool, account: str | None) -> bool:
        if self.error is not None:
            raise self.error
        new = (bytes(buffer), spam, account) not in self.lessons
        if new:
            self.lessons.append((bytes(buffer), spam, account))
        return new


class Class(PostOffice):
    def __post_init__(self) -> None:
        super().__post_init__()
        self.pupil = Pupil()

    def learning(self, **settings: object) -> Learning:
        return Learning(self.database, self.store, self.pupil, replace(Spam(), **settings))  # type: ignore[arg-type]

    def box(self, account: Account, use: SpecialUse | None) -> int:
        number = self.store.open_account(account.key)
        return next(
            one.id
            for one in self.store.mailboxes(number)
            if one.special_use is use and (use is not None or one.name == "INBOX")
        )

    def move(
        self, account: Account, text: bytes, *, source: SpecialUse | None, target: SpecialUse | None
    ) -> tuple[int, int]:
        number = self.store.open_account(account.key)
        (uid,) = self.store.append(
            number, self.box(account, source), [NewMessage(MemoryContent(b"From: a@b\r\n\r\n" + text))]
        )
        moved = self.store.move(number, self.box(account, source), [uid], self.box(account, target))
        return number, moved.target[0]


@pytest.fixture
def classroom(tmp_path: Path) -> Iterator[Class]:
    classroom = Class(tmp_path)
    yield classroom
    classroom.close()


@pytest.mark.parametrize(
    ("source", "target", "spam"),
    [
        (None, JUNK, True),
        (ARCHIVE, JUNK, True),
        (TRASH, JUNK, True),
        (JUNK, None, False),
        (JUNK, ARCHIVE, False),
        (JUNK, TRASH, None),
        (JUNK, JUNK, None),
        (None, TRASH, None),
        (None, ARCHIVE, None),
    ],
)
def test_lessons(source: SpecialUse | None, target: SpecialUse | None, spam: bool | None):
    event = Event(1, 1, "k", 0, "moved", source, target, 1, 1, 1, "b")
    assert lesson(event) is spam


def test_moves_teach_once_across_restarts(classroom: Class):
    classroom.move(MARIE, b"spam", source=None, target=JUNK)
    classroom.move(PAUL, b"ham", source=JUNK, target=None)
    classroom.move(PAUL, b"seen", source=JUNK, target=TRASH)
    assert classroom.learning().catch_up() == 2
    assert [(octets[-4:], spam, who) for octets, spam, who in classroom.pupil.lessons] == [
        (b"spam", True, "key-marie"),
        (b"\nham", False, "key-paul"),
    ]
    assert classroom.learning().catch_up() == 0
    assert len(classroom.pupil.lessons) == 2


def test_a_day_has_its_cap_for_each_account(classroom: Class):
    for number in range(5):
        classroom.move(MARIE, b"%d" % number, source=None, target=JUNK)
    classroom.move(PAUL, b"p", source=None, target=JUNK)
    settings = Spam(learn_per_account=3)
    learning = Learning(classroom.database, classroom.store, Trainer(classroom.database, settings), settings)
    assert learning.catch_up() == 4
    # Another process, or one after a restart, goes on with the same count.
    classroom.move(MARIE, b"more", source=None, target=JUNK)
    again = Learning(classroom.database, classroom.store, Trainer(classroom.database, settings), settings)
    assert again.catch_up() == 0


def test_a_message_that_is_gone_is_passed_over(classroom: Class):
    number, uid = classroom.move(MARIE, b"gone", source=None, target=JUNK)
    junk = classroom.box(MARIE, JUNK)
    classroom.store.move(number, junk, [uid], classroom.box(MARIE, TRASH))
    classroom.move(MARIE, b"here", source=None, target=JUNK)
    assert classroom.learning().catch_up() == 1


def test_switched_off_it_teaches_nothing_and_does_not_save_it_up(classroom: Class):
    classroom.move(MARIE, b"x", source=None, target=JUNK)
    assert classroom.learning(learn_from_moves=False).catch_up() == 0
    assert classroom.learning().catch_up() == 0


def test_trouble_leaves_the_lesson_for_the_next_time(classroom: Class):
    classroom.move(MARIE, b"x", source=None, target=JUNK)
    classroom.pupil.error = Unavailable("away")
    learning = classroom.learning()
    with pytest.raises(Unavailable):
        learning.catch_up()
    classroom.pupil.error = None
    assert learning.catch_up() == 1


def test_a_message_that_breaks_the_trainer_is_passed_over(classroom: Class):
    classroom.move(MARIE, b"x", source=None, target=JUNK)
    classroom.pupil.error = RecursionError()
    assert classroom.learning().catch_up() == 0
    classroom.pupil.error = None
    assert classroom.learning().catch_up() == 0
