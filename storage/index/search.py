"""SEARCH over one mailbox: cheap keys first, each on what the others left; bodies last and only for those still in.

Flags, sizes, dates and UIDs are answered from the mailbox view, addresses and subjects from index columns, other header
fields and texts from the stored octets. Comparison is substring without case (RFC 9051 section 6.4.4).
"""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, bindparam, select

from message.content import Content
from message.headers import parse_headers
from message.parts import load, scan
from message.summary import LIST_FIELDS
from message.text import decode_words, searchable
from storage import tables
from storage.database import Database
from storage.errors import Damaged, LimitReached, NoSuchMessage, Unavailable
from storage.index import messages
from storage.model import (
    Age,
    AllOf,
    AnyOf,
    Body,
    Columns,
    Dated,
    DateField,
    EmailId,
    Has,
    HasKeyword,
    Header,
    MessageRow,
    ModSeq,
    Not,
    SearchKey,
    Size,
    Text,
    ThreadId,
    UidRanges,
    When,
)
from storage.objects import email_id, thread_id
from storage.views import View

#: Nesting of keys that is followed.
DEPTH = 200

#: Octets of decoded text looked at in one message.
TEXT_LIMIT = 16 * 1024 * 1024

_CONTENT = tables.content.c
_INDEXED: dict[str, Column[Any]] = {
    "subject": _CONTENT.subject,
    "from": _CONTENT.from_,
    "to": _CONTENT.to,
    "cc": _CONTENT.cc,
    "bcc": _CONTENT.bcc,
    "message-id": _CONTENT.message_id,
}

OpenBody = Callable[[MessageRow], Content]


def _cost(key: SearchKey) -> int:
    match key:
        case Text():
            return 4
        case Body():
            return 3
        case Header(name=name):
            return 1 if name.lower() in _INDEXED else 2
        case Dated(field=DateField.SENT | DateField.SAVED) | ThreadId() | EmailId():
            return 1
        case Not(key=inner):
            return _cost(inner)
        case AllOf(keys=keys) | AnyOf(keys=keys):
            return max(map(_cost, keys), default=0)
        case _:
            return 0


