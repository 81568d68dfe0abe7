"""The selected mailbox as one session knows it: its own message numbers, and what it has yet to be told. Pure.

RFC 3501 sections 5.2, 7.3 and 7.4, RFC 2180 section 4.1. The numbering changes only by what ``advance`` returns, which
the caller must send. As long as nothing is held back, the list of UIDs is the one of the store's view, shared by all
sessions of the process.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from imap.session.rights import ALL, Rights
from imap.wire.errors import ParseError
from imap.wire.sets import NumberSet, in_ranges, merged, ranges_of
from storage.api import MailboxView
from storage.model import MessageRow, keywords_of

#: Half-open ranges of places in the numbering; place 0 is message 1.
Places = Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class News:
    """What a session has to be told, in this order.

    ``expunged``: message numbers, each counted after the ones before; ``vanished``: their UIDs. ``exists``: the new
    count, None if it did not grow. ``keywords``: true when there are keywords not yet announced. ``changed``: numbers
    and rows with new flags.
    """

    expunged: tuple[int, ...] = ()
    vanished: tuple[int, ...] = ()
    exists: int | None = None
    keywords: bool = False
    changed: tuple[tuple[int, MessageRow], ...] = ()


class SelectedMailbox:
    """One session's side of a mailbox."""

    def __init__(self, view: MailboxView, *, read_only: bool, rights: Rights = ALL, name: str = "") -> None:
        """``name`` is the mailbox's in this session."""
        self.view = view
        self.read_only = read_only
        self.rights = rights
        self.name = name or view.mailbox.name
        self.uids: Sequence[int] = view.uids
        #: Keywords that the client has been told of.
        self.keywords: set[str] = set(view.keywords)
        #: Mod-sequence up to which the client knows everything, removals included (RFC 7162 section 3.2).
        self.settled = view.highest_modseq
        #: UIDs whose flags the last look for news told.
        self.just_told: frozenset[int] = frozenset()
        #: UIDs of messages that this session put here and was not told of yet.
        self.made: set[int] = set()
        self._gone = 0
        self._modseq = view.highest_modseq
        self._last_uid = view.uids[-1] if view.uids else 0
        self._told: dict[int, int] = {}
        self._recent: list[tuple[int, int]] = []
        self._saved = array("Q")

    # ---------------------------------------------------------------- numbers

    @property
    def count(self) -> int:
        """Messages as the client counts them."""
        return len(self.uids)

    @property
    def account(self) -> int:
        """The store's number of the account that has the mailbox: not always the session's own."""
        return self.view.mailbox.account

    @property
    def id(self) -> int:
        """The store's number of the mailbox within its account."""
        return self.view.mailbox.id

    def after(self, uid: int) -> Sequence[int]:
        """UIDs above one."""
        return self.uids[bisect_right(self.uids, uid) :]

    @property
    def has_gone(self) -> bool:
        """True while messages are numbered here that the store has no more."""
        return bool(self._gone)

    def number(self, uid: int) -> int | None:
        """The message number of a UID."""
        place = bisect_left(self.uids, uid)
        return place + 1 if place < len(self.uids) and self.uids[place] == uid else None

    def numbered(self, uids: Sequence[int]) -> list[tuple[int, int]]:
        """Message numbers and UIDs of those UIDs that are numbered here."""
        if len(uids) < 100:
            return [(number, uid) for uid in uids if (number := self.number(uid)) is not None]
        if uids == self.uids:
            return list(enumerate(uids, 1))
        number_of = dict(zip(self.uids, range(1, len(self.uids) + 1), strict=True)).get
        return [(number, uid) for uid in uids if (number := number_of(uid))]

    def numbers_of(self, uids: Sequence[int]) -> Sequence[int]:
        """Message numbers of those UIDs that are numbered here, in the same order."""
        if uids == self.uids:
            return range(1, len(uids) + 1)
        first, last = (self.uids[0], self.uids[-1]) if self.uids else (1, 0)
        if last - first == len(self.uids) - 1:
            return [uid - first + 1 for uid in uids if first <= uid <= last]
        return [number for number, _ in self.numbered(uids)]

    def places(self, numbers: NumberSet, *, uid: bool, strict: bool = True) -> Places:
        """Where the messages of a set are. UIDs that don't exist are left out, as RFC 3501 section 6.4.8 says.

        Raises ParseError for a message number above the count, unless ``*`` stands at the other end of its range;
        with ``strict`` false such numbers are left out too.
        """
        if numbers.saved:
            return self._saved_places()
        if uid:
            highest = self.uids[-1] if self.uids else 0
            found = (
                (bisect_left(self.uids, low), bisect_right(self.uids, high)) for low, high in numbers.resolve(highest)
            )
            return [(start, end) for start, end in found if start < end]
        for member in numbers.members if strict else ():
            if None not in member and max(number for number in member if number is not None) > self.count:
                raise ParseError("there is no such message number")
        return [(low - 1, min(high, self.count)) for low, high in numbers.resolve(self.count) if low <= self.count]

    def save(self, uids: Sequence[int]) -> None:
        """Keep UIDs, rising, as what ``$`` stands for (RFC 5182)."""
        self._saved = array("Q", uids)

    def _saved_places(self) -> Places:
        """Messages that went away are no more part of it (RFC 5182 section 2.1)."""
        numbers = (number for number, _ in self.numbered(self._saved))
        return [(low - 1, high) for low, high in ranges_of(numbers)]

    def rows(self, places: Places) -> Iterator[tuple[int, MessageRow]]:
        """Message numbers and rows; messages that are gone are left out."""
        if not self._gone:
            rows = self.view.rows
            for start, end in places:
                yield from enumerate(rows[start:end], start + 1)
            return
        for start, end in places:
            for place in range(start, end):
                row = self.view.row(self.uids[place])
                if row is not None:
                    yield place + 1, row

    def misses(self, places: Places) -> bool:
        """True when some of the places are of messages that the store has no more."""
        return bool(self._gone) and sum(1 for _ in self.rows(places)) < sum(end - start for start, end in places)

    # ---------------------------------------------------------------- \Recent

    def add_recent(self, first: int, last: int) -> None:
        r"""UIDs from ``first`` to ``last`` are \Recent in this session."""
        if first <= last:
            self._recent = merged([*self._recent, (first, last)])

    def forget_recent(self) -> None:
        r"""The client knows no \Recent."""
        self._recent = []

    def is_recent(self, uid: int) -> bool:
        return bool(self._recent) and in_ranges(uid, self._recent)

    def any_recent(self, low: int, high: int) -> bool:
        r"""True when a UID of the range may be \Recent here."""
        return any(first <= high and last >= low for first, last in self._recent)

    @property
    def recent(self) -> list[tuple[int, int]]:
        r"""Rising UID ranges that are \Recent here."""
        return self._recent

    @property
    def recent_count(self) -> int:
        return sum(bisect_right(self.uids, high) - bisect_left(self.uids, low) for low, high in self._recent)

    # ---------------------------------------------------------------- news

    def tell(self, rows: Iterable[MessageRow]) -> None:
        """The client knows these rows' flags: it was sent them, or set them itself and asked for silence."""
        self._told.update((row.uid, row.modseq) for row in rows)

    def stale(self, view: MailboxView) -> bool:
        """True when there may be something to tell."""
        return view is not self.view or self._modseq < view.highest_modseq or bool(self._gone)

    def advance(self, view: MailboxView, *, expunge: bool) -> News:
        """Take a newer view. Removals are held back (their numbers stay) unless ``expunge``."""
        old, known = bisect_right(view.uids, self._last_uid), len(self.uids) - self._gone
        arrived = view.uids[old:]
        gone: list[int] = []
        vanished: tuple[int, ...] = ()
        if old != known or self._gone:
            before = self.uids
            gone = self._remove(view, old, arrived, expunge)
            vanished = tuple(before[place] for place in gone)
        else:
            self.uids = view.uids
        changed = self._changed(view)
        keywords = self._learn_keywords([row for _, row in changed], view.rows[old:])
        if arrived:
            self._last_uid = arrived[-1]
        self.view = view
        self._modseq = view.highest_modseq
        self._told.clear()
        if not self._gone:
            self.settled = view.highest_modseq
        expunged = tuple(place + 1 - before for before, place in enumerate(gone))
        return News(expunged, vanished, len(self.uids) if arrived else None, keywords, changed)

    def _remove(self, view: MailboxView, old: int, arrived: Sequence[int], expunge: bool) -> list[int]:
        """Take removals out of the numbering, or hold them back; returns the places that were taken out."""
        if not expunge:
            self._gone = len(self.uids) - old
            self.uids = [*self.uids, *arrived]
            return []
        left = set(view.uids[:old])
        gone = [place for place, uid in enumerate(self.uids) if uid not in left]
        self._gone = 0
        self.uids = view.uids
        return gone

    def _changed(self, view: MailboxView) -> tuple[tuple[int, MessageRow], ...]:
        since = self._modseq
        if view.highest_modseq <= since:
            return ()
        last, told = self._last_uid, self._told
        changed = [row for row in view.changed_since(since) if row.uid <= last and told.get(row.uid) != row.modseq]
        return tuple((number, row) for row in changed if (number := self.number(row.uid)) is not None)

    def _learn_keywords(self, *rows: Iterable[MessageRow]) -> bool:
        before = len(self.keywords)
        for some in rows:
            self.keywords |= keywords_of(some)
        return len(self.keywords) > before
