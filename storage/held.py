"""Mail that is held back from its recipient (the quarantine): looked at, released into INBOX, or deleted.

It stands in a mailbox that nobody sees (``MailStore.held_mail``), so deliveries, backups and checks treat it like any
other mail. A message is named by that mailbox's UIDVALIDITY and its UID, which are never given twice.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import Enum

from sqlalchemy import Connection, case, delete, exists, insert, select

from message.content import Content
from storage import tables
from storage.database import Database
from storage.errors import NoSuchMessage
from storage.model import FlagChange, System
from storage.names import HELD, INBOX
from storage.store import Store

_a, _b, _c, _m = tables.account.c, tables.mailbox.c, tables.content.c, tables.message.c
_o, _t = tables.held_outcome.c, tables.held_told.c


class Outcome(Enum):
    """What became of a message: RELEASED into INBOX, DELETED on purpose, or GONE by expiry."""

    RELEASED = "released"
    DELETED = "deleted"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Held:
    """A message that waits. ``held_at`` is seconds since the epoch, ``size`` octets; the texts are the sender's own."""

    uidvalidity: int
    uid: int
    held_at: int
    size: int
    author: str
    subject: str
    message_id: str


class HeldMail:
    """The held mail of all accounts; ``account`` is the store's number of one. Every method may raise Unavailable."""

    def __init__(self, database: Database, store: Store) -> None:
        self._database = database
        self._store = store

    def messages(self, account: int, after: int = 0) -> list[Held]:
        """What waits with a UID above ``after``, the oldest first."""
        query = (
            select(_b.uidvalidity, _m.uid, _m.saved_at, _m.size, _c.from_, _c.subject, _c.message_id)
            .join(tables.message, (_m.account_id == _b.account_id) & (_m.mailbox_id == _b.id))
            .join(tables.content, (_c.account_id == _m.account_id) & (_c.id == _m.content_id))
            .where(_b.account_id == account, _b.name == HELD, _m.uid > after)
            .order_by(_m.uid)
        )
        with self._database.read() as connection:
            return [Held(*row) for row in connection.execute(query)]

    def waiting(self) -> dict[int, str]:
        """Keys of the accounts for whom something waits, by number."""
        query = (
            select(_a.id, _a.key)
            .join(tables.mailbox, _b.account_id == _a.id)
            .where(_b.name == HELD, _b.messages > 0)
            .order_by(_a.id)
        )
        with self._database.read() as connection:
            return {row.id: row.key for row in connection.execute(query)}

    def untold(self, before: float) -> dict[int, tuple[str, int]]:
        """Accounts that were not told of something held before ``before`` (seconds since the epoch).

        By number: key, and the UID up to which they were told.
        """
        told = case((_t.uidvalidity == _b.uidvalidity, _t.uid), else_=0)
        new = exists().where(
            _m.account_id == _b.account_id, _m.mailbox_id == _b.id, _m.uid > told, _m.saved_at < int(before)
        )
        query = (
            select(_a.id, _a.key, told)
            .join(tables.mailbox, _b.account_id == _a.id)
            .outerjoin(tables.held_told, _t.account_id == _a.id)
            .where(_b.name == HELD, _b.messages > 0, new)
            .order_by(_a.id)
        )
        with self._database.read() as connection:
            return {number: (key, uid) for number, key, uid in connection.execute(query)}

    def content(self, account: int, uid: int) -> Content:
        """The octets of a message. Raises NoSuchMessage, Damaged."""
        mailbox = self._store.held_mail(account).id
        row = self._store.view(account, mailbox).row(uid)
        if row is None:
            raise NoSuchMessage(f"no message {uid} is held back")
        return self._store.body(account, mailbox, row)

    def release(self, account: int, uid: int) -> None:
        """Move a message into INBOX; it counts against the quota there. Raises NoSuchMessage, OverQuota."""
        box = self._store.held_mail(account)
        inbox = self._store.mailbox(account, INBOX)
        if not self._store.move(account, box.id, [uid], inbox.id).source:
            raise NoSuchMessage(f"no message {uid} is held back")
        self._note(account, box.uidvalidity, uid, Outcome.RELEASED)

    def delete(self, account: int, uid: int) -> None:
        """Take a message away; its octets stay as long as those of any deleted mail. Raises NoSuchMessage."""
        box = self._store.held_mail(account)
        self._store.store_flags(account, box.id, [uid], FlagChange.ADD, int(System.DELETED), ())
        if not self._store.expunge(account, box.id, [uid]):
            raise NoSuchMessage(f"no message {uid} is held back")
        self._note(account, box.uidvalidity, uid, Outcome.DELETED)

    def outcome(self, account: int, uidvalidity: int, uid: int) -> Outcome | None:
        """What became of a message; None while it waits."""
        box = self._store.held_mail(account)
        where = _o.account_id == account, _o.uidvalidity == uidvalidity, _o.uid == uid
        with self._database.read() as connection:
            there = select(_m.uid).where(_m.account_id == account, _m.mailbox_id == box.id, _m.uid == uid)
            if box.uidvalidity == uidvalidity and connection.scalar(there) is not None:
                return None
            noted = connection.scalar(select(_o.outcome).where(*where))
        return Outcome(noted) if noted else Outcome.GONE

    def forget_outcomes(self, before: float) -> int:
        """Forget what became of messages before ``before`` (seconds since the epoch); returns of how many."""
        with self._database.write() as connection:
            return connection.execute(delete(tables.held_outcome).where(_o.at < int(before))).rowcount

    def _note(self, account: int, uidvalidity: int, uid: int, outcome: Outcome) -> None:
        row = {"account_id": account, "uidvalidity": uidvalidity, "uid": uid, "outcome": outcome.value}
        with self._database.write() as connection:
            # A message leaves once: nobody else writes this row.
            connection.execute(insert(tables.held_outcome).values(**row, at=int(time.time())))


def tell(connection: Connection, account: int, uidvalidity: int, uid: int) -> None:
    """Remember that somebody was told of all that is held up to ``uid``, in the transaction that tells it."""
    connection.execute(delete(tables.held_told).where(_t.account_id == account))
    connection.execute(insert(tables.held_told).values(account_id=account, uidvalidity=uidvalidity, uid=uid))
