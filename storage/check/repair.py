"""Mends what a check found. What can't be made right is set aside, never thrown away.

A body that is missing or differs is taken from another copy of the same message (same SHA-256, of any account). Where
there is none, what is left of it goes to the quarantine, and the message leaves the mailbox: a client that downloads it
would otherwise fail at it again and again, or keep wrong octets. A backup gives it back.
"""

from __future__ import annotations

import hashlib

import structlog
from sqlalchemy import Connection, delete, select

from message.summary import summarise
from storage import tables
from storage.attic import Attic, forget_content, take_gone
from storage.blobs.api import BlobStore, BodyName, Place
from storage.database import Database
from storage.doorbell import Doorbell
from storage.errors import Damaged, NoSuchMailbox, Unavailable
from storage.index import messages
from storage.index.ledger import Ledger, Limits
from storage.model import MessageRow

log = structlog.get_logger()

_m, _c, _b, _a, _r = tables.message.c, tables.content.c, tables.mailbox.c, tables.account.c, tables.removed.c

#: Copies of one message that are tried.
_TWINS = 100


class Repair:
    """Each method does one repair and returns what was done, in words."""

    def __init__(self, database: Database, blobs: BlobStore, doorbell: Doorbell) -> None:
        self._database = database
        self._blobs = blobs
        self._doorbell = doorbell
        self._attic = Attic(database, blobs)
        self._limits = Limits(None, None)

    def counters(self, account: int, mailbox: int) -> str:
        """Make a mailbox's counters what its rows say."""
        with self._database.write() as connection:
            ledger = Ledger(connection, account, self._limits)
            try:
                ledger.recount(ledger.mailbox(mailbox), messages.all_rows(connection, account, mailbox))
            except NoSuchMailbox:
                return "the mailbox is gone"
            rings = ledger.close()
        self._doorbell.ring(rings)
        return "counted anew"

    def quota(self, account: int) -> str:
        """Make the account's sums what its rows say."""
        with self._database.write() as connection:
            ledger = Ledger(connection, account, self._limits)
            ledger.recount_use()
            ledger.close()
        return "summed up anew"

    def name(self, place: Place, row: MessageRow) -> str:
        """Bring a file's name after its row."""
        self._blobs.reflag(place, BodyName(row.blob, row.size, row.system))
        return "renamed"

    def facts(self, account: int, place: Place, row: MessageRow) -> str:
        """Read envelope and structure from the body again."""
        try:
            content = self._blobs.open(place, BodyName(row.blob, row.size, row.system))
        except Damaged:
            return "the body is missing too: a backup is needed"
        try:
            digest = hashlib.sha256(content.buffer()).digest()
            with self._database.write() as connection:
                ledger = Ledger(connection, account, self._limits)
                ledger.add_content(summarise(content.buffer()), digest, row.content)
                ledger.close()
        finally:
            content.close()
        return "read from the body again"

    def body(self, account: int, mailbox: int, place: Place, row: MessageRow, digest: bytes) -> str:
        """Put a body right from a copy, or take its message out."""
        name = BodyName(row.blob, row.size, row.system)
        twin = self._strayed(place, name, digest) or self._twin(digest, name)
        try:
            aside = self._blobs.set_aside(place, name)
        except Damaged:
            aside = ""
        if twin is not None:
            self._blobs.copy(*twin, place, name)
            self._blobs.sync([place])
            return "taken from another copy"
        with self._database.write() as connection:
            ledger = Ledger(connection, account, self._limits)
            try:
                said = self._headline(connection, account, row)
                rows = messages.rows_of(connection, account, mailbox, [row.uid])
                messages.expunge(ledger, ledger.mailbox(mailbox), rows)
            except NoSuchMailbox:
                return "the mailbox is gone"
            rings = ledger.close()
            # It is not among those that can be brought back.
            connection.execute(delete(tables.removed).where(_r.account_id == account, _r.blob == row.blob))
            forget_content(connection, account, row.content)
        self._doorbell.ring(rings)
        log.error("store.message_quarantined", account=account, mailbox=mailbox, uid=row.uid, blob=row.blob)
        where = f", its octets are in {aside}" if aside else ""
        return f"taken out of the mailbox ({said}){where}; `backup restore` brings it back from a backup that has it"

    def set_aside(self, account: int, place: Place, name: BodyName | None = None) -> str:
        """Move a body, or a whole folder, into the quarantine, but for what is kept for a restore."""
        if name is not None:
            if self._attic.bring_home(account, place, [name]):
                return "moved to where removed messages are kept"
        else:
            for retired in (False, True):
                self._attic.bring_home(account, place, [one.name for one in self._blobs.bodies(place, retired=retired)])
        try:
            return f"moved to {self._blobs.set_aside(place, name)}"
        except Damaged:
            return "gone meanwhile"

    def kept(self, number: int, place: Place, name: BodyName, digest: bytes) -> str:
        """Put the body of a removed message right from a copy, or forget the message: ``number`` is its row's."""
        twin = self._twin(digest, name)
        try:
            aside = self._blobs.set_aside(place, name)
        except Damaged:
            aside = ""
        if twin is not None:
            self._blobs.copy(*twin, place, name)
            self._blobs.sync([place])
            return "taken from another copy"
        with self._database.write() as connection:
            gone = select(_r.account_id, _r.content_id).where(_r.id == number)
            contents = [tuple(row) for row in connection.execute(gone)]
            take_gone(connection, [number])
            for account, content in contents:
                forget_content(connection, account, content)
        return "a restore does not look for it any more" + (f", its octets are in {aside}" if aside else "")

    def _strayed(self, place: Place, name: BodyName, digest: bytes) -> tuple[Place, BodyName] | None:
        """The body itself in another folder of the account: names of bodies are unique."""
        for folder in self._blobs.folders(place.account):
            other = Place(place.account, folder)
            if other != place:
                try:
                    if self._blobs.digest(other, name) == digest:
                        return other, name
                except (Damaged, Unavailable):
                    continue
        return None

    def _twin(self, digest: bytes, damaged: BodyName) -> tuple[Place, BodyName] | None:
        """A copy of the same octets that is whole."""
        query = (
            select(_m.blob, _m.size, _m.system, _b.folder, _a.key)
            .join(tables.content, (_m.account_id == _c.account_id) & (_m.content_id == _c.id))
            .join(tables.mailbox, (_m.account_id == _b.account_id) & (_m.mailbox_id == _b.id))
            .join(tables.account, _m.account_id == _a.id)
            .where(_c.digest == digest, _m.blob != damaged.blob)
            .limit(_TWINS)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        for row in rows:
            place, name = Place(row.key, row.folder), BodyName(row.blob, row.size, row.system)
            try:
                if self._blobs.digest(place, name) == digest:
                    return place, name
            except (Damaged, Unavailable):
                continue
        return None

    @staticmethod
    def _headline(connection: Connection, account: int, row: MessageRow) -> str:
        found = connection.execute(
            select(_c.from_, _c.subject, _c.message_id).where(_c.account_id == account, _c.id == row.content)
        ).first()
        return "unknown" if found is None else f"from {found.from_}, subject {found.subject!r}, {found.message_id}"
