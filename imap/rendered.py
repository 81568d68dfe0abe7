"""Answers to ``FETCH 1:* (UID FLAGS)`` and its like, ready octets for blocks of a mailbox, shared by its sessions.

Clients ask for all flags of a mailbox again and again, and little of it changes. A block is known by its first and last
UID, its count and its highest mod-sequence: every change of a flag raises that one, every removal changes the others.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from operator import itemgetter

from storage.api import MailboxView
from storage.model import MessageRow

#: Messages of a block. A block begins at a multiple of it, counted from 0.
BLOCK = 1000

#: Octets kept by a process: the flags of about a million messages.
KEPT = 32 * 1024 * 1024

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
