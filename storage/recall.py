"""Taking a message back out of all mailboxes, and the way back.

Each account is a transaction of its own: its copies are expunged as any session would see it, what went is noted under
the recall, and the bodies wait in the attic with all that is expunged. A recall that was cut off goes on when it is
asked for again; one that is undone gives every copy back under a new UID, with the flags it had.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from storage import tables
from storage.attic import Gone, gone_of
from storage.database import Database
from storage.doorbell import Doorbell
from storage.errors import NoSuchMailbox
from storage.index import mailboxes, messages
from storage.index.ledger import Ledger, Limits
from storage.model import System
from storage.names import INBOX
from storage.restore import TimeMachine
from storage.store import Store

_a, _b, _m, _c = tables.account.c, tables.mailbox.c, tables.message.c, tables.content.c
_r, _d = tables.recall.c, tables.recalled.c

#: Accounts read at a time.
BATCH = 500

#: Arrival times above which they are compared here and not by the database.
_TIMES = 100


class NoSuchRecall(LookupError):
    """There is no recall of that number."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is taken out: messages for which ``matches`` says so of their Message-ID and internal date (seconds since
    the epoch). ``dates`` are all that it may say yes to, None for any."""

    matches: Callable[[str, int], bool]
    dates: frozenset[int] | None = None


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of a message in a mailbox; ``seen`` when its owner has read it."""

    account: int
    key: str
    mailbox: int
    name: str
    uid: int
    content: int
    seen: bool
    subject: str
    author: str


@dataclass(frozen=True, slots=True)
class Entry:
    """The journal's line of a recall. Times are seconds since the epoch; ``finished`` and ``undone`` may be to come."""

    number: int
    asked: str
    by: str
    reason: str
    started: int
    finished: int | None
    undone: int | None
    undone_by: str


