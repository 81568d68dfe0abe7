"""Mail that is held back (storage/held.py), on each database: hidden, free, checked and backed up like any."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from message.content import MemoryContent
from storage.backup.create import BackupWriter
from storage.backup.restore import BackupReader
from storage.backup.seal import Seal
from storage.backup.target import FolderTarget
from storage.blobs.maildir import Maildir
from storage.check.rebuild import Rebuilder
from storage.check.verify import Verifier
from storage.database import Database
from storage.doorbell import Doorbell
from storage.errors import InvalidName, NoSuchMailbox, NoSuchMessage, OverQuota
from storage.held import HeldMail, Outcome
from storage.model import Filing, SpecialUse
from storage.names import HELD
from storage.restore import TimeMachine
from storage.retention import Retention
from storage.store import Store

LETTER = (
    b"From: Eve <eve@far.example>\r\nSubject: =?utf-8?Q?=C3=89t=C3=A9?=\r\nMessage-ID: <1@far.example>\r\n\r\nx\r\n"
)


class House:
    def __init__(self, store: Store, database: Database, tmp_path: Path) -> None:
        self.store, self.database, self.bodies = store, database, Maildir(tmp_path / "mail")
        self.bell = Doorbell(tmp_path / "more-bells")
        self.held = HeldMail(database, store)
        self.marie = store.open_account("marie")
        self.inbox = store.mailbox(self.marie, "INBOX").id

    def hold(self, octets: bytes = LETTER) -> int:
        self.store.held_mail(self.marie)
        ((_, _, uid),) = self.store.deliver([Filing(self.marie, HELD)], MemoryContent(octets), None, time.time())
        return uid

    def faults(self) -> list[str]:
        return [str(one) for one in Verifier(self.database, self.bodies, orphans_before=2**40).run()]


@pytest.fixture
def house(store: Store, database: Database, tmp_path: Path) -> House:
    return House(store, database, tmp_path)


def test_what_is_held_is_seen_by_nobody_and_not_charged(house: House) -> None:
    house.store.set_quota(house.marie, 10, None)
    uid = house.hold()
    box = house.store.held_mail(house.marie)
    assert (box.messages, house.store.quota(house.marie).used_bytes) == (1, 0)
    assert HELD not in [one.name for one in house.store.mailboxes(house.marie)]
    for look in (
        lambda: house.store.mailbox(house.marie, HELD),
        lambda: house.store.numbered(house.marie, box.id),
    ):
        with pytest.raises((NoSuchMailbox, InvalidName)):
            look()
    for change in (house.store.delete, house.store.create):
        with pytest.raises(InvalidName):
            change(house.marie, HELD)
    (one,) = house.held.messages(house.marie)
    assert (one.uid, one.author, one.subject) == (uid, "Eve <eve@far.example>", "Été")
    assert house.held.messages(house.marie, uid) == []
    assert house.held.waiting() == {house.marie: "marie"}
    content = house.held.content(house.marie, uid)
    assert bytes(content.buffer()) == LETTER
    content.close()
    assert house.faults() == []


def test_a_release_moves_it_into_the_inbox_once_and_charges_it(house: House) -> None:
    uid = house.hold()
    validity = house.store.held_mail(house.marie).uidvalidity
    house.store.set_quota(house.marie, 10, None)
    with pytest.raises(OverQuota):
        house.held.release(house.marie, uid)
    assert house.held.outcome(house.marie, validity, uid) is None
    house.store.set_quota(house.marie, None, None)
    house.held.release(house.marie, uid)
    with pytest.raises(NoSuchMessage):
        house.held.release(house.marie, uid)
    assert list(house.store.view(house.marie, house.inbox).uids) == [1]
    assert house.store.quota(house.marie).used_bytes == len(LETTER)
    assert house.held.outcome(house.marie, validity, uid) is Outcome.RELEASED
    # Those that learn from moves hear that it came out of junk.
    (event,) = house.store.events_after(0, 10)
    assert (event.source_use, event.target_use) == (SpecialUse.JUNK, None)
    assert house.faults() == []
    assert house.held.forget_outcomes(time.time() + 10) == 1
    assert house.held.outcome(house.marie, validity, uid) is Outcome.GONE


def test_what_is_deleted_is_told_apart(house: House) -> None:
    uid, other = house.hold(), house.hold()
    validity = house.store.held_mail(house.marie).uidvalidity
    house.held.delete(house.marie, uid)
    for act in (house.held.delete, house.held.release, house.held.content):
        with pytest.raises(NoSuchMessage):
            act(house.marie, uid)
    assert [house.held.outcome(house.marie, validity, one) for one in (uid, other)] == [Outcome.DELETED, None]
    assert house.held.outcome(house.marie, validity - 1, other) is Outcome.GONE


def test_it_expires_unless_the_law_holds_it(house: House) -> None:
    uid = house.hold()
    retention = Retention(house.database, house.bell)
    retention.hold(house.marie, True)
    assert retention.expire_held(time.time() + 10) == 0
    retention.hold(house.marie, False)
    assert retention.expire_held(time.time() - 10) == 0
    assert retention.expire_held(time.time() + 10) == 1
    assert house.held.messages(house.marie) == []
    assert house.held.outcome(house.marie, house.store.held_mail(house.marie).uidvalidity, uid) is Outcome.GONE
    assert house.faults() == []


def test_the_time_machine_passes_it_over(house: House, tmp_path: Path) -> None:
    uid = house.hold()
    then = int(time.time())
    house.held.delete(house.marie, uid)
    machine = TimeMachine(house.database, house.bodies, house.store, house.bell)
    plan = machine.plan(house.marie, then)
    assert HELD not in [one.past.name for one in plan.folders]
    machine.apply(plan)
    assert plan.refused == []


def test_a_rebuild_from_the_tree_keeps_it_hidden(house: House) -> None:
    house.hold()
    for _ in "ab":
        Rebuilder(house.database, house.bodies, house.bell).account("marie")
        (one,) = house.held.messages(house.marie)
        assert one.subject == "Été"
        assert HELD not in house.store.subscriptions(house.marie)
        assert house.store.quota(house.marie).used_bytes == 0
    assert house.faults() == []


def test_a_backup_brings_it_back(house: House, tmp_path: Path) -> None:
    uid = house.hold()
    target = FolderTarget(tmp_path / "backups")
    name, manifest = BackupWriter(house.database, house.bodies, target, Seal()).create()
    assert manifest.missing == []
    house.held.delete(house.marie, uid)
    reader = BackupReader(target, Seal(), name)
    came, _, wrong = reader.bring(house.store, "marie", house.marie)
    assert (came, wrong) == (1, [])
    (one,) = house.held.messages(house.marie)
    assert one.subject == "Été"
