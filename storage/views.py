"""Mailbox views: the light rows of a mailbox in memory, shared by the sessions of a process.

A view is immutable. Looking at a mailbox again costs one query for its mod-sequence; when that has risen, only the
rows changed since are read and a new view is made of the old one.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property

from sqlalchemy import Connection

from storage.database import Database
from storage.index import mailboxes, messages
from storage.model import Changes, Mailbox, MessageRow, System, keywords_of


class View:
    """Rows of a mailbox at one mod-sequence, by rising UID. What is computed of all rows is kept."""

    def __init__(self, mailbox: Mailbox, uids: list[int], rows: list[MessageRow]) -> None:
        self.mailbox = mailbox
        self._uids = uids
        self._rows = rows

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

    def row(self, uid: int) -> MessageRow | None:
        place = bisect_left(self._uids, uid)
        if place < len(self._uids) and self._uids[place] == uid:
            return self._rows[place]
        return None

    def some(self, uids: Sequence[int]) -> Sequence[MessageRow]:
        """The rows of those UIDs (rising) that are there."""
        if len(uids) < len(self._uids) // 8:
            return [row for uid in uids if (row := self.row(uid)) is not None]
        wanted = set(uids)
        return [row for row in self._rows if row.uid in wanted]

    def after(self, mailbox: Mailbox, news: Changes) -> View:
        """The view with changes applied."""
        uids, rows = self._uids, self._rows
        if news.expunged:
            gone = set(news.expunged)
            rows = [row for row in rows if row.uid not in gone]
            uids = [row.uid for row in rows]
        if news.changed:
            if rows is self._rows:
                uids, rows = uids.copy(), rows.copy()
            last = uids[-1] if uids else 0
            for row in news.changed:
                if row.uid > last:
                    uids.append(row.uid)
                    rows.append(row)
                else:
                    place = bisect_left(uids, row.uid)
                    if place < len(uids) and uids[place] == row.uid:
                        rows[place] = row
        return View(mailbox, uids, rows)


class Views:
    """The views of a process; the least recently used are let go."""

    def __init__(self, database: Database, capacity: int) -> None:
        self._database = database
        self._capacity = capacity
        self._lock = threading.Lock()
        self._views: OrderedDict[tuple[int, int], View] = OrderedDict()

    def look(self, account: int, mailbox: int) -> View:
        """The mailbox as it is now. Raises NoSuchMailbox."""
        key = (account, mailbox)
        with self._lock:
            known = self._views.get(key)
        with self._database.read() as connection:
            now = mailboxes.by_number(connection, account, mailbox)
            view = self._current(connection, now, known)
        if view is not known:
            with self._lock:
                other = self._views.get(key)
                # Another thread may have been faster: views only go forward.
                if other is None or other.highest_modseq <= view.highest_modseq:
                    self._views[key] = view
                self._views.move_to_end(key)
                while len(self._views) > self._capacity:
                    self._views.popitem(last=False)
        return view

    def _current(self, connection: Connection, now: Mailbox, known: View | None) -> View:
        if known is None or known.mailbox.uidvalidity != now.uidvalidity:
            rows = messages.all_rows(connection, now.account, now.id)
            return View(now, [row.uid for row in rows], rows)
        if known.highest_modseq == now.highest_modseq:
            return known if known.mailbox == now else View(now, known._uids, known._rows)
        news = messages.changes(connection, now, known.highest_modseq)
        return known.after(now, news) if news.whole else self._current(connection, now, None)

    def forget(self, account: int, mailbox: int) -> None:
        """Let a view go (its mailbox was deleted)."""
        with self._lock:
            self._views.pop((account, mailbox), None)
