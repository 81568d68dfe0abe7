"""Brings mail back from a backup: everything into an empty store, or messages of one account into a living one.

UIDs and mod-sequences are never given twice (RFC 9051 section 2.3.1.1), not even to clients that had synced mail which
came after the backup. UIDVALIDITY stays, so that clients keep what they have; instead every mailbox goes on ``RESERVE``
UIDs above the backup's, every account ``RESERVE_MODSEQ`` mod-sequences above, all messages count as changed and all
earlier removals as forgotten: a client that asks what happened since any mod-sequence is told the flags of all
messages, and every UID that is not there as vanished (RFC 7162 section 3.2.6).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Table, insert, select, update

from message.content import MemoryContent
from storage import tables
from storage.backup import form
from storage.backup.form import Manifest
from storage.backup.seal import Seal
from storage.backup.target import Target
from storage.blobs.api import BlobStore, BodyName, Place, Staged
from storage.database import Database
from storage.errors import Damaged, NoSuchAccount, NoSuchMailbox, NotPermitted
from storage.index.ledger import Ledger, Limits
from storage.index.messages import all_rows, split_keywords
from storage.migrate import is_known
from storage.model import MessageRow, NewMessage, System
from storage.names import HELD
from storage.postgresql import advance_sequences
from storage.store import Store

#: How far numbers go on above those of the backup: more than a site gives between two backups.
RESERVE = 1_000_000
RESERVE_MODSEQ = 1_000_000_000

_DELETED = int(System.DELETED)


@dataclass(frozen=True, slots=True)
class Kept:
    """A message in a backup."""

    mailbox: str
    uid: int
    row: dict[str, Any]
    digest: bytes


class BackupReader:
    """A backup by its name."""

    def __init__(self, target: Target, seal: Seal, name: str, told: Callable[[int], None] = lambda count: None) -> None:
        """``told`` hears how many messages were dealt with. Raises Damaged, NotPermitted without the key."""
        self._target = target
        self._seal = seal
        self._told = told
        self._count = 0
        self.manifest: Manifest = form.read_manifest(target, seal, name)

    def _dealt_with(self) -> None:
        self._count += 1
        self._told(self._count)

    # ---------------------------------------------------------------- looking

    def messages(self, key: str) -> Iterator[Kept]:
        """The messages of an account. Raises NoSuchAccount, Damaged."""
        blocks = self.manifest.accounts.get(key)
        if blocks is None:
            raise NoSuchAccount(f"the backup has no account {key}")
        names: dict[int, str] = {}
        digests: dict[int, bytes] = {}
        for table, row in form.rows_of(self._target, self._seal, blocks):
            if table is tables.mailbox:
                names[row["id"]] = row["name"]
            elif table is tables.content:
                digests[row["id"]] = row["digest"]
            elif table is tables.message:
                yield Kept(names[row["mailbox_id"]], row["uid"], row, digests[row["content_id"]])

    def body(self, digest: bytes) -> bytes:
        """The octets of a message. Raises Damaged."""
        return form.read_object(self._target, self._seal, self._seal.name(digest))

    def verify(self) -> list[str]:
        """Read every block and every body; returns in words what is wrong."""
        wrong = list(self.manifest.missing)
        good: set[bytes] = set()
        for key in self.manifest.accounts:
            try:
                for one in self.messages(key):
                    try:
                        if one.digest not in good:
                            self.body(one.digest)
                            good.add(one.digest)
                    except Damaged as error:
                        wrong.append(f"{key}, {one.mailbox}, UID {one.uid}: {error}")
                    self._dealt_with()
            except Damaged as error:
                wrong.append(f"{key}: {error}")
        try:
            for _ in form.rows_of(self._target, self._seal, self.manifest.shared):
                pass
        except Damaged as error:
            wrong.append(f"accounts, addresses, groups and the filter: {error}")
        return wrong

    # ---------------------------------------------------------------- some messages

    def bring(
        self, store: Store, key: str, into: int, wanted: Callable[[Kept], bool] = lambda one: True
    ) -> tuple[int, int, list[str]]:
        """Put messages of an account into mailboxes of the same names, made where they are missing.

        Those that are there already, octet by octet, are passed over, so that a second run adds nothing. Returns how
        many came, how many were there, and in words what is damaged. Raises OverQuota, NoSuchAccount, Unavailable.
        """
        came = there = 0
        wrong: list[str] = []
        boxes: dict[str, tuple[int, set[bytes]]] = {}
        for one in self.messages(key):
            if not wanted(one):
                continue
            if one.mailbox not in boxes:
                boxes[one.mailbox] = _mailbox(store, into, one.mailbox)
            number, digests = boxes[one.mailbox]
            self._dealt_with()
            if one.digest in digests:
                there += 1
                continue
            try:
                octets = self.body(one.digest)
            except Damaged as error:
                wrong.append(f"{one.mailbox}, UID {one.uid}: {error}")
                continue
            row = one.row
            keywords, system = split_keywords(row["keywords"]), row["system"] & ~_DELETED
            message = NewMessage(MemoryContent(octets), system, keywords, row["internal_date"], row["zone"])
            store.append(into, number, [message])
            digests.add(one.digest)
            came += 1
        return came, there, wrong

    # ---------------------------------------------------------------- all

    def restore_all(self, database: Database, blobs: BlobStore) -> list[str]:
        """Fill an empty store; returns in words what could not be brought back: messages, or all mail of an account.

        One that was cut off is run again and goes on. Raises NotPermitted when the store is in use, or the backup
        of a later release.
        """
        if not is_known(self.manifest.revision):
            raise NotPermitted(f"the backup is of a later release: schema {self.manifest.revision}")
        with database.read() as connection:
            if any(connection.execute(select(table).limit(1)).first() for table in form.shared_tables()):
                raise NotPermitted("the store is in use: a whole backup goes into an empty data folder")
            done = set(connection.scalars(select(tables.account.c.key)))
        wrong = list(self.manifest.missing)
        for key, blocks in self.manifest.accounts.items():
            if key in done:
                continue
            try:
                wrong += self._account(database, blobs, key, blocks)
            except Damaged as error:
                # What is wrong with one must not keep all others from their mail.
                wrong.append(f"{key}: nothing of its mail came back, an older backup may have it: {error}")
        with database.write() as connection:
            _insert(connection, form.rows_of(self._target, self._seal, self.manifest.shared))
            # Those that a restore left out have none: all tables whose numbers the database gives.
            advance_sequences(connection, [tables.account, *form.shared_tables()])
        return wrong

    def _account(self, database: Database, blobs: BlobStore, key: str, blocks: list[str]) -> list[str]:
        folders: dict[int, str] = {}
        names: dict[int, str] = {}
        digests: dict[int, bytes] = {}
        messages: list[tuple[int, int, int, BodyName, int]] = []
        for table, row in form.rows_of(self._target, self._seal, blocks):
            if table is tables.mailbox:
                folders[row["id"]], names[row["id"]] = row["folder"], row["name"]
            elif table is tables.content:
                digests[row["id"]] = row["digest"]
            elif table is tables.message:
                body = BodyName(row["blob"], row["size"], row["system"])
                messages.append((row["content_id"], row["mailbox_id"], row["uid"], body, row["internal_date"]))
        wrong: list[str] = []
        lost: set[tuple[int, int]] = set()
        staged: tuple[bytes, Staged] | None = None
        for number, folder in folders.items():
            blobs.make_folder(Place(key, folder), names[number])
        try:
            for content, mailbox, uid, name, date in sorted(messages, key=itemgetter(0)):
                digest = digests[content]
                try:
                    if staged is None or staged[0] != digest:
                        octets = self.body(digest)
                        if staged is not None:
                            blobs.discard(staged[1])
                        staged = digest, blobs.stage(MemoryContent(octets), date)
                    # One may be there from a run that was cut off.
                    blobs.remove(Place(key, folders[mailbox]), name)
                    blobs.put(staged[1], Place(key, folders[mailbox]), name)
                except Damaged as error:
                    lost.add((mailbox, uid))
                    wrong.append(f"{key}, {names[mailbox]}, UID {uid}: {error}")
                self._dealt_with()
        finally:
            if staged is not None:
                blobs.discard(staged[1])
        blobs.sync(Place(key, folder) for folder in folders.values())
        with database.write() as connection:
            _insert(
                connection,
                (
                    (table, row)
                    for table, row in form.rows_of(self._target, self._seal, blocks)
                    if table is not tables.message or (row["mailbox_id"], row["uid"]) not in lost
                ),
            )
            account = connection.scalar(select(tables.account.c.id).where(tables.account.c.key == key))
            assert account is not None
            _go_on_above(connection, account)
            if lost:
                _count_again(connection, account, {mailbox for mailbox, _ in lost})
        return wrong


def _mailbox(store: Store, account: int, name: str) -> tuple[int, set[bytes]]:
    """Number of a mailbox, and the digests of what is in it."""
    try:
        box = store.held_mail(account) if name == HELD else store.mailbox(account, name)
    except NoSuchMailbox:
        box = store.create(account, name)
        store.subscribe(account, name, True)
    digests: set[bytes] = set()
    for row in store.view(account, box.id).rows:
        digests.add(_digest(store, account, box.id, row))
    return box.id, digests


def _digest(store: Store, account: int, mailbox: int, row: MessageRow) -> bytes:
    try:
        content = store.body(account, mailbox, row)
    except Damaged:
        return b""
    try:
        return hashlib.sha256(content.buffer()).digest()
    finally:
        content.close()


def _insert(connection: Connection, rows: Iterator[tuple[Table, dict[str, Any]]]) -> None:
    waiting: list[dict[str, Any]] = []
    last: Table | None = None
    for table, row in rows:
        if last is not None and (table is not last or len(waiting) >= form.ROWS):
            connection.execute(insert(last), waiting)
            waiting = []
        last = table
        waiting.append(row)
    if last is not None:
        connection.execute(insert(last), waiting)


def _go_on_above(connection: Connection, account: int) -> None:
    """See the module."""
    a, b, m = tables.account.c, tables.mailbox.c, tables.message.c
    row = connection.execute(select(a.modseq, a.last_uidvalidity).where(a.id == account)).one()
    modseq = row.modseq + RESERVE_MODSEQ
    connection.execute(
        update(tables.account)
        .where(a.id == account)
        .values(
            modseq=modseq,
            next_mailbox=a.next_mailbox + RESERVE,
            next_content=a.next_content + RESERVE,
            last_uidvalidity=max(int(time.time()), row.last_uidvalidity),
            texts_through=0,
        )
    )
    connection.execute(
        update(tables.mailbox)
        .where(b.account_id == account)
        .values(uidnext=b.uidnext + RESERVE, modseq=modseq, forgotten=modseq, folder_was=None)
    )
    connection.execute(update(tables.message).where(m.account_id == account).values(modseq=modseq))


def _count_again(connection: Connection, account: int, mailboxes: set[int]) -> None:
    ledger = Ledger(connection, account, Limits(None, None))
    for mailbox in mailboxes:
        ledger.recount(ledger.mailbox(mailbox), all_rows(connection, account, mailbox))
    ledger.recount_use()
    ledger.close()
