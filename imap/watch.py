"""The store's bell, for the sessions of a process: remembers that it rang, and wakes those that wait for that.

The bell is a hint. A session that hears nothing looks by itself now and then. Of many sessions that heard the same bell
one looks at the mailbox, and the others take what it saw.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from weakref import WeakValueDictionary

from storage.api import MailboxView, MailStore


class _Seen:
    """The bell heard last of a mailbox, and its last look: which bell that was when it began, and what it saw.

    Bells are told apart by identity. A count could come to a number again that it had: bells ring in many threads.
    """

    def __init__(self) -> None:
        self.bell = object()
        self.last: tuple[object, MailboxView] | None = None


class Looks:
    """The last looks at mailboxes that are selected in this process. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: WeakValueDictionary[tuple[int, int], _Seen] = WeakValueDictionary()

    def of(self, account: int, mailbox: int) -> _Seen:
        with self._lock:
            seen = self._seen.get((account, mailbox))
            if seen is None:
                seen = self._seen[account, mailbox] = _Seen()
            return seen


class Watch:
    """Listens for changes of one mailbox. The bell rings in some thread; attributes may be read from any."""

    def __init__(self, store: MailStore, looks: Looks, account: int, mailbox: int, wake: Callable[[], None]) -> None:
        """``wake`` is called, in the bell's thread, while ``waiting`` is true."""
        self._store = store
        self._seen = looks.of(account, mailbox)
        self._account = account
        self._mailbox = mailbox
        self._wake = wake
        self.rung = False
        self.waiting = False
        self._end = store.watch(account, self._bell)

    def _bell(self, mailbox: int) -> None:
        # Number 0 is something of the account, for instance the rights to its mailboxes.
        if mailbox in (self._mailbox, 0):
            # Sessions note the same bell each for itself: what matters is that it is another one.
            self._seen.bell = object()
            self.rung = True
            if self.waiting:
                self._wake()

    def at_hand(self) -> MailboxView | None:
        """The mailbox as another session saw it since the last bell, or as the store knows it; free of I/O."""
        seen = self._seen
        bell, last = seen.bell, seen.last
        if last is not None and last[0] is bell:
            return last[1]
        view = self._store.view_at_hand(self._account, self._mailbox)
        if view is not None:
            seen.last = bell, view
        return view

    def look(self, *, anew: bool) -> MailboxView:
        """The mailbox; unless ``anew``, as another session saw it if no bell rang since. Raises NoSuchMailbox."""
        seen = self._seen
        bell, last = seen.bell, seen.last
        if not anew and last is not None and last[0] is bell:
            return last[1]
        # What a bell told before it was noted is in the database by now.
        view = self._store.view(self._account, self._mailbox)
        seen.last = bell, view
        return view

    def close(self) -> None:
        self._end()
