"""Who had no room for mail lately: a message for nobody else is refused before it travels, not after."""

from __future__ import annotations

import threading

from delivery.outcome import Disposition, Fate, Reason
from delivery.texts import say
from directory.api import Recipients
from storage.api import MailStore

#: Addresses remembered at most.
MOST = 10_000


class FullBoxes:
    """A memory of one process. Safe from any thread.

    Only addresses behind which there was no room are asked about again: mail for all others costs no query.
    """

    def __init__(self, store: MailStore, recipients: Recipients, language: str, fate: Fate) -> None:
        """``fate`` is that of mail for a full mailbox."""
        self._store = store
        self._recipients = recipients
        self._language = language
        self._fate = fate
        self._lock = threading.Lock()
        self._lately: set[str] = set()

    def note(self, address: str) -> None:
        """Nobody behind the address had room."""
        with self._lock:
            self._lately.add(address.lower())
            while len(self._lately) > MOST:
                self._lately.pop()

    def may_be_full(self, address: str) -> bool:
        """False when ``refusal`` would not refuse; never blocks."""
        return address.lower() in self._lately

    def refusal(self, address: str, octets: int) -> Disposition | None:
        """Why a message of so many octets (0: of unknown size) need not come, when nobody behind the address has room.

        Raises DirectoryUnavailable and Unavailable.
        """
        if not self.may_be_full(address):
            return None
        targets = self._recipients.resolve(address)
        if targets is None or targets.elsewhere or any(self._has_room(one.key, octets) for one in targets.accounts):
            with self._lock:
                self._lately.discard(address.lower())
            return None
        return Disposition(address, self._fate, Reason.OVER_QUOTA, say(Reason.OVER_QUOTA, self._language))

    def _has_room(self, key: str, octets: int) -> bool:
        return self._store.has_room(self._store.open_account(key), max(octets, 1))
