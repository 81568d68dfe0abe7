"""Every kind of damage is found, told in words, and mended or set aside."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from sqlalchemy import delete, func, select, update

from message.content import MemoryContent
from storage import tables
from storage.attic import Attic
from storage.check.findings import Fault
from storage.errors import Unavailable
from storage.model import FlagChange, NewMessage, System
from storage.naming import Naming
from tests.unit.storage.check.conftest import House


def flip(path: Path, at: int = -5) -> None:
    octets = bytearray(path.read_bytes())
    octets[at] ^= 0x10
    path.write_bytes(octets)


def mended(house: House, fault: Fault) -> str:
    """Finds exactly this fault, mends it, finds nothing more; returns what was said."""
    assert [one.fault for one in house.verify()] == [fault]
    [done] = house.verify(repair=True)
    assert done.fault is fault
    assert done.repaired
    assert house.verify() == []
    return str(done)


def contents(house: House) -> int:
    """Contents of which something is known."""
    with house.database.read() as connection:
        return connection.scalar(select(func.count()).select_from(tables.content)) or 0


def test_a_sound_store_is_told_so(house: House) -> None:
    house.append("un")
    house.append("deux", "Archive", system=int(System.SEEN))
    house.store.expunge(house.marie, house.store.mailbox(house.marie, "INBOX").id)
    assert house.verify() == []


def test_a_flipped_bit_is_found_and_the_message_set_aside(house: House) -> None:
    house.append("un")
    uid = house.append("deux")
    path = house.path(uid)
    flip(path)
    flipped = path.read_bytes()
    said = mended(house, Fault.DAMAGED)
    assert "marie.durand INBOX UID 2" in said
    assert "another SHA-256" in said
    assert "subject 'deux'" in said
    assert house.row(uid) is None
    [kept] = (house.root / "quarantine").rglob("*S=*")
    assert kept.read_bytes() == flipped
    assert house.store.quota(house.marie).used_messages == 1
    assert contents(house) == 1
    # The number is not given again.
    assert house.append("trois") == 3


def test_a_damaged_body_is_taken_from_another_copy(house: House) -> None:
    uid = house.append("un")
    paul = house.store.open_account("paul")
    house.append("un", account=paul)
    octets = house.octets(uid)
    flip(house.path(uid))
    assert "taken from another copy" in mended(house, Fault.DAMAGED)
    assert house.octets(uid) == octets
    os.unlink(house.path(uid))
    mended(house, Fault.MISSING)
    assert house.octets(uid) == octets


def test_a_cut_off_body(house: House) -> None:
    uid = house.append("un")
    with open(house.path(uid), "r+b") as file:
        file.truncate(10)
    assert "10 octets instead of" in mended(house, Fault.DAMAGED)


def test_a_missing_body(house: House) -> None:
    uid = house.append("un")
    house.path(uid).unlink()
    assert "UID 1" in mended(house, Fault.MISSING)
    assert house.row(uid) is None


def test_a_body_that_strayed_into_another_folder_comes_back(house: House) -> None:
    uid = house.append("un")
    house.append("deux", "Archive")
    path = house.path(uid)
    uid = house.append("trois", "Archive")
    path = house.path(uid, "Archive")
    path.rename(house.path(1).parent / path.name)
    faults = {one.fault for one in house.verify(repair=True)}
    assert faults == {Fault.MISSING, Fault.ORPHAN}
    assert house.verify() == []
    assert b"trois" in house.octets(uid, "Archive")


def test_an_orphan_is_kept_in_the_quarantine(house: House) -> None:
    uid = house.append("un")
    path = house.path(uid)
    orphan = path.with_name("17.M1P1R1Q1.localhost,S=4:2,S")
    orphan.write_bytes(b"abcd")
    # Young files may belong to a delivery under way.
    assert house.verify(later=-10_000) == []
    mended(house, Fault.ORPHAN)
    assert not orphan.exists()
    assert [one.name for one in (house.root / "quarantine").rglob("*S=4*")] == [orphan.name]


def test_a_folder_without_a_mailbox(house: House) -> None:
    house.append("un", "Archive")
    shutil.copytree(house.path(1, "Archive").parents[1], house.path(1, "Archive").parents[2] / ".Perdu")
    mended(house, Fault.FOLDER)
    assert len(list((house.root / "quarantine").rglob("*S=*"))) == 1


def test_mail_of_an_account_that_the_index_has_not(house: House) -> None:
    shutil.copytree(house.root, house.root.parent / "copy")
    (house.root / "3a" / "nobody" / "cur").mkdir(parents=True)
    assert house.verify() == []  # not a folder of ours: the name does not fit
    other = house.store.open_account("paul")
    house.append("un", account=other)
    with house.database.write() as connection:
        for table in (tables.message, tables.content, tables.mailbox, tables.subscription):
            connection.execute(delete(table).where(table.c.account_id == other))
        connection.execute(delete(tables.account).where(tables.account.c.id == other))
    [found] = house.verify()
    assert (found.fault, found.account) == (Fault.FOLDER, "paul")


def test_counters_and_quota(house: House) -> None:
    for text in ("un", "deux"):
        house.append(text)
    box = house.store.mailbox(house.marie, "INBOX")
    with house.database.write() as connection:
        connection.execute(
            update(tables.mailbox).where(tables.mailbox.c.id == box.id).values(messages=7, unseen=3, size=1, uidnext=2)
        )
    said = mended(house, Fault.COUNTERS)
    assert "messages 7 instead of 2" in said
    assert "UIDNEXT 2 although UID 2 is there" in said
    after = house.store.mailbox(house.marie, "INBOX")
    assert (after.messages, after.unseen, after.size, after.uidnext) == (2, 2, box.size, 3)
    assert house.append("trois") == 3
    with house.database.write() as connection:
        connection.execute(update(tables.account).values(used_bytes=1, used_messages=9))
    mended(house, Fault.QUOTA)
    assert house.store.quota(house.marie).used_messages == 3


def test_names_that_show_other_flags(house: House) -> None:
    uid = house.append("un")
    path = house.path(uid)
    box = house.store.mailbox(house.marie, "INBOX").id
    house.store.store_flags(house.marie, box, [uid], FlagChange.ADD, int(System.SEEN), ())
    assert path.exists()
    assert house.verify() == []  # It is to be renamed.
    assert house.store.rename_bodies() == 1
    house.path(uid).rename(path)
    mended(house, Fault.NAME)
    assert house.path(uid).exists()


def test_envelopes_are_read_from_the_body_again(house: House) -> None:
    house.append("un")
    with house.database.write() as connection:
        before = connection.execute(tables.content.select()).mappings().one()
        connection.execute(delete(tables.content))
    mended(house, Fault.FACTS)
    with house.database.read() as connection:
        assert connection.execute(tables.content.select()).mappings().one() == before


@pytest.mark.parametrize("work", ["move", "expunge", "rename", "flag", "deliver"])
def test_mail_that_moves_on_meanwhile_is_no_fault(house: House, work: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the listing of files and the look at bodies everything may happen."""
    house.append("un", "Archive")
    for text in ("un", "deux", "trois"):
        house.append(text, system=int(System.DELETED))
    store, marie = house.store, house.marie
    store.create(marie, "Projets")
    house.append("quatre", "Projets")
    inbox, archive = (store.mailbox(marie, name).id for name in ("INBOX", "Archive"))

    def happen() -> None:
        match work:
            case "move":
                store.move(marie, inbox, [2], archive)
            case "expunge":
                store.expunge(marie, inbox)
                store.sweep(2**40)
            case "rename":
                store.rename(marie, "Projets", "Plans/2027")
            case "flag":
                store.store_flags(marie, inbox, [1, 2, 3], FlagChange.REPLACE, int(System.SEEN), ())
            case "deliver":
                house.append("cinq")

    real = house.blobs.digest
    once = iter([happen])

    def digest(*args: object) -> bytes:
        for one in once:
            one()
        return real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(house.blobs, "digest", digest)
    assert house.verify(repair=True, later=-10_000) == []
    monkeypatch.undo()
    assert house.verify() == []


