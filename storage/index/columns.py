"""Facts of messages' contents, ready to be compared, kept in memory by mailbox.

What a message holds never changes, so a fact once read is true for good: a mailbox's facts only grow by what arrived
since, and are let go when they were not asked for the longest. They serve SEARCH, SORT and THREAD.
"""

from __future__ import annotations

import re
import threading
from array import array
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, select

from message.collation import casemap
from message.summary import GROUP, is_reply
from storage import tables
from storage.database import Database
from storage.index.messages import BLOCK
from storage.model import MessageRow
from storage.views import View

#: Facts kept in a process.
KEPT = 400_000

#: References of a message that threads are made of: the first, and the last.
REFERENCES = 50

_c = tables.content.c
_FIRST_ADDRESS = re.compile(r"(?:(.*?) )?<([^<>]*)>(?:, |$)")


def _mailbox(addresses: str) -> bytes:
    """The local part of the first address, or the name of the group (RFC 5256 section 3, sort keys FROM, TO, CC)."""
    found = _FIRST_ADDRESS.match(addresses)
    if found is None:
        return b""
    name, spec = found[1] or "", found[2]
    return casemap(name if spec == GROUP else spec.rpartition("@")[0] or spec)


def _display(addresses: str) -> bytes:
    """The display name of the first address or group, or the address itself (RFC 5957 section 3)."""
    found = _FIRST_ADDRESS.match(addresses)
    return casemap(found[1] or found[2].removeprefix(GROUP)) if found else b""


def _identity(message_id: str) -> int:
    """A message id as a number: 64 bits of a keyed hash, which nobody outside can make collide."""
    return hash(message_id) if message_id else 0


def _ancestors(references: str) -> array[int]:
    ids = references.split()
    if len(ids) > REFERENCES:
        ids = [ids[0], *ids[1 - REFERENCES :]]
    return array("q", map(hash, ids))


class Fact(Enum):
    """What is known of a content: a column, or what is made of one."""

    SUBJECT = "subject"
    FROM = "from"
    TO = "to"
    CC = "cc"
    BCC = "bcc"
    MESSAGE_ID = "message id"
    BASE_SUBJECT = "base subject"
    IS_REPLY = "is reply"
    SENT_AT = "sent at"
    SENT_DAY = "sent day"
    FROM_MAILBOX = "mailbox of from"
    TO_MAILBOX = "mailbox of to"
    CC_MAILBOX = "mailbox of cc"
    FROM_DISPLAY = "display name of from"
    TO_DISPLAY = "display name of to"
    IDENTITY = "identity"
    ANCESTORS = "ancestors"


Made = Callable[[Any], Any]

_SOURCES: dict[Fact, tuple[ColumnElement[Any], Made | None]] = {
    Fact.SUBJECT: (_c.subject, casemap),
    Fact.FROM: (_c.from_, casemap),
    Fact.TO: (_c.to, casemap),
    Fact.CC: (_c.cc, casemap),
    Fact.BCC: (_c.bcc, casemap),
    Fact.MESSAGE_ID: (_c.message_id, casemap),
    Fact.BASE_SUBJECT: (_c.base_subject, casemap),
    Fact.IS_REPLY: (_c.subject, is_reply),
    Fact.SENT_AT: (_c.sent_at, None),
    Fact.SENT_DAY: (_c.sent_day, None),
    Fact.FROM_MAILBOX: (_c.from_, _mailbox),
    Fact.TO_MAILBOX: (_c.to, _mailbox),
    Fact.CC_MAILBOX: (_c.cc, _mailbox),
    Fact.FROM_DISPLAY: (_c.from_, _display),
    Fact.TO_DISPLAY: (_c.to, _display),
    Fact.IDENTITY: (_c.message_id, _identity),
    Fact.ANCESTORS: (_c.references, _ancestors),
}


class Facts:
    """Facts of the mailboxes looked at lately. Safe from any thread."""

    def __init__(self, database: Database, kept: int = KEPT) -> None:
        self._database = database
        self._most = kept
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[int, int, Fact], dict[int, Any]] = OrderedDict()
        self._count = 0

    def of(
        self, view: View, fact: Fact, rows: Sequence[MessageRow], check: Callable[[], None] = lambda: None
    ) -> Mapping[int, Any]:
        """A fact by content number, for these rows at least. ``check`` is called between reads and may raise."""
        key = (view.mailbox.account, view.mailbox.id, fact)
        with self._lock:
            known = self._known.get(key)
            if known is not None:
                self._known.move_to_end(key)
        known = {} if known is None else known
        missing = sorted({row.content for row in rows if row.content not in known})
        if not missing:
            return known
        column, made = _SOURCES[fact]
        # What others may be looking at is not changed: readers go over it without a lock.
        known = {**known, **read(self._database, view.mailbox.account, column, missing, check, made)}
        if len(known) > 2 * len(view.rows) + BLOCK:
            there = {row.content for row in view.rows}
            known = {number: value for number, value in known.items() if number in there}
        self._keep(key, known)
        return known

    def _keep(self, key: tuple[int, int, Fact], facts: dict[int, Any]) -> None:
        with self._lock:
            self._count += len(facts) - len(self._known.pop(key, ()))
            self._known[key] = facts
            while self._count > self._most:
                _, let_go = self._known.popitem(last=False)
                self._count -= len(let_go)


_QUERIES: dict[tuple[ColumnElement[Any], bool], Select[Any]] = {}


def _query(column: ColumnElement[Any], dense: bool) -> Select[Any]:
    query = _QUERIES.get((column, dense))
    if query is None:
        chosen = (
            _c.id.between(bindparam("low"), bindparam("high"))
            if dense
            else _c.id.in_(bindparam("numbers", expanding=True))
        )
        query = select(_c.id).add_columns(column).where(_c.account_id == bindparam("account"), chosen)
        _QUERIES[column, dense] = query
    return query


def read(
    database: Database,
    account: int,
    column: ColumnElement[Any],
    numbers: Sequence[int],
    check: Callable[[], None],
    made: Made | None = None,
) -> dict[int, Any]:
    """A content column by content number; ``numbers`` rise. ``made`` makes what is returned of what is stored."""
    found: dict[int, Any] = {}
    with database.read() as connection:
        for start in range(0, len(numbers), BLOCK):
            check()
            block = numbers[start : start + BLOCK]
            # Neighbours are read in one sweep over their numbers, scattered ones are asked for one by one.
            dense = block[-1] - block[0] < 2 * len(block)
            where = {"low": block[0], "high": block[-1]} if dense else {"numbers": block}
            rows = connection.execute(_query(column, dense), {"account": account, **where})
            found.update((number, made(value) if made else value) for number, value in rows)
    return found
