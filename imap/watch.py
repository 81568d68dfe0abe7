"""The store's bell, for one session: remembers that it rang, and wakes the session when it waits for that.

The bell is a hint. A session that hears nothing looks by itself now and then.
"""

from __future__ import annotations

from collections.abc import Callable

from storage.api import MailStore


class Watch:
    """Listens for changes of one mailbox. The bell rings in some thread; attributes may be read from any."""

    def __init__(self, store: MailStore, account: int, mailbox: int, wake: Callable[[], None]) -> None:
        """``wake`` is called, in the bell's thread, while ``waiting`` is true."""
        self._mailbox = mailbox
        self._wake = wake
        self.rung = False
        self.waiting = False
        self._end = store.watch(account, self._bell)

    def _bell(self, mailbox: int) -> None:
        # Number 0 is something of the account, for instance the rights to its mailboxes.
        if mailbox in (self._mailbox, 0):
            self.rung = True
            if self.waiting:
                self._wake()

    def close(self) -> None:
        self._end()
