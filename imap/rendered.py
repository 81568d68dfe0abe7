"""Answers that the sessions of a process share as ready octets.

Clients ask for all flags of a mailbox again and again, and little of it changes: ``RenderedBlocks`` has blocks of a
mailbox. A block is known by its first and last UID, its count and its highest mod-sequence: every change of a flag
raises that one, every removal changes the others.

What a message holds never changes: ``RenderedContents`` has ENVELOPE, BODYSTRUCTURE and header fields by its number,
and ``RenderedThreads`` who answers whom among the same messages. ``RenderedSearches`` has which messages of a mailbox
have a flag, ``RenderedSelections`` what SELECT tells.
"""

from __future__ import annotations

import hashlib
import threading
from array import array
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Sequence
from operator import itemgetter
from weakref import WeakKeyDictionary

from storage.api import MailboxView
from storage.model import Has, MessageRow, Threading

#: Messages of a block. A block begins at a multiple of it, counted from 0.
BLOCK = 1000

#: Octets kept by a process: the flags of about a million messages.
KEPT = 32 * 1024 * 1024

#: Octets of contents kept by a process: envelopes and structures of about 20,000 messages.
KEPT_CONTENTS = 32 * 1024 * 1024

#: Octets of SEARCH answers kept by a process: those of about a million messages.
KEPT_SEARCHES = 8 * 1024 * 1024

#: Octets of THREAD answers kept by a process: those of about a million messages.
KEPT_THREADS = 8 * 1024 * 1024

_modseq_of = itemgetter(MessageRow._fields.index("modseq"))


class _Answers:
    """The most recently used answers, the last one for each key with the state that it is of. Safe from any thread."""

    def __init__(self, limit: int) -> None:
        """``limit`` is in octets."""
        self._limit = limit
        self._lock = threading.Lock()
        self._octets = 0
        self._answers: OrderedDict[Hashable, tuple[Hashable, bytes]] = OrderedDict()

    def get(self, key: Hashable, state: Hashable, render: Callable[[], bytes]) -> bytes:
        """The answer of that state; rendered unless it is at hand."""
        with self._lock:
            known = self._answers.get(key)
            if known is not None and known[0] == state:
                self._answers.move_to_end(key)
                return known[1]
        octets = render()
        with self._lock:
            self._forget(key)
            self._answers[key] = state, octets
            self._octets += len(octets)
            while self._octets > self._limit:
                self._forget(next(iter(self._answers)))
        return octets

    def _forget(self, key: Hashable) -> None:
        known = self._answers.pop(key, None)
        if known is not None:
            self._octets -= len(known[1])


class RenderedBlocks:
    """The most recently used blocks. Safe from any thread."""

    def __init__(self, limit: int = KEPT) -> None:
        """``limit`` is in octets."""
        self._blocks = _Answers(limit)

    def lines(
        self,
        view: MailboxView,
        items: Hashable,
        rows: Sequence[MessageRow],
        start: int,
        render: Callable[[], bytes],
    ) -> bytes:
        """The answer for ``rows``, a block of a view that begins at place ``start``; rendered unless it is at hand.

        ``items`` names what the answer has; nothing in it may depend on the session.
        """
        box = view.mailbox
        key = (box.account, box.id, box.uidvalidity, items, start)
        state = (rows[0].uid, rows[-1].uid, len(rows), max(map(_modseq_of, rows)))
        return self._blocks.get(key, state, render)


class RenderedSelections:
    """What SELECT tells of views, kept as long as they are. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: WeakKeyDictionary[MailboxView, dict[Hashable, bytes]] = WeakKeyDictionary()

    def answer(self, view: MailboxView, depends: Hashable, render: Callable[[], bytes]) -> bytes:
        """The answer for a view; rendered unless it is at hand. ``depends``: all else that is in it."""
        with self._lock:
            known = self._answers.get(view)
            if known is None:
                known = self._answers[view] = {}
        octets = known.get(depends)
        if octets is None:
            octets = known[depends] = render()
        return octets


class RenderedSearches:
    """The most recently used answers to SEARCH of flags. Safe from any thread."""

    def __init__(self, limit: int = KEPT_SEARCHES) -> None:
        """``limit`` is in octets."""
        self._searches = _Answers(limit)

    def answer(self, view: MailboxView, key: Has, uid: bool, render: Callable[[], bytes]) -> bytes:
        """The answer for all messages of a view, in its own numbers or in UIDs; rendered unless it is at hand."""
        box = view.mailbox
        # Whatever comes, goes or changes raises the mod-sequence.
        return self._searches.get((box.account, box.id, box.uidvalidity, key, uid), view.highest_modseq, render)


class RenderedThreads:
    """The most recently used answers to THREAD. Safe from any thread."""

    def __init__(self, limit: int = KEPT_THREADS) -> None:
        """``limit`` is in octets."""
        self._threads = _Answers(limit)

    def answer(
        self,
        view: MailboxView,
        how: Threading,
        uids: Sequence[int],
        numbers: Sequence[int],
        render: Callable[[], bytes],
    ) -> bytes:
        """The answer for messages of a view, which are told as ``numbers``; rendered unless it is at hand."""
        box = view.mailbox
        told = hashlib.blake2b(array("Q", uids))
        told.update(array("Q", numbers))
        return self._threads.get((box.account, box.id, box.uidvalidity, how), (len(uids), told.digest()), render)


class RenderedContents:
    """Items of contents, most recently used, in two generations: when the younger is full, the older one is let go.

    Safe from any thread.
    """

    def __init__(self, limit: int = KEPT_CONTENTS) -> None:
        """``limit`` is in octets, for both generations."""
        self._limit = limit // 2
        self._lock = threading.Lock()
        self._octets = 0
        self._young: dict[Hashable, dict[int, bytes]] = {}
        self._old: dict[Hashable, dict[int, bytes]] = {}

    def known(self, account: int, items: Hashable, contents: Iterable[int]) -> dict[int, bytes]:
        """Octets of those items, by the number of the content, where they are at hand."""
        key = (account, items)
        with self._lock:
            young, old = self._young.get(key, {}), self._old.get(key)
            if not old:
                return {number: young[number] for number in contents if number in young}
            wanted = set(contents)
            again = {number: old.pop(number) for number in wanted & old.keys()}
            found = {number: young[number] for number in wanted & young.keys()} | again
        if again:
            self.keep(account, items, again)
        return found

    def keep(self, account: int, items: Hashable, rendered: dict[int, bytes]) -> None:
        """Have these at hand from now on."""
        with self._lock:
            if self._octets > self._limit:
                self._old, self._young, self._octets = self._young, {}, 0
            self._young.setdefault((account, items), {}).update(rendered)
            self._octets += sum(map(len, rendered.values()))
