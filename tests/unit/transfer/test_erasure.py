"""Everything of a person goes, and the proof stays."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path

import pytest
from sqlalchemy import select, update

from config.settings import Auth
from delivery.queue.model import Outgoing
from delivery.queue.store import QueueStore
from directory.accounts import Accounts
from directory.errors import DirectoryUnavailable, NotFound
from directory.model import Account
from directory.passwords import Passwords
from message.content import MemoryContent
from message.envelope import Recipient
from spamfilter.people import wish
from storage.blobs.api import BodyName, Place
from storage.blobs.maildir import Maildir
from storage.database import Database, metadata
from storage.doorbell import Doorbell
from storage.errors import NotPermitted, Unavailable
from storage.model import NewMessage, System
from storage.names import account_folder
from storage.retention import Retention
from storage.store import Store
from storage.texts.nothing import NoTexts
from transfer import tables
from transfer.erasure import Eraser


@pytest.fixture
def accounts(database: Database) -> Accounts:
    return Accounts(database, Passwords(Auth(argon2_memory=8 * 1024, argon2_rounds=1)), password_length=100)


@pytest.fixture
def queue(database: Database, tmp_path: Path) -> QueueStore:
    return QueueStore(database, tmp_path / "queue")


@pytest.fixture
def eraser(database: Database, accounts: Accounts, queue: QueueStore, tmp_path: Path) -> Eraser:
    return Eraser(database, accounts, Maildir(tmp_path / "mail"), NoTexts(), queue, Doorbell(tmp_path / "more-bells"))


@pytest.fixture
def filled(store: Store, people: dict[str, Account], database: Database, queue: QueueStore) -> dict[str, Account]:
    """Mail, traces and wishes of both; each has rights of the other; one mail of each waits to go out."""
    for login, other in (("marie", "paul"), ("paul", "marie")):
        key = people[login].key
        account = store.open_account(key)
        box = store.mailbox(account, "INBOX").id
        for n in range(3):
            octets = f"Subject: {login}{n}\r\n\r\n{login}\r\n".encode()
            store.append(account, box, [NewMessage(MemoryContent(octets), int(System.DELETED) if not n else 0)])
        store.expunge(account, box)
        store.sharing.change_acl(account, box, f"user:{people[other].key}", lambda before: "lr")
        wish(database, key, "ami@exemple.org", True)
        out = Outgoing(login, f"{login}@ac.test", (Recipient("x@example.net"),), MemoryContent(b"a"), time.time())
        staged = queue.stage(out)
        with database.write() as connection:
            queue.enqueue(connection, staged)
    return people


def naming(database: Database, word: str) -> dict[str, int]:
    """Rows that hold a word anywhere, by table."""
    found: dict[str, int] = {}
    with database.read() as connection:
        for table in metadata.sorted_tables:
            rows = connection.execute(select(table)).all()
            count = sum(word in str(tuple(row)) for row in rows)
            if count:
                found[table.name] = count
    return found


def test_nothing_of_the_person_is_left_and_nothing_of_others_goes(
    filled: dict[str, Account], eraser: Eraser, store: Store, database: Database, accounts: Accounts, tmp_path: Path
) -> None:
    marie, paul = filled["marie"], filled["paul"]
    home = tmp_path / "mail" / account_folder(marie.key)
    assert home.exists()
    before = naming(database, "paul")
    proof = eraser.erase(marie, "the data protection officer", time.time())
    assert not home.exists()
    assert naming(database, marie.key) == {}
    # History of what others shared is kept for a time, under the key alone.
    assert naming(database, "marie") == {}
    with pytest.raises(NotFound):
        accounts.show("marie")
    after = naming(database, "paul")
    # Marie's entry for Paul, and what is kept of her own mailboxes, is hers.
    assert {name for name, count in before.items() if count != after.get(name, 0)} <= {"acl", "mailbox_before"}
    number = store.open_account(paul.key)
    assert store.quota(number).used_messages == 2
    assert store.sharing.acl(number, store.mailbox(number, "INBOX").id) == ()
    removed = proof.record["removed"]
    assert (removed["message"], removed["removed"], removed["spam_wishes"]) == (2, 1, 1)
    assert removed["message_octets"] == 2 * len(b"Subject: marie0\r\n\r\nmarie\r\n")
    assert proof.record["queue"] == 1
    assert "marie" not in json.dumps(proof.record)


def test_bodies_that_a_repair_set_aside_go_too(
    filled: dict[str, Account], eraser: Eraser, store: Store, database: Database, tmp_path: Path
) -> None:
    marie, paul = filled["marie"], filled["paul"]
    blobs = Maildir(tmp_path / "mail")
    for person in (marie, paul):
        account = store.open_account(person.key)
        box = store.mailbox(account, "INBOX")
        first = store.view(account, box.id).rows[0]
        place = Place(person.key, "")
        blobs.set_aside(place, BodyName(first.blob, first.size, first.system))
        # The second time the whole folder goes under another name: the first has it.
        blobs.set_aside(place, None)
    aside = tmp_path / "mail" / "quarantine"

    def kept(word: bytes) -> int:
        return sum(word in path.read_bytes() for path in aside.rglob("*") if path.is_file())

    assert (kept(b"marie"), kept(b"paul")) == (3, 3)
    eraser.erase(marie, "test", time.time())
    assert (kept(b"marie"), kept(b"paul")) == (0, 3)


def test_a_hold_beats_it(filled: dict[str, Account], eraser: Eraser, store: Store, database: Database) -> None:
    retention = Retention(database, Doorbell(Path("/nonexistent")))
    retention.hold(store.open_account(filled["marie"].key), True)
    with pytest.raises(NotPermitted, match="legal hold"):
        eraser.erase(filled["marie"], "x", time.time())
    assert store.quota(store.open_account(filled["marie"].key)).used_messages == 2


@pytest.mark.parametrize("step", range(1, 40, 3))
def test_one_that_was_cut_off_is_finished(
    filled: dict[str, Account],
    eraser: Eraser,
    database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: int,
) -> None:
    """The database goes away at some write; what follows is as after a kill there."""
    real, count = Database.write, 0

    def failing(self: Database) -> object:
        nonlocal count
        count += 1
        if count >= step:
            raise Unavailable("the database is away")
        return real(self)

    marie = filled["marie"]
    monkeypatch.setattr(Database, "write", failing)
    with contextlib.suppress(Unavailable, DirectoryUnavailable):
        eraser.erase(marie, "x", time.time())
    monkeypatch.setattr(Database, "write", real)
    if step == 1:
        eraser.erase(marie, "x", time.time())
    eraser.finish(time.time())
    assert naming(database, marie.key) == {}
    assert not (tmp_path / "mail" / account_folder(marie.key)).exists()
    (proof,) = eraser.proofs()
    assert proof.valid
    assert proof.record["removed"]["message"] == 2


def test_a_proof_that_was_changed_or_left_out_is_found(
    filled: dict[str, Account], eraser: Eraser, database: Database
) -> None:
    for login in ("marie", "paul"):
        eraser.erase(filled[login], "x", time.time())
    assert [proof.valid for proof in eraser.proofs()] == [True, True]
    first = eraser.proofs()[0]
    with database.write() as connection:
        record = json.dumps(first.record | {"asked_by": "y"}, sort_keys=True)
        connection.execute(update(tables.erasure).where(tables.erasure.c.id == first.number).values(record=record))
    assert [proof.valid for proof in eraser.proofs()] == [False, True]
    with database.write() as connection:
        connection.execute(tables.erasure.delete().where(tables.erasure.c.id == first.number))
    assert [proof.valid for proof in eraser.proofs()] == [False]
