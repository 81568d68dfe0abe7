"""What the database answered, kept until anybody commits anything."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from storage.database import Database

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Unchanged(Generic[K, V]):
    """Answers by what was asked. Safe from any thread."""

    def __init__(self, database: Database, most: int) -> None:
        """``most`` answers are kept."""
        self._database = database
        self._most = most
        self._lock = threading.Lock()
        self._version: int | None = None
        self._known: dict[K, V] = {}

    def get(self, key: K, ask: Callable[[], V]) -> V:
        """The answer as it is now; ``ask`` asks the database, and what it raises is not kept."""
        version = self._database.version()
        with self._lock:
            if version != self._version:
                self._known.clear()
                self._version = version
            elif version is not None and key in self._known:
                return self._known[key]
        # What is committed from here on makes the version another one, whether it is in the answer or not.
        answer = ask()
        with self._lock:
            if version is not None and version == self._version and len(self._known) < self._most:
                self._known[key] = answer
        return answer

    def at_hand(self, key: K) -> V | None:
        """The answer as it is now, if it is kept; neither asks nor waits."""
        version = self._database.version_at_hand()
        if version is None:
            return None
        with self._lock:
            return self._known.get(key) if version == self._version else None