def test_a_disk_that_does_not_give_a_body(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.append("un")

    def away(*_: object) -> bytes:
        raise Unavailable("the disk failed: Input/output error")

    monkeypatch.setattr(house.blobs, "digest", away)
    # A disk that fails is no reason to throw mail out.
    [found] = house.verify(repair=True)
    assert (found.fault, found.repaired) == (Fault.UNREADABLE, "")
    monkeypatch.undo()
    assert house.verify() == []


def test_messages_of_one_body_are_compared_each(house: House) -> None:
    octets = b"Subject: a\r\n\r\nb\r\n"
    box = house.store.mailbox(house.marie, "INBOX").id
    house.store.append(house.marie, box, [NewMessage(MemoryContent(octets))])
    house.store.copy(house.marie, box, [1], house.store.mailbox(house.marie, "Archive").id)
    flip(house.path(1))
    # A hard link: both are hit.
    assert [one.mailbox for one in house.verify(repair=True)] == ["INBOX", "Archive"]
    assert house.verify() == []


def removed(house: House, text: str = "un", *, shelved: bool) -> Path:
    """Where the body of a message stands that was expunged."""
    uid = house.append(text)
    box = house.store.mailbox(house.marie, "INBOX").id
    house.store.store_flags(house.marie, box, [uid], FlagChange.ADD, int(System.DELETED), ())
    house.store.expunge(house.marie, box)
    Naming(house.database, house.blobs).catch_up()
    if shelved:
        Attic(house.database, house.blobs).shelve(2**40)
    [path] = house.root.rglob("kept/*/cur/*S=*" if shelved else "expunged/*S=*")
    return path


@pytest.mark.parametrize("shelved", [False, True])
def test_a_removed_message_is_compared_too(house: House, shelved: bool) -> None:
    path = removed(house, shelved=shelved)
    assert house.verify() == []
    flip(path)
    said = mended(house, Fault.KEPT)
    assert "INBOX UID 1" in said
    assert "another SHA-256" in said
    assert "its octets are in" in said
    assert contents(house) == 0


def test_a_removed_message_is_taken_from_another_copy(house: House) -> None:
    paul = house.store.open_account("paul")
    house.append("un", account=paul)
    path = removed(house, shelved=True)
    octets = path.read_bytes()
    for left in (octets[::-1], octets[:10], None):
        path.unlink()
        if left is not None:
            path.write_bytes(left)
        assert "taken from another copy" in mended(house, Fault.KEPT)
        assert path.read_bytes() == octets


def test_a_kept_body_of_no_message(house: House) -> None:
    path = removed(house, shelved=True)
    orphan = path.with_name("17.M1P1R1Q1.localhost,S=4:2,S")
    orphan.write_bytes(b"abcd")
    assert house.verify(later=-10_000) == []
    mended(house, Fault.ORPHAN)
    assert not orphan.exists()
    assert path.exists()
