"""Files get the names of their rows a little later: whatever ends in between, each body is found and none is lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from config.settings import Store as Settings
from message.content import MemoryContent
from storage.blobs.api import BodyName, Place
from storage.blobs.maildir import Maildir
from storage.database import Database
from storage.doorbell import Doorbell
from storage.errors import Unavailable
from storage.model import FlagChange, NewMessage, System
from storage.store import Store


class Killed(BaseException):
    """The process ends here."""


class Mortal(Maildir):
    """A tree whose user may be killed right after its n-th rename."""

    lives: int | None = None

    def _used(self) -> None:
        if self.lives is not None:
            self.lives -= 1
            if self.lives == 0:
                raise Killed

    def reflag(self, place: Place, name: BodyName) -> None:
        super().reflag(place, name)
        self._used()

    def retire(self, place: Place, name: BodyName) -> None:
        super().retire(place, name)
        self._used()


class Desk:
    """Five messages in INBOX: one moves on, one is expunged, all flags change."""

    def __init__(self, tmp_path: Path, database: Database) -> None:
        self.tree = tmp_path / "mail"
        self.blobs = Mortal(self.tree)
        self.store = Store(database, self.blobs, Settings(), Doorbell(tmp_path / "bells"))
        self.account = self.store.open_account("marie")
        self.inbox, self.archive = (self.store.mailbox(self.account, name).id for name in ("INBOX", "Archive"))
        letters = [NewMessage(MemoryContent(b"Subject: %d\r\n\r\n%d\r\n" % (n, n))) for n in range(1, 6)]
        self.store.append(self.account, self.inbox, letters)

    def work(self) -> None:
        store, account, inbox = self.store, self.account, self.inbox
        store.store_flags(account, inbox, [1, 2, 3, 4, 5], FlagChange.ADD, int(System.SEEN), ("$Label1",))
        store.store_flags(account, inbox, [5], FlagChange.REPLACE, int(System.DELETED), ())
        store.move(account, inbox, [2], self.archive)
        store.expunge(account, inbox)

    def texts(self) -> list[tuple[str, int, bytes]]:
        """Every message with its flags and its last octets."""
        return [
            (name, row.system, bytes(self.store.body(self.account, box, row).buffer())[-3:])
            for name, box in (("INBOX", self.inbox), ("Archive", self.archive))
            for row in self.store.view(self.account, box).rows
        ]

    def shown(self) -> list[str]:
        """What other readers of the tree see: folder and flags of each file."""
        found = self.tree.rglob("cur/*")
        return sorted(f"{path.parent.parent.name.partition('.')[2]} {path.name.rpartition(',')[2]}" for path in found)


SEEN = int(System.SEEN)
KEPT = [
    *(("INBOX", SEEN, b"%d\r\n" % n) for n in (1, 3, 4)),
    ("Archive", SEEN, b"2\r\n"),
]


@pytest.fixture
def desk(tmp_path: Path, database: Database) -> Desk:
    return Desk(tmp_path, database)


def test_bodies_are_found_before_and_after(desk: Desk) -> None:
    before = desk.store.view(desk.account, desk.inbox).row(5)
    assert before is not None
    desk.work()
    assert desk.texts() == KEPT
    assert desk.store.rename_bodies() > 0
    assert desk.texts() == KEPT
    assert desk.shown() == [" S", " S", " S", "Archive S"]
    # A session that was not told of the expunge can still read it.
    assert bytes(desk.store._blobs.open(Place("marie", ""), BodyName(before.blob, before.size, 0)).buffer())
    assert desk.store.rename_bodies() == 0


@pytest.mark.parametrize("step", range(1, 6))
def test_killed_after_a_rename(desk: Desk, step: int) -> None:
    desk.work()
    desk.blobs.lives = step
    with pytest.raises(Killed):
        desk.store.rename_bodies()
    assert desk.texts() == KEPT
    desk.blobs.lives = None
    assert desk.store.rename_bodies() > 0
    assert desk.texts() == KEPT
    assert desk.shown() == [" S", " S", " S", "Archive S"]


@pytest.mark.parametrize(
    "then",
    [
        lambda desk: desk.store.rename(desk.account, "Archive", "Plans/2027"),
        lambda desk: desk.store.sweep(2**40),
        lambda desk: desk.store.scrub(2**33, 100),
    ],
    ids=["rename", "sweep", "scrub"],
)
def test_other_work_comes_first(desk: Desk, then: Callable[[Desk], object]) -> None:
    desk.work()
    then(desk)
    assert desk.texts() == KEPT
    desk.store.rename_bodies()
    assert desk.texts() == KEPT
    assert [one.rpartition(" ")[2] for one in desk.shown()] == ["S"] * 4


def test_a_deleted_mailbox_has_no_names(desk: Desk) -> None:
    desk.work()
    desk.store.delete(desk.account, "Archive")
    assert desk.store.rename_bodies() > 0
    assert desk.store.rename_bodies() == 0


def test_a_disk_that_renames_nothing_costs_only_the_names(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.work()
    with monkeypatch.context() as patch:
        patch.setattr("os.rename", lambda *_: (_ for _ in ()).throw(OSError(5, "Input/output error")))
        with pytest.raises(Unavailable):
            desk.store.rename_bodies()
    assert desk.texts() == KEPT
    assert desk.store.rename_bodies() > 0
    assert desk.shown() == [" S", " S", " S", "Archive S"]