class Search:
    """One search in one view. Raises Unavailable past its deadline, LimitReached for keys nested too deep."""

    def __init__(self, database: Database, view: View, open_body: OpenBody, deadline: float | None) -> None:
        self._database = database
        self._view = view
        self._open_body = open_body
        self._deadline = deadline

    def run(self, key: SearchKey) -> list[int]:
        """UIDs that match, rising."""
        if _depth(key) > DEPTH:
            raise LimitReached(f"search keys nested deeper than {DEPTH}")
        return [row.uid for row in self._matching(key, self._view.rows)]

    def _matching(self, key: SearchKey, rows: Sequence[MessageRow]) -> Sequence[MessageRow]:
        """The rows that match, in their order."""
        self._check_time()
        match key:
            case AllOf(keys=keys):
                for one in sorted(keys, key=_cost):
                    if not rows:
                        break
                    rows = self._matching(one, rows)
                return rows
            case AnyOf(keys=keys):
                found: set[int] = set()
                for one in sorted(keys, key=_cost):
                    found.update(row.uid for row in self._matching(one, [r for r in rows if r.uid not in found]))
                return [row for row in rows if row.uid in found]
            case Not(key=inner):
                out = {row.uid for row in self._matching(inner, rows)}
                return [row for row in rows if row.uid not in out]
            case UidRanges(ranges=ranges):
                return self._in_ranges(ranges, rows)
            case Header(name=name, needle=needle):
                return self._header(name.lower(), needle.casefold(), rows)
            case Dated(field=DateField.SENT):
                return self._sent(key, rows)
            case Dated(field=DateField.SAVED):
                return self._saved(key, rows)
            case EmailId(id=wanted):
                emails = self._emails(rows)
                return [row for row in rows if emails[row.uid] == wanted]
            case ThreadId(id=wanted):
                return self._in_thread(wanted, rows)
            case Body(needle=needle):
                return self._text(needle.casefold(), rows, headers=False)
            case Text(needle=needle):
                return self._text(needle.casefold(), rows, headers=True)
            case _:
                test = _row_test(key)
                return [row for row in rows if test(row)]

    # ---------------------------------------------------------------- leaves

    def _in_ranges(self, ranges: Iterable[tuple[int, int | None]], rows: Sequence[MessageRow]) -> Sequence[MessageRow]:
        uids = [row.uid for row in rows]
        chosen: set[int] = set()
        for low, high in ranges:
            start = bisect_left(uids, low)
            end = len(uids) if high is None else bisect_right(uids, high)
            chosen.update(uids[start:end])
        return rows if len(chosen) == len(rows) else [row for row in rows if row.uid in chosen]

    def _columns(self, column: ColumnElement[Any], rows: Sequence[MessageRow]) -> dict[int, Any]:
        """A content column by content number."""
        view = self._view.mailbox
        numbers = sorted({row.content for row in rows})
        found: dict[int, Any] = {}
        # A few are asked for by number, most by one sweep over the account's range of numbers.
        dense = len(numbers) > messages.BLOCK
        query = select(_CONTENT.id, column).where(_CONTENT.account_id == bindparam("account"))
        query = (
            query.where(_CONTENT.id.between(bindparam("low"), bindparam("high")))
            if dense
            else query.where(_CONTENT.id.in_(bindparam("numbers", expanding=True)))
        )
        with self._database.read() as connection:
            for start in range(0, len(numbers), messages.BLOCK):
                self._check_time()
                block = numbers[start : start + messages.BLOCK]
                where = {"low": block[0], "high": block[-1]} if dense else {"numbers": block}
                found.update(
                    (number, value) for number, value in connection.execute(query, {"account": view.account, **where})
                )
        return found

    def _header(self, name: str, needle: str, rows: Sequence[MessageRow]) -> Sequence[MessageRow]:
        column = _INDEXED.get(name)
        if column is not None and needle:
            values = self._columns(column, rows)
            return [row for row in rows if needle in values.get(row.content, "").casefold()]
        field = name.encode("ascii", "replace")
        if field in LIST_FIELDS:
            octets = self._columns(_CONTENT.fields, rows)
            return [row for row in rows if _field_has(octets.get(row.content, b""), field, needle)]
        return [row for row in rows if self._body_has(row, lambda buffer: _field_has(buffer, field, needle))]

    def _sent(self, key: Dated, rows: Sequence[MessageRow]) -> Sequence[MessageRow]:
        days = self._columns(_CONTENT.sent_day, rows)
        wanted = key.day.year * 10_000 + key.day.month * 100 + key.day.day
        return [
            row
            for row in rows
            # Without a usable Date field the day of arrival stands in.
            if _compare(days.get(row.content) or _day(row), key.when, wanted)
        ]

    def _saved(self, key: Dated, rows: Sequence[MessageRow]) -> Sequence[MessageRow]:
        """Days are those of the site (RFC 8514 section 4.3)."""
        box = self._view.mailbox
        with self._database.read() as connection:
            saved = messages.saved(connection, box.account, box.id)
        wanted = key.day.year * 10_000 + key.day.month * 100 + key.day.day
        return [row for row in rows if row.uid in saved and _compare(_local_day(saved[row.uid]), key.when, wanted)]

    def _emails(self, rows: Sequence[MessageRow]) -> dict[int, str]:
        """EMAILID by UID."""
        digests = self._columns(_CONTENT.digest, rows)
        return {row.uid: email_id(digests.get(row.content, b""), row.internal_date, row.zone) for row in rows}

    def _in_thread(self, wanted: str, rows: Sequence[MessageRow]) -> Sequence[MessageRow]:
        roots, emails = self._columns(messages.THREAD_ROOT, rows), self._emails(rows)
        return [row for row in rows if thread_id(roots.get(row.content, ""), emails[row.uid]) == wanted]

    def _text(self, needle: str, rows: Sequence[MessageRow], *, headers: bool) -> Sequence[MessageRow]:
        if not needle:
            return rows
        found: list[MessageRow] = []
        for start in range(0, len(rows), messages.BLOCK):
            block = rows[start : start + messages.BLOCK]
            with self._database.read() as connection:
                parts = self._parts(connection, block)
            found.extend(row for row in block if self._has_text(row, parts.get(row.uid), needle, headers))
        return found

    def _has_text(self, row: MessageRow, parts: bytes | None, needle: str, headers: bool) -> bool:
        return self._body_has(row, lambda buffer: _text_has(buffer, parts, needle, headers))

    def _parts(self, connection: Connection, block: Sequence[MessageRow]) -> dict[int, bytes]:
        box = self._view.mailbox
        uids = [row.uid for row in block]
        return {row.uid: row.parts for row in messages.contents(connection, box.account, box.id, uids, Columns.PARTS)}

    def _body_has(self, row: MessageRow, test: Callable[[Any], bool]) -> bool:
        self._check_time()
        try:
            content = self._open_body(row)
        except (NoSuchMessage, Damaged):
            return False
        try:
            return test(content.buffer())
        finally:
            content.close()

    def _check_time(self) -> None:
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise Unavailable("the search took too long")