class Recalls:
    """Recalls messages, and undoes it."""

    def __init__(self, database: Database, store: Store, doorbell: Doorbell, machine: TimeMachine) -> None:
        self._database = database
        self._store = store
        self._doorbell = doorbell
        self._machine = machine

    # ---------------------------------------------------------------- finding

    def accounts(self) -> Iterator[str]:
        """The keys of all accounts that have mail."""
        last = 0
        while True:
            with self._database.read() as connection:
                query = select(_a.id, _a.key).where(_a.id > last).order_by(_a.id).limit(BATCH)
                found = connection.execute(query).all()
            if not found:
                return
            yield from (row.key for row in found)
            last = found[-1].id

    def copies(self, key: str, wanted: Wanted) -> list[Copy]:
        """The copies that an account has, in any of its mailboxes."""
        with self._database.read() as connection:
            account = mailboxes.account_number(connection, key)
            return [] if account is None else _copies(connection, account, key, wanted)

    # ---------------------------------------------------------------- doing

    def begin(self, asked: str, by: str, reason: str) -> int:
        """Note who asks for what and why; returns the number of the recall. One for the same that was cut off goes
        on."""
        with self._database.write() as connection:
            query = select(_r.id).where(_r.asked == asked, _r.finished_at.is_(None), _r.undone_at.is_(None))
            number = connection.scalar(query.order_by(_r.id.desc()).limit(1))
            if number is None:
                values = {"asked": asked, "by": by, "reason": reason, "started_at": int(time.time())}
                number = connection.execute(insert(tables.recall).values(values).returning(_r.id)).scalar_one()
            return int(number)

    def take(self, number: int, key: str, wanted: Wanted) -> list[Copy]:
        """Take the copies of one account out, all in one transaction; returns them."""
        if not self.copies(key, wanted):
            return []
        with self._database.write() as connection:
            account = mailboxes.account_number(connection, key)
            assert account is not None
            ledger = Ledger(connection, account, Limits(None, None))
            # Looked at again: from here on nothing of the account moves.
            found = _copies(connection, account, key, wanted)
            for mailbox, uids in _by_mailbox(found).items():
                rows = messages.rows_of(connection, account, mailbox, uids)
                messages.expunge(ledger, ledger.mailbox(mailbox), rows)
            rings = ledger.close()
            if found:
                connection.execute(
                    insert(tables.recalled),
                    [
                        {"recall_id": number, "account_id": account, "mailbox_id": one.mailbox, "uid": one.uid}
                        for one in found
                    ],
                )
        self._doorbell.ring(rings)
        return found

    def finish(self, number: int) -> None:
        """All accounts were gone through."""
        with self._database.write() as connection:
            connection.execute(update(tables.recall).where(_r.id == number).values(finished_at=int(time.time())))

    def undo(self, number: int, by: str) -> tuple[int, list[str]]:
        """Give every copy back that is still kept; returns how many came back, and what could not be done, in words.

        One that was cut off is asked for again. Raises NoSuchRecall.
        """
        with self._database.read() as connection:
            if connection.scalar(select(_r.id).where(_r.id == number)) is None:
                raise NoSuchRecall(f"there is no recall {number}")
            query = select(_d.account_id).where(_d.recall_id == number).distinct().order_by(_d.account_id)
            accounts = list(connection.scalars(query))
        count, refused = 0, []
        for account in accounts:
            back, complaints = self._give_back(number, account)
            count += back
            refused += complaints
        with self._database.write() as connection:
            values = {"undone_at": int(time.time()), "undone_by": by}
            connection.execute(update(tables.recall).where(_r.id == number).values(values))
        return count, refused

    def _give_back(self, number: int, account: int) -> tuple[int, list[str]]:
        with self._database.read() as connection:
            query = select(_d.mailbox_id, _d.uid).where(_d.recall_id == number, _d.account_id == account)
            went = [(row.mailbox_id, row.uid) for row in connection.execute(query)]
            gone = gone_of(connection, account, went)
        by_mailbox: defaultdict[int, list[Gone]] = defaultdict(list)
        for one in gone:
            by_mailbox[one.mailbox].append(one)
        count, refused = 0, []
        for mailbox, each in by_mailbox.items():
            try:
                target = self._store.numbered(account, mailbox)
            except NoSuchMailbox:
                target = self._store.mailbox(account, INBOX)
            back, complaints = self._machine.bring_back(account, target, each)
            count += back
            refused += complaints
        return count, refused

    # ---------------------------------------------------------------- journal

    def journal(self, last: int) -> list[tuple[Entry, int]]:
        """The last recalls, the newest first, each with the number of copies that it took."""
        with self._database.read() as connection:
            rows = connection.execute(select(tables.recall).order_by(_r.id.desc()).limit(last)).all()
            return [(Entry(*row), _taken(connection, row.id)) for row in rows]


def _taken(connection: Connection, number: int) -> int:
    return len(connection.execute(select(_d.uid).where(_d.recall_id == number)).all())


def _copies(connection: Connection, account: int, key: str, wanted: Wanted) -> list[Copy]:
    query = (
        select(
            *(_m.mailbox_id, _m.uid, _m.content_id, _m.system, _m.internal_date, _b.name),
            *(_c.message_id, _c.subject, _c.from_),
        )
        .join(tables.content, (_c.account_id == _m.account_id) & (_c.id == _m.content_id))
        .join(tables.mailbox, (_b.account_id == _m.account_id) & (_b.id == _m.mailbox_id))
        .where(_m.account_id == account)
        .order_by(_m.mailbox_id, _m.uid)
    )
    if wanted.dates is not None and len(wanted.dates) <= _TIMES:
        query = query.where(_m.internal_date.in_(sorted(wanted.dates)))
    return [
        Copy(
            account,
            key,
            row.mailbox_id,
            row.name,
            row.uid,
            row.content_id,
            bool(row.system & System.SEEN),
            row.subject,
            row.from_,
        )
        for row in connection.execute(query)
        if wanted.matches(row.message_id, row.internal_date)
    ]


def _by_mailbox(copies: list[Copy]) -> dict[int, list[int]]:
    found: defaultdict[int, list[int]] = defaultdict(list)
    for one in copies:
        found[one.mailbox].append(one.uid)
    return found
