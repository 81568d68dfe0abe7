"""Compares index and bodies in both directions while the store is in use: a scrub of everything, on demand.

Each row has a body of its size and digest, each body a row; counters and quota are what the rows add up to. Files are
listed before rows are read, and what looks wrong is looked at again, since mail moves on meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, select

from storage import naming, tables
from storage.blobs.api import BlobStore, Body, BodyName, Place
from storage.check.findings import Fault, Finding
from storage.check.repair import Repair
from storage.database import Database
from storage.errors import Damaged, NoSuchAccount, NoSuchMailbox, Unavailable
from storage.index import mailboxes, messages
from storage.index.ledger import used
from storage.model import Mailbox, MessageRow, System

_m, _c, _a = tables.message.c, tables.content.c, tables.account.c


@dataclass(slots=True)
class Count:
    """What was looked at so far."""

    accounts: int = 0
    messages: int = 0
    octets: int = 0


class Verifier:
    """One run over some accounts. With ``repair`` each fault is mended right after it was found."""

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        *,
        orphans_before: float,
        repair: Repair | None = None,
        told: Callable[[Count], None] = lambda count: None,
    ) -> None:
        """Files younger than ``orphans_before`` (seconds since the epoch) may belong to deliveries under way."""
        self._database = database
        self._blobs = blobs
        self._before = orphans_before
        self._repair = repair
        self._told = told
        self.count = Count()

    def run(self, accounts: Sequence[int] | None = None) -> Iterator[Finding]:
        """Check these accounts, or all, and then the tree for folders of nobody. Raises Unavailable."""
        with self._database.read() as connection:
            every = {row.id: row.key for row in connection.execute(select(_a.id, _a.key).order_by(_a.id))}
        for account in every if accounts is None else accounts:
            yield from self._account(account, every[account])
            self.count.accounts += 1
        if accounts is None:
            yield from self._unknown_accounts(set(every.values()))

    # ---------------------------------------------------------------- one account

    def _account(self, account: int, key: str) -> Iterator[Finding]:
        folders = self._blobs.folders(key)
        with self._database.read() as connection:
            numbers = mailboxes.folders(connection, account)
        orphans: list[tuple[Mailbox, Place, BodyName]] = []
        for number in sorted(numbers):
            yield from self._mailbox(account, key, number, orphans)
        # Last, for one may be what a mailbox looked at later misses.
        for box, place, name in orphans:
            finding = Finding(Fault.ORPHAN, key, box.name, None, f"{name.blob}, {name.size} octets")
            yield self._mended(finding, lambda repair, place=place, name=name: repair.set_aside(place, name))  # type: ignore[misc]
        yield from self._unknown_folders(account, key, folders)
        yield from self._quota(account, key)

    def _quota(self, account: int, key: str) -> Iterator[Finding]:
        with self._database.read() as connection:
            try:
                kept = mailboxes.quota(connection, account, None, None)
            except NoSuchAccount:
                return
            octets, count = used(connection, account)
        if (kept.used_bytes, kept.used_messages) != (octets, count):
            charged = f"{kept.used_bytes} octets and {kept.used_messages} messages are charged"
            said = f"{charged}, {octets} and {count} are there"
            finding = Finding(Fault.QUOTA, key, "", None, said)
            yield self._mended(finding, lambda repair: repair.quota(account))

    def _unknown_folders(self, account: int, key: str, folders: Sequence[str]) -> Iterator[Finding]:
        with self._database.read() as connection:
            known = mailboxes.folder_names(connection, account)
        # One that was deleted or renamed meanwhile is not there any more.
        for folder in (set(folders) - known) & set(self._blobs.folders(key)):
            place = Place(key, folder)
            finding = Finding(Fault.FOLDER, key, "", None, f"{folder} on disk")
            yield self._mended(finding, lambda repair, place=place: repair.set_aside(place))  # type: ignore[misc]

    def _unknown_accounts(self, keys: set[str]) -> Iterator[Finding]:
        for key in self._blobs.accounts():
            if key in keys:
                continue
            with self._database.read() as connection:
                if mailboxes.account_number(connection, key) is None:
                    finding = Finding(Fault.FOLDER, key, "", None, "mail on disk of an account that the index has not")
                    yield replace(finding, repaired=(self._repair and "left for `store rebuild`") or "")

    # ---------------------------------------------------------------- one mailbox

    def _mailbox(
        self, account: int, key: str, number: int, orphans: list[tuple[Mailbox, Place, BodyName]]
    ) -> Iterator[Finding]:
        try:
            with self._database.read() as connection:
                place = Place(key, mailboxes.folder_of(connection, account, number)[0])
            files = {one.name.blob: one for one in self._blobs.bodies(place)}
            with self._database.read() as connection:
                box = mailboxes.by_number(connection, account, number)
                rows = messages.all_rows(connection, account, number)
                removed = messages.removed_blobs(connection, account, number)
                due = naming.due(connection, account, number)
                digests = digests_of(connection, account, number)
        except NoSuchMailbox:
            return
        yield from self._counters(key, box, rows)
        for row in rows:
            file = files.get(row.blob)
            renaming = any(low <= row.uid <= high for low, high in due)
            yield from self._message(key, box, place, row, digests.get(row.content), file, renaming)
            self.count.messages += 1
            self.count.octets += row.size
            self._told(self.count)
        named = {row.blob for row in rows} | removed
        for blob, file in files.items():
            if blob not in named and file.changed < self._before:
                orphans.append((box, place, file.name))

    def _counters(self, key: str, box: Mailbox, rows: Sequence[MessageRow]) -> Iterator[Finding]:
        wrong = [
            f"{what} {have} instead of {should}"
            for what, have, should in (
                ("messages", box.messages, len(rows)),
                ("unseen", box.unseen, sum(not row.system & System.SEEN for row in rows)),
                ("deleted", box.deleted, sum(bool(row.system & System.DELETED) for row in rows)),
                ("octets", box.size, sum(row.size for row in rows)),
            )
            if have != should
        ]
        if rows and box.uidnext <= rows[-1].uid:
            wrong.append(f"UIDNEXT {box.uidnext} although UID {rows[-1].uid} is there")
        modseq = max((row.modseq for row in rows), default=0)
        if box.highest_modseq < modseq:
            wrong.append(f"HIGHESTMODSEQ {box.highest_modseq} although {modseq} is there")
        if wrong:
            finding = Finding(Fault.COUNTERS, key, box.name, None, ", ".join(wrong))
            yield self._mended(finding, lambda repair: repair.counters(box.account, box.id))

    def _message(
        self,
        key: str,
        box: Mailbox,
        place: Place,
        row: MessageRow,
        digest: bytes | None,
        file: Body | None,
        renaming: bool,
    ) -> Iterator[Finding]:
        found = self._body(place, row, digest)
        if found is not None:
            # Moved, renamed or expunged while we looked?
            now = self._again(box, row)
            if now is None:
                return
            place, row = now
            found = self._body(place, row, digest)
        if found is not None:
            fault, text = found
            finding = Finding(fault, key, box.name, row.uid, text)
            if fault is Fault.DAMAGED and file is None:
                finding = replace(finding, fault=Fault.MISSING)
            if fault is Fault.UNREADABLE:
                yield finding
            elif fault is Fault.FACTS:
                yield self._mended(finding, lambda repair: repair.facts(box.account, place, row))
            else:
                assert digest is not None
                yield self._mended(finding, lambda repair: repair.body(box.account, box.id, place, row, digest))
        elif file is not None and file.name.system != row.system and not renaming:
            now = self._again(box, row)
            if now is not None and now[1].modseq == row.modseq:
                finding = Finding(Fault.NAME, key, box.name, row.uid, f"the file of {row.blob}")
                yield self._mended(finding, lambda repair: repair.name(place, row))

    def _body(self, place: Place, row: MessageRow, digest: bytes | None) -> tuple[Fault, str] | None:
        """What is wrong with a message's body; None when nothing is."""
        if digest is None:
            return Fault.FACTS, f"content {row.content} is not in the index"
        try:
            found = self._blobs.digest(place, BodyName(row.blob, row.size, row.system))
        except Damaged as error:
            return Fault.DAMAGED, str(error)
        except Unavailable as error:
            return Fault.UNREADABLE, str(error)
        if found != digest:
            return Fault.DAMAGED, f"the octets of {row.blob} have another SHA-256 than when they came"
        return None

    def _again(self, box: Mailbox, row: MessageRow) -> tuple[Place, MessageRow] | None:
        """Where a message is by now; None when it is gone."""
        with self._database.read() as connection:
            try:
                folder, _ = mailboxes.folder_of(connection, box.account, box.id)
                rows = messages.rows_of(connection, box.account, box.id, [row.uid])
                key = mailboxes.account_key(connection, box.account)
            except (NoSuchMailbox, NoSuchAccount):
                return None
        return (Place(key, folder), rows[0]) if rows else None

    def _mended(self, finding: Finding, mend: Callable[[Repair], str]) -> Finding:
        return finding if self._repair is None else replace(finding, repaired=mend(self._repair))


def digests_of(connection: Connection, account: int, mailbox: int) -> dict[int, bytes]:
    """Digests of the contents that a mailbox's messages have, by content number."""
    query = (
        select(_c.id, _c.digest)
        .join(tables.message, (_m.account_id == _c.account_id) & (_m.content_id == _c.id))
        .where(_m.account_id == account, _m.mailbox_id == mailbox)
    )
    return {row.id: bytes(row.digest) for row in connection.execute(query)}
