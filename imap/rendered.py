"""Answers that the sessions of a process share as ready octets.

Clients ask for all flags of a mailbox again and again, and little of it changes: ``RenderedBlocks`` has blocks of a
mailbox. A block is known by its first and last UID, its count and its highest mod-sequence: every change of a flag
raises that one, every removal changes the others.

What a message holds never changes: ``RenderedContents`` has ENVELOPE, BODYSTRUCTURE and header fields by its number.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Sequence
from operator import itemgetter

from storage.api import MailboxView
from storage.model import MessageRow

#: Messages of a block. A block begins at a multiple of it, counted from 0.
BLOCK = 1000

#: Octets kept by a process: the flags of about a million messages.
KEPT = 32 * 1024 * 1024

#: Octets of contents kept by a process: envelopes and structures of about 20,000 messages.
KEPT_CONTENTS = 32 * 1024 * 1024

_modseq_of = itemgetter(MessageRow._fields.index("modseq"))


class RenderedBlocks:
    """The most recently used blocks. Safe from any thread."""

    def __init__(self, limit: int = KEPT) -> None:
        """``limit`` is in octets."""
        self._limit = limit
        self._lock = threading.Lock()
        self._octets = 0
        self._blocks: OrderedDict[Hashable, tuple[Hashable, bytes]] = OrderedDict()

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
        with self._lock:
            known = self._blocks.get(key)
            if known is not None and known[0] == state:
                self._blocks.move_to_end(key)
                return known[1]
        octets = render()
        with self._lock:
            self._forget(key)
            self._blocks[key] = state, octets
            self._octets += len(octets)
            while self._octets > self._limit:
                self._forget(next(iter(self._blocks)))
        return octets

    def _forget(self, key: Hashable) -> None:
        known = self._blocks.pop(key, None)
        if known is not None:
            self._octets -= len(known[1])


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
