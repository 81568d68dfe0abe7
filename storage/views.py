"""Mailbox views: the light rows of a mailbox in memory, shared by the sessions of a process.

A view is immutable. Looking at a mailbox again costs nothing while nobody commits, else one query for its mod-sequence;
when that has risen, only the rows changed since are read and a new view is made of the old one.
"""

from __future__ import annotations

import dataclasses
import threading
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from sqlalchemy import Connection

from storage.database import Database
from storage.index import mailboxes, messages
from storage.model import Changes, Mailbox, MessageRow, System, keywords_of

#: Changed rows that a view has at hand, so that sessions that are nearly up to date need not look at all rows.
_LATEST = 500

#: Rows that are looked for one by one, however few there are.
_FEW = 20


#: Computed when first asked for, of all rows.
_OF_ROWS = ("keywords", "first_unseen")


class View:
    """Rows of a mailbox at one mod-sequence, by rising UID. What is computed of all rows is kept."""

    def __init__(
        self,
        mailbox: Mailbox,
        uids: list[int],
        rows: list[MessageRow],
        latest: tuple[int, Sequence[MessageRow]] | None = None,
    ) -> None:
        """``latest`` is a mod-sequence, and all rows that changed after it."""
        self.mailbox = mailbox
        self._uids = uids
        self._rows = rows
        self._latest: tuple[int, Sequence[MessageRow]] = latest or (mailbox.highest_modseq, ())

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
        place = bisect_left(self._uids, uid)
        if place < len(self._uids) and self._uids[place] == uid:
            return self._rows[place]
        return None

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
        return [row for row in (latest if modseq >= known_since else self._rows) if row.modseq > modseq]

    def at(self, mailbox: Mailbox) -> View:
        """The same rows with other counters. What was computed of the rows goes on with them."""
        view = View(mailbox, self._uids, self._rows, self._latest)
        if mailbox.unseen == self.mailbox.unseen:
            view.__dict__.update({name: self.__dict__[name] for name in _OF_ROWS if name in self.__dict__})
        return view

    def after(self, mailbox: Mailbox, news: Changes) -> View:
        """The view with changes applied."""
        uids, rows = self._uids, self._rows
        if news.expunged:
            gone = set(news.expunged)
            rows = [row for row in rows if row.uid not in gone]
            uids = [row.uid for row in rows]
        if news.changed:
            rows = rows.copy() if rows is self._rows else rows
            last = uids[-1] if uids else 0
            if uids is self._uids and any(row.uid > last for row in news.changed):
                # Where only flags changed the sessions go on sharing the list.
                uids = uids.copy()
            for row in news.changed:
                if row.uid > last:
                    uids.append(row.uid)
                    rows.append(row)
                else:
                    place = bisect_left(uids, row.uid)
                    if place < len(uids) and uids[place] == row.uid:
                        rows[place] = row
        return View(mailbox, uids, rows, self._later(news))

    def _later(self, news: Changes) -> tuple[int, Sequence[MessageRow]]:
        since, latest = self._latest
        if len(latest) + len(news.changed) > _LATEST:
            return self.highest_modseq, news.changed
        by_uid = {row.uid: row for row in (*latest, *news.changed)}
        for uid in news.expunged:
            by_uid.pop(uid, None)
        return since, sorted(by_uid.values())


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
