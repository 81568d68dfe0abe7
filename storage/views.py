"""Mailbox views: the light rows of a mailbox in memory, shared by the sessions of a process.

A view is immutable. Looking at a mailbox again costs nothing while nobody commits, else one query for its mod-sequence;
when that has risen, only the rows changed since are read and a new view is made of the old one.
"""

from __future__ import annotations

import dataclasses
import threading
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from operator import itemgetter
from typing import Any, overload

from sqlalchemy import Connection

from storage.database import Database
from storage.index import mailboxes, messages
from storage.model import Changes, Mailbox, MessageRow, System, keywords_of

#: Changed rows that a view has at hand, so that sessions that are nearly up to date need not look at all rows.
_LATEST = 500

#: Rows that are looked for one by one, however few there are.
_FEW = 20

#: Rows of which a changed list is made at once.
_SMALL = 4000

#: Rows changed apart from their list, before it is made anew.
_PATCHES = 250

#: Computed when first asked for, of all rows.
_OF_ROWS = ("keywords", "first_unseen")

_modseq_of = itemgetter(MessageRow._fields.index("modseq"))


class _Patched(Sequence[MessageRow]):
    """A long list of rows but for a few: one flag of a million messages costs no list of a million."""

    def __init__(self, rows: list[MessageRow], patches: dict[int, MessageRow]) -> None:
        """``patches`` are by place."""
        self.rows = rows
        self.patches = patches

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, place: int) -> MessageRow: ...

    @overload
    def __getitem__(self, place: slice) -> list[MessageRow]: ...

    def __getitem__(self, place: int | slice) -> MessageRow | list[MessageRow]:
        if isinstance(place, int):
            patch = self.patches.get(place if place >= 0 else place + len(self.rows))
            return self.rows[place] if patch is None else patch
        places = range(len(self.rows))[place]
        rows = self.rows[place]
        for changed in self.patches if len(self.patches) < len(rows) else places:
            if changed in places and changed in self.patches:
                rows[places.index(changed)] = self.patches[changed]
        return rows

    def __iter__(self) -> Iterator[MessageRow]:
        return iter(self.whole())

    def whole(self) -> list[MessageRow]:
        """A list of its own."""
        rows = self.rows.copy()
        for place, row in self.patches.items():
            rows[place] = row
        return rows


class View:
    """Rows of a mailbox at one mod-sequence, by rising UID. What is computed of all rows is kept."""

    def __init__(
        self,
        mailbox: Mailbox,
        uids: list[int],
        rows: list[MessageRow] | _Patched,
        latest: tuple[int, list[MessageRow]] | None = None,
    ) -> None:
        """``latest`` is a mod-sequence, and all rows that changed after it by rising mod-sequence, older ones too."""
        self.mailbox = mailbox
        self._uids = uids
        self._rows = rows
        self._latest: tuple[int, list[MessageRow]] = latest or (mailbox.highest_modseq, [])

    @property
    def highest_modseq(self) -> int:
        return self.mailbox.highest_modseq

    @property
    def uids(self) -> Sequence[int]:
        return self._uids

    @property
    def rows(self) -> Sequence[MessageRow]:
        """All rows, by rising UID."""
        return self._rows

    @cached_property
    def keywords(self) -> frozenset[str]:
        return frozenset(keywords_of(self._rows))

    @cached_property
    def first_unseen(self) -> int | None:
        if not self.mailbox.unseen:
            return None
        seen = int(System.SEEN)
        return next((place for place, row in enumerate(self._rows) if not row.system & seen), None)

    @property
    def summed(self) -> bool:
        """True when what is computed of all rows has been."""
        return all(name in self.__dict__ for name in _OF_ROWS)

    def row(self, uid: int) -> MessageRow | None:
        place = self._place(uid)
        return None if place is None else self._rows[place]

    def some(self, uids: Sequence[int]) -> Sequence[MessageRow]:
        """The rows of those UIDs (rising) that are there."""
        if len(uids) <= _FEW or len(uids) < len(self._uids) // 8:
            return [row for uid in uids if (row := self.row(uid)) is not None]
        if uids == self._uids:
            return self._rows
        wanted = set(uids)
        return [row for row in self._rows if row.uid in wanted]

    def changed_since(self, modseq: int) -> Sequence[MessageRow]:
        known_since, latest = self._latest
        if modseq < known_since:
            return [row for row in self._rows if row.modseq > modseq]
        first = bisect_right(latest, modseq, key=_modseq_of)
        return sorted(row for row in latest[first:] if self.row(row.uid) is row)

    def at(self, mailbox: Mailbox) -> View:
        """The same rows with other counters. What was computed of the rows goes on with them."""
        view = View(mailbox, self._uids, self._rows, self._latest)
        if mailbox.unseen == self.mailbox.unseen:
            view.__dict__.update({name: self.__dict__[name] for name in _OF_ROWS if name in self.__dict__})
        return view

    def after(self, mailbox: Mailbox, news: Changes) -> View:
        """The view with changes applied."""
        last = self._uids[-1] if self._uids else 0
        if news.expunged or any(row.uid > last for row in news.changed):
            return View(mailbox, *self._replaced(news), self._later(news))
        # Where only flags changed the sessions go on sharing the list of UIDs.
        places = {place: row for row in news.changed if (place := self._place(row.uid)) is not None}
        view = View(mailbox, self._uids, self._with(places), self._later(news))
        view.__dict__.update(self._still(places))
        return view

    def _replaced(self, news: Changes) -> tuple[list[int], list[MessageRow]]:
        """UIDs and rows when some came or went."""
        rows = self._rows.whole() if isinstance(self._rows, _Patched) else self._rows.copy()
        uids = self._uids
        if news.expunged:
            gone = set(news.expunged)
            rows = [row for row in rows if row.uid not in gone]
            uids = [row.uid for row in rows]
        else:
            uids = uids.copy()
        last = uids[-1] if uids else 0
        for row in news.changed:
            if row.uid > last:
                uids.append(row.uid)
                rows.append(row)
            else:
                place = bisect_left(uids, row.uid)
                if place < len(uids) and uids[place] == row.uid:
                    rows[place] = row
        return uids, rows

    def _place(self, uid: int) -> int | None:
        place = bisect_left(self._uids, uid)
        return place if place < len(self._uids) and self._uids[place] == uid else None

    def _with(self, places: dict[int, MessageRow]) -> list[MessageRow] | _Patched:
        """The rows, with others at some places."""
        if not places:
            return self._rows
        known = self._rows if isinstance(self._rows, _Patched) else _Patched(self._rows, {})
        patched = _Patched(known.rows, known.patches | places)
        return patched if len(known) > _SMALL and len(patched.patches) <= _PATCHES else patched.whole()

    def _still(self, places: dict[int, MessageRow]) -> dict[str, Any]:
        """What was computed of all rows and holds with others at some places."""
        if len(places) > _FEW:
            return {}
        still = {name: self.__dict__[name] for name in _OF_ROWS if name in self.__dict__}
        first = still.get("first_unseen")
        for place, row in places.items():
            was = self._rows[place]
            if not set(was.keywords) <= set(row.keywords):
                still.pop("keywords", None)
            elif "keywords" in still:
                still["keywords"] |= set(row.keywords)
            if (was.system ^ row.system) & System.SEEN and (first is None or place <= first):
                still.pop("first_unseen", None)
        return still

    def _later(self, news: Changes) -> tuple[int, list[MessageRow]]:
        since, latest = self._latest
        changed = sorted(news.changed, key=_modseq_of)
        if len(latest) + len(changed) > _LATEST:
            return self.highest_modseq, changed
        return since, latest + changed


