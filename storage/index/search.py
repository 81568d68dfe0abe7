"""SEARCH over one mailbox: cheap keys first, each on what the others left; bodies last and only for those still in.

Flags, sizes, dates and UIDs are answered from the mailbox view, addresses and subjects from kept facts, other header
fields and texts from the stored octets. Comparison is substring under i;unicode-casemap (RFC 9051 section 6.4.4,
RFC 5255 section 4.2); within a ``Fuzzy`` key all words are looked for, accents do not count.
"""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from sqlalchemy import ColumnElement

from message.collation import bare, casemap, loose_words
from message.content import Content
from message.headers import parse_headers
from message.summary import LIST_FIELDS
from message.text import decode_words
from storage import tables
from storage.database import Database
from storage.errors import Damaged, LimitReached, NoSuchMessage, Unavailable
from storage.index import messages
from storage.index.columns import Fact, Facts, read
from storage.model import (
    Age,
    AllOf,
    AnyOf,
    Body,
    Columns,
    Dated,
    DateField,
    EmailId,
    Fuzzy,
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
from storage.texts.api import TextIndex
from storage.texts.document import BETWEEN, Document, body_text, header_text
from storage.views import View

#: Nesting of keys that is followed.
DEPTH = 200

_INDEXED = {
    "subject": Fact.SUBJECT,
    "from": Fact.FROM,
    "to": Fact.TO,
    "cc": Fact.CC,
    "bcc": Fact.BCC,
    "message-id": Fact.MESSAGE_ID,
}

#: Relevancy (RFC 6203 section 4) of what is found as it was written, and of what only has the words.
_AS_WRITTEN, _BY_WORDS = 100, 60

#: What a match in a body counts, in parts of a hundred of one in a header field.
_IN_BODY = 70

OpenBody = Callable[[MessageRow], Content]


@dataclass(frozen=True, slots=True)
class Needle:
    """What is looked for: the folded octets, or for a fuzzy key words without accents that must all be there."""

    exact: bytes
    words: tuple[bytes, ...] = ()

    @classmethod
    def of(cls, text: str, fuzzy: bool) -> Needle:
        return cls(casemap(text), tuple(loose_words(text)) if fuzzy else ())

    @property
    def pieces(self) -> Sequence[bytes]:
        """What a text without accents must have, to have it."""
        return self.words or (bare(self.exact),)

    def score(self, folded: bytes) -> int:
        """How well a folded text has it, from 1 to 100; 0 when it hasn't."""
        if self.exact in folded:
            return _AS_WRITTEN
        if self.words:
            plain = bare(folded)
            if all(word in plain for word in self.words):
                return _BY_WORDS
        return 0

    def score_of(self, text: Document) -> int:
        """The same of a message; the words may be scattered over its parts."""
        if score := self.score(text.header):
            return score
        score = self.score(text.body) or (self.words and self.score(BETWEEN.join(text))) or 0
        return score * _IN_BODY // 100


def time_check(deadline: float | None) -> Callable[[], None]:
    """A function that raises Unavailable past a ``time.monotonic`` value."""

    def check() -> None:
        if deadline is not None and time.monotonic() > deadline:
            raise Unavailable("the search took too long")

    return check


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
        case Not(key=inner) | Fuzzy(key=inner):
            return _cost(inner)
        case AllOf(keys=keys) | AnyOf(keys=keys):
            return max(map(_cost, keys), default=0)
        case _:
            return 0


class Search:
    """One search in one view. Raises Unavailable past its deadline, LimitReached for keys nested too deep."""

    def __init__(
        self,
        database: Database,
        facts: Facts,
        texts: TextIndex,
        view: View,
        open_body: OpenBody,
        deadline: float | None,
    ) -> None:
        self._database = database
        self._facts = facts
        self._texts = texts
        self._view = view
        self._open_body = open_body
        self._check_time = time_check(deadline)
        self._scores: dict[int, list[int]] = {}

    def run(self, key: SearchKey) -> list[int]:
        """UIDs that match, rising."""
        if _depth(key) > DEPTH:
            raise LimitReached(f"search keys nested deeper than {DEPTH}")
        return list(map(messages.uid_of, self._matching(key, self._view.rows, False)))

    def relevancy(self, uid: int) -> int:
        """How well a message that ``run`` found fits its fuzzy keys, from 1 to 100."""
        scores = self._scores.get(uid)
        return sum(scores) // len(scores) if scores else 1

    def _matching(self, key: SearchKey, rows: Sequence[MessageRow], fuzzy: bool) -> Sequence[MessageRow]:
        """The rows that match, in their order."""
        self._check_time()
        match key:
            case AllOf(keys=keys):
                for one in sorted(keys, key=_cost):
                    if not rows:
                        break
                    rows = self._matching(one, rows, fuzzy)
                return rows
            case AnyOf(keys=keys):
                found: set[int] = set()
                for one in sorted(keys, key=_cost):
                    left = [row for row in rows if row.uid not in found]
                    found.update(row.uid for row in self._matching(one, left, fuzzy))
                return [row for row in rows if row.uid in found]
            case Not(key=inner):
                out = {row.uid for row in self._matching(inner, rows, fuzzy)}
                return [row for row in rows if row.uid not in out]
            case Fuzzy(key=inner):
                return self._matching(inner, rows, True)
            case UidRanges(ranges=ranges):
                return self._in_ranges(ranges, rows)
            case Header(name=name, needle=needle):
                return self._header(name.lower(), Needle.of(needle, fuzzy), rows)
            case Dated(field=DateField.SENT):
                return self._sent(key, rows)
            case Dated(field=DateField.SAVED):
                return self._saved(key, rows)
            case EmailId(id=wanted):
                emails = self._emails(rows)
                return [row for row in rows if emails[row.uid] == wanted]
            case ThreadId(id=wanted):
                return self._in_thread(wanted, rows)
            case Has():
                return key.of(rows)
            case Body(needle=needle):
                return self._text(Needle.of(needle, fuzzy), rows, headers=False)
            case Text(needle=needle):
                return self._text(Needle.of(needle, fuzzy), rows, headers=True)
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

    def _header(self, name: str, needle: Needle, rows: Sequence[MessageRow]) -> Sequence[MessageRow]:
        fact = _INDEXED.get(name)
        if fact is not None and needle.exact:
            values = self._facts.of(self._view, fact, rows, self._check_time)
            if not needle.words:
                exact = needle.exact
                return [row for row in rows if exact in values.get(row.content, b"")]
            return [row for row in rows if self._scored(row, needle, needle.score(values.get(row.content, b"")))]
        field = name.encode("ascii", "replace")
        if field in LIST_FIELDS:
            octets = self._read(tables.content.c.fields, rows)
            return [
                row
                for row in rows
                if self._scored(row, needle, _field_score(octets.get(row.content, b""), field, needle))
            ]
        return [
            row
            for row in rows
            if self._scored(row, needle, self._read_body(row, lambda buffer: _field_score(buffer, field, needle)))
        ]

    def _sent(self, key: Dated, rows: Sequence[MessageRow]) -> Sequence[MessageRow]:
        days = self._facts.of(self._view, Fact.SENT_DAY, rows, self._check_time)
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

    def _read(self, column: ColumnElement[Any], rows: Sequence[MessageRow]) -> dict[int, Any]:
        """A content column by content number."""
        numbers = sorted({row.content for row in rows})
        return read(self._database, self._view.mailbox.account, column, numbers, self._check_time)

    def _emails(self, rows: Sequence[MessageRow]) -> dict[int, str]:
        """EMAILID by UID."""
        digests = self._read(tables.content.c.digest, rows)
        return {row.uid: email_id(digests.get(row.content, b""), row.internal_date, row.zone) for row in rows}

    def _in_thread(self, wanted: str, rows: Sequence[MessageRow]) -> Sequence[MessageRow]:
        roots, emails = self._read(messages.THREAD_ROOT, rows), self._emails(rows)
        return [row for row in rows if thread_id(roots.get(row.content, ""), emails[row.uid]) == wanted]

    def _text(self, needle: Needle, rows: Sequence[MessageRow], *, headers: bool) -> Sequence[MessageRow]:
        """Texts that the index has are compared; of what it doesn't know the bodies are opened."""
        if not needle.exact:
            return rows
        scores: dict[int, int] = {}
        wanted = {row.content for row in rows}
        with self._texts.look(self._view.mailbox.account, wanted, needle.pieces, header=headers) as look:
            for content, text in look.documents:
                self._check_time()
                scores[content] = needle.score_of(text)
            unknown = [row for row in rows if row.content in look.unknown and not scores.get(row.content)]
        for start in range(0, len(unknown), messages.BLOCK):
            block = unknown[start : start + messages.BLOCK]
            parts = self._parts(block)
            for row in block:
                scores[row.content] = self._body_score(row, parts.get(row.uid), needle, headers)
        return [row for row in rows if self._scored(row, needle, scores.get(row.content, 0))]

    def _body_score(self, row: MessageRow, parts: bytes | None, needle: Needle, headers: bool) -> int:
        def score(buffer: Any) -> int:
            header = header_text(buffer) if headers else b""
            return needle.score(header) or needle.score_of(Document(header, body_text(buffer, parts)))

        return self._read_body(row, score)

    def _parts(self, block: Sequence[MessageRow]) -> dict[int, bytes]:
        box = self._view.mailbox
        uids = [row.uid for row in block]
        with self._database.read() as connection:
            found = messages.contents(connection, box.account, box.id, uids, Columns.PARTS)
            return {row.uid: row.parts for row in found}

    def _read_body(self, row: MessageRow, score: Callable[[Any], int]) -> int:
        """A score from the octets; 0 when they are not there."""
        self._check_time()
        try:
            content = self._open_body(row)
        except (NoSuchMessage, Damaged):
            return 0
        try:
            return score(content.buffer())
        finally:
            content.close()

    def _scored(self, row: MessageRow, needle: Needle, score: int) -> bool:
        """Whether the score is above 0; that of a fuzzy key is kept."""
        if score and needle.words:
            self._scores.setdefault(row.uid, []).append(score)
        return score > 0


def _depth(key: SearchKey) -> int:
    """Levels of nesting, found without recursion."""
    deepest = 0
    waiting: list[tuple[SearchKey, int]] = [(key, 1)]
    while waiting:
        one, level = waiting.pop()
        deepest = max(deepest, level)
        if isinstance(one, Not | Fuzzy):
            waiting.append((one.key, level + 1))
        elif isinstance(one, AllOf | AnyOf):
            waiting.extend((inner, level + 1) for inner in one.keys)
    return deepest


def _row_test(key: SearchKey) -> Callable[[MessageRow], bool]:
    """A test of the light row."""
    match key:
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


def _field_score(buffer: Any, field: bytes, needle: Needle) -> int:
    """How well a field has the needle; an empty one asks only for the field."""
    values = parse_headers(buffer).all(field)
    if not needle.exact:
        return _AS_WRITTEN if values else 0
    return needle.score(BETWEEN.join(casemap(decode_words(value)) for value in values))
