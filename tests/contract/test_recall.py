"""Recalls (storage/recall.py), on each database."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import update

from message.content import MemoryContent
from storage import tables
from storage.blobs.maildir import Maildir
from storage.check.verify import Verifier
from storage.database import Database
from storage.doorbell import Doorbell
from storage.model import Filing, FlagChange, System
from storage.recall import Copy, NoSuchRecall, Recalls, Wanted
from storage.restore import TimeMachine
from storage.store import Store

CAME = 1_780_000_000
PHISH = Wanted(lambda name, date: name == "<phish@x>" and date == CAME, frozenset({CAME}))
PEOPLE = ("marie", "paul", "zoe")


class Site:
    def __init__(self, store: Store, database: Database, tmp_path: Path) -> None:
        self.store, self.database = store, database
        self.blobs = Maildir(tmp_path / "mail")
        bells = Doorbell(tmp_path / "more-bells")
        self.machine = TimeMachine(database, self.blobs, store, bells)
        self.recalls = Recalls(database, store, bells, self.machine)
        self.numbers = {key: store.open_account(key) for key in PEOPLE}

    def deliver(self, message_id: str, *people: str, at: int = CAME) -> None:
        content = MemoryContent(f"Message-ID: {message_id}\r\nSubject: urgent\r\n\r\nbonjour\r\n".encode())
        self.store.deliver([Filing(self.numbers[key]) for key in people], content, None, at)

    def take(self, number: int, wanted: Wanted = PHISH, keys: tuple[str, ...] = PEOPLE) -> list[Copy]:
        return [one for key in keys for one in self.recalls.take(number, key, wanted)]

    def uids(self, key: str, name: str = "INBOX") -> list[int]:
        account = self.numbers[key]
        return list(self.store.view(account, self.store.mailbox(account, name).id).uids)

    def sound(self) -> bool:
        return list(Verifier(self.database, self.blobs, orphans_before=time.time() + 3600).run()) == []


@pytest.fixture
def site(store: Store, database: Database, tmp_path: Path) -> Site:
    return Site(store, database, tmp_path)


def test_a_message_goes_from_all_mailboxes_and_comes_back(site: Site) -> None:
    site.deliver("<1@x>", *PEOPLE)
    site.deliver("<phish@x>", "marie", "paul")
    marie = site.numbers["marie"]
    inbox, archive = (site.store.mailbox(marie, name).id for name in ("INBOX", "Archive"))
    site.store.store_flags(marie, inbox, [2], FlagChange.ADD, int(System.SEEN | System.FLAGGED), ("urgent",))
    site.store.copy(marie, inbox, [2], archive)
    found = [one for key in site.recalls.accounts() for one in site.recalls.copies(key, PHISH)]
    assert [(one.key, one.name, one.seen) for one in found] == [
        *(("marie", "INBOX", True), ("marie", "Archive", True), ("paul", "INBOX", False)),
    ]
    assert [(one.subject, one.uid) for one in found] == [("urgent", 2), ("urgent", 1), ("urgent", 2)]
    number = site.recalls.begin("<phish@x>", "hotline", "phishing")
    assert sorted(site.take(number), key=str) == sorted(found, key=str)
    site.recalls.finish(number)
    assert [site.uids(key) for key in PEOPLE] == [[1], [1], [1]]
    assert site.store.quota(marie).used_messages == 1
    assert site.recalls.undo(number, "operator") == (3, [])
    assert [site.uids(key) for key in PEOPLE] == [[1, 3], [1, 3], [1]], "UIDs are never used again"
    row = site.store.view(marie, inbox).row(3)
    assert row is not None
    assert (row.system & System.SEEN, row.system & System.FLAGGED) == (System.SEEN, System.FLAGGED)
    assert ("urgent" in row.keywords, row.internal_date) == (True, CAME)
    assert site.sound()


def test_only_what_is_meant_goes(site: Site) -> None:
    """A letter of another day with the same Message-ID is not the message that came."""
    site.deliver("<phish@x>", "marie", at=CAME - 5)
    site.deliver("<other@x>", "marie")
    assert site.take(site.recalls.begin("<phish@x>", "hotline", "phishing")) == []
    assert site.uids("marie") == [1, 2]
    assert site.recalls.copies("nobody", PHISH) == []
    assert "nobody" not in list(site.recalls.accounts())


def test_one_that_was_cut_off_goes_on(site: Site) -> None:
    site.deliver("<phish@x>", *PEOPLE)
    first = site.recalls.begin("<phish@x>", "hotline", "phishing")
    assert len(site.take(first, keys=("marie",))) == 1
    again = site.recalls.begin("<phish@x>", "hotline", "phishing")
    assert again == first
    assert [one.key for one in site.take(again)] == ["paul", "zoe"]
    site.recalls.finish(again)
    assert site.recalls.begin("<phish@x>", "hotline", "phishing") != first
    assert site.recalls.undo(first, "operator") == (3, [])


def test_undoing_twice_gives_back_once(site: Site) -> None:
    site.deliver("<phish@x>", *PEOPLE)
    number = site.recalls.begin("<phish@x>", "hotline", "phishing")
    site.take(number)
    assert site.recalls.undo(number, "operator") == (3, [])
    assert site.recalls.undo(number, "operator") == (0, [])
    assert [site.uids(key) for key in PEOPLE] == [[2], [2], [2]]
    with pytest.raises(NoSuchRecall):
        site.recalls.undo(number + 1, "operator")


def test_it_comes_back_to_the_inbox_when_its_mailbox_is_gone(site: Site) -> None:
    marie = site.numbers["marie"]
    site.deliver("<phish@x>", "marie")
    box = site.store.create(marie, "Projets")
    site.store.move(marie, site.store.mailbox(marie, "INBOX").id, [1], box.id)
    number = site.recalls.begin("<phish@x>", "hotline", "phishing")
    site.take(number)
    site.store.delete(marie, "Projets")
    assert site.recalls.undo(number, "operator") == (1, [])
    assert site.uids("marie") == [2]


def test_a_restore_does_not_bring_it_back(site: Site, database: Database) -> None:
    site.deliver("<1@x>", "marie")
    site.deliver("<phish@x>", "marie")
    with database.write() as connection:
        for column in (tables.message.c.saved_at, tables.mailbox_before.c.at):
            connection.execute(update(column.table).values({column: column - 3600}))
    number = site.recalls.begin("<phish@x>", "hotline", "phishing")
    site.take(number)
    marie, moment = site.numbers["marie"], int(time.time()) - 1800
    assert [one.back for one in site.machine.plan(marie, moment, "INBOX").folders] == [[]]
    site.recalls.undo(number, "operator")
    assert site.uids("marie") == [1, 3]


def test_what_is_kept_no_longer_does_not_come_back(site: Site) -> None:
    site.deliver("<phish@x>", "marie", "paul")
    number = site.recalls.begin("<phish@x>", "hotline", "phishing")
    site.take(number)
    site.store.sweep(time.time() + 400 * 86400)
    assert site.recalls.undo(number, "operator") == (0, [])
    assert site.sound()


def test_the_journal_says_who_did_what_and_why(site: Site) -> None:
    site.deliver("<phish@x>", *PEOPLE)
    number = site.recalls.begin("<phish@x>", "hotline", "phishing")
    [(entry, copies)] = site.recalls.journal(10)
    assert (entry.asked, entry.by, entry.reason) == ("<phish@x>", "hotline", "phishing")
    assert (entry.finished, copies) == (None, 0)
    site.take(number)
    site.recalls.finish(number)
    site.recalls.undo(number, "operator")
    [(entry, copies)] = site.recalls.journal(10)
    assert (copies, entry.undone_by) == (3, "operator")
    assert entry.finished is not None
    assert entry.undone is not None
    assert abs(entry.started - time.time()) < 60


def test_owners_that_move_it_meanwhile_lose_it_all_the_same(site: Site) -> None:
    """Each account is looked at in its own transaction: a copy is in one mailbox or another, and goes from there."""
    marie = site.numbers["marie"]
    for _ in range(20):
        site.deliver("<phish@x>", "marie")
    inbox, archive = (site.store.mailbox(marie, name).id for name in ("INBOX", "Archive"))
    number = site.recalls.begin("<phish@x>", "hotline", "phishing")

    def moves() -> None:
        for uid in range(1, 21):
            site.store.move(marie, inbox, [uid], archive)

    mover = threading.Thread(target=moves)
    mover.start()
    count = 0
    while mover.is_alive():
        count += len(site.take(number, keys=("marie",)))
    mover.join()
    count += len(site.take(number, keys=("marie",)))
    assert (count, site.uids("marie"), site.uids("marie", "Archive")) == (20, [], [])
    assert site.recalls.undo(number, "operator") == (20, [])
    assert site.sound()
