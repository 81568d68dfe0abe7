"""Who had no room for mail lately: a message for nobody else is refused before it travels, not after."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from delivery.outcome import Disposition, Fate, Reason
from delivery.texts import say
from directory.api import Recipients
from storage.api import MailStore

#: Accounts remembered at most.
MOST = 10_000


class FullBoxes:
    """A memory of one process. Safe from any thread.

    Only those who had no room are asked about again: mail for all others costs no query.
    """

    def __init__(self, store: MailStore, recipients: Recipients, language: str, fate: Fate) -> None:
        """``fate`` is that of mail for a full mailbox."""
        self.fate = fate
        self._store = store
        self._recipients = recipients
        self._language = language
        self._lock = threading.Lock()
        self._lately: set[str] = set()

    def note(self, keys: Iterable[str]) -> None:
        """The accounts with these keys had no room."""
        with self._lock:
            self._lately.update(keys)
            while len(self._lately) > MOST:
                self._lately.pop()

    def any(self) -> bool:
        """False when ``refusal`` would refuse nobody; never blocks."""
        return bool(self._lately)

    def refusal(self, address: str, octets: int) -> Disposition | None:
        """Why a message of so many octets (0: of unknown size) need not come, when nobody behind the address has room.

        Raises DirectoryUnavailable and Unavailable.
        """
        targets = self._recipients.resolve(address)
        if targets is None or targets.elsewhere or not targets.accounts:
            return None
        keys = {account.key for account in targets.accounts}
        if not keys <= self._lately:
            return None
        for key in keys:
            if self._store.has_room(self._store.open_account(key), max(octets, 1)):
                with self._lock:
                    self._lately.discard(key)
                return None
        return Disposition(address, self.fate, Reason.OVER_QUOTA, say(Reason.OVER_QUOTA, self._language))