def _depth(key: SearchKey) -> int:
    """Levels of nesting, found without recursion."""
    deepest = 0
    waiting: list[tuple[SearchKey, int]] = [(key, 1)]
    while waiting:
        one, level = waiting.pop()
        deepest = max(deepest, level)
        if isinstance(one, Not):
            waiting.append((one.key, level + 1))
        elif isinstance(one, AllOf | AnyOf):
            waiting.extend((inner, level + 1) for inner in one.keys)
    return deepest


def _row_test(key: SearchKey) -> Callable[[MessageRow], bool]:
    """A test of the light row."""
    match key:
        case Has(system=system, on=True):
            return lambda row: row.system & system == system
        case Has(system=system, on=False):
            return lambda row: not row.system & system
        case HasKeyword(keyword=keyword, on=on):
            wanted = keyword.casefold()
            return lambda row: any(have.casefold() == wanted for have in row.keywords) is on
        case Size(octets=octets, larger=True):
            return lambda row: row.size > octets
        case Size(octets=octets, larger=False):
            return lambda row: row.size < octets
        case Age(threshold=threshold, younger=True):
            return lambda row: row.internal_date >= threshold
        case Age(threshold=threshold, younger=False):
            return lambda row: row.internal_date <= threshold
        case ModSeq(value=value):
            return lambda row: row.modseq >= value
        case Dated(when=when, day=day):
            wanted_day = day.year * 10_000 + day.month * 100 + day.day
            return lambda row: _compare(_day(row), when, wanted_day)
        case _:
            raise TypeError(f"not a key of rows: {key!r}")


def _day(row: MessageRow) -> int:
    """Day of the internal date in its own zone, as yyyymmdd."""
    moment = datetime.fromtimestamp(row.internal_date, UTC).astimezone(timezone(timedelta(minutes=row.zone)))
    return moment.year * 10_000 + moment.month * 100 + moment.day


def _local_day(moment: int) -> int:
    t = time.localtime(moment)
    return t.tm_year * 10_000 + t.tm_mon * 100 + t.tm_mday


def _compare(day: int, when: When, wanted: int) -> bool:
    match when:
        case When.BEFORE:
            return day < wanted
        case When.ON:
            return day == wanted
        case When.SINCE:
            return day >= wanted


def _field_has(buffer: Any, field: bytes, needle: str) -> bool:
    values = parse_headers(buffer).all(field)
    if not needle:
        return bool(values)
    return any(needle in decode_words(value).casefold() for value in values)


def _text_has(buffer: Any, parts: bytes | None, needle: str, headers: bool) -> bool:
    if headers:
        block = parse_headers(buffer)
        for one in block.fields:
            name = one.name.decode("latin-1").casefold()
            value = decode_words(bytes(buffer[one.value_start : one.end])).casefold()
            if needle in value or needle in f"{name}: {value}":
                return True
    root = load(parts) if parts else scan(buffer)
    return any(needle in text.casefold() for text in searchable(buffer, root, TEXT_LIMIT))