class Views:
    """The views of a process; the least recently used are let go."""

    def __init__(self, database: Database, capacity: int) -> None:
        self._database = database
        self._capacity = capacity
        self._lock = threading.Lock()
        #: With the version of the database at which the view was the newest, None when that is not known.
        self._views: OrderedDict[tuple[int, int], tuple[View, int | None]] = OrderedDict()

    def look(self, account: int, mailbox: int) -> View:
        """The mailbox as it is now. Raises NoSuchMailbox."""
        key = (account, mailbox)
        # Before reading: what is committed meanwhile asks for another look.
        version = self._database.version()
        with self._lock:
            known, known_at = self._views.get(key, (None, None))
            if known is not None:
                self._views.move_to_end(key)
                if version is not None and version == known_at:
                    return known
        with self._database.read() as connection:
            now = mailboxes.by_number(connection, account, mailbox)
            view = self._current(connection, now, known)
        with self._lock:
            other, _ = self._views.get(key, (None, None))
            # Another thread may have been faster: views only go forward.
            if other is None or other.highest_modseq <= view.highest_modseq:
                self._views[key] = view, version
                self._views.move_to_end(key)
            while len(self._views) > self._capacity:
                self._views.popitem(last=False)
        return view

    def at_hand(self, account: int, mailbox: int) -> View | None:
        """The mailbox as it is now, if nobody committed since the last look; neither asks nor waits."""
        version = self._database.version_at_hand()
        with self._lock:
            view, known_at = self._views.get((account, mailbox), (None, None))
        return view if version is not None and version == known_at else None

    def _current(self, connection: Connection, now: Mailbox, known: View | None) -> View:
        if known is None or known.mailbox.uidvalidity != now.uidvalidity:
            rows = messages.all_rows(connection, now.account, now.id)
            return View(now, [row.uid for row in rows], rows)
        if known.highest_modseq == now.highest_modseq:
            return known if known.mailbox == now else known.at(now)
        news = messages.changes(connection, now, known.highest_modseq)
        return known.after(now, news) if news.whole else self._current(connection, now, None)

    def tell(self, before: int, after: Mapping[str, Any], account: int, mailbox: int, news: Changes) -> None:
        """What this thread has just committed need not be read again.

        ``before`` is the mod-sequence of the mailbox at the begin of the transaction: a view of another state is left
        as it is. ``after`` are the mailbox's counters since.
        """
        key = (account, mailbox)
        with self._lock:
            entry = self._views.get(key)
        if entry is None or entry[0].highest_modseq != before:
            return
        known, known_at = entry
        own = self._database.last_write()
        view = known.after(dataclasses.replace(known.mailbox, **after), news)
        with self._lock:
            if self._views.get(key) is entry:
                # The newest still, if nothing else of the mailbox changed between the last look and the write.
                self._views[key] = view, own.after if known_at is not None and known_at == own.before else None

    def at(self, account: int, mailbox: int, modseq: int) -> View | None:
        """The view at hand, if it is the one of that mod-sequence."""
        with self._lock:
            view, _ = self._views.get((account, mailbox), (None, None))
        return view if view is not None and view.highest_modseq == modseq else None

    def forget(self, account: int, mailbox: int) -> None:
        """Let a view go (its mailbox was deleted)."""
        with self._lock:
            self._views.pop((account, mailbox), None)
