"""The site's model in memory, so that judging a message asks the database nothing.

16 octets a token in sorted arrays, plus a small dictionary of what changed since. When the revision in SQL has moved on
(looked at once a second at most), only the changed tokens are read.
"""

from __future__ import annotations

import threading
import time
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import structlog

from spamfilter.bayes import tokens as store
from spamfilter.bayes.tokens import Totals
from storage.database import Database
from storage.errors import StoreError

log = structlog.get_logger()

#: Changed tokens held in the dictionary before they are merged into the arrays.
MERGE_FROM = 20_000

EMPTY = Totals(0, 0, 0)


class Counts:
    """Counts of all tokens at one revision. Immutable."""

    __slots__ = ("_changed", "_ham", "_spam", "_tokens", "totals")

    def __init__(self, totals: Totals = EMPTY, rows: Iterable[tuple[int, int, int]] = ()) -> None:
        """``rows`` are (token, ham, spam) by rising token."""
        self.totals = totals
        self._tokens, self._ham, self._spam = array("q"), array("I"), array("I")
        self._changed: Mapping[int, tuple[int, int]] = {}
        for token, ham, spam in rows:
            self._append(token, ham, spam)

    def of(self, token: int) -> tuple[int, int]:
        """Messages of (ham, spam) that held the token."""
        if (pair := self._changed.get(token)) is not None:
            return pair
        at = bisect_left(self._tokens, token)
        if at < len(self._tokens) and self._tokens[at] == token:
            return self._ham[at], self._spam[at]
        return 0, 0

    def updated(self, totals: Totals, changes: Mapping[int, tuple[int, int]]) -> Counts:
        """These counts with ``changes`` applied."""
        new = Counts(totals)
        new._tokens, new._ham, new._spam = self._tokens, self._ham, self._spam
        new._changed = {**self._changed, **changes}
        return new._merged() if len(new._changed) > MERGE_FROM else new

    def _merged(self) -> Counts:
        """The same counts with all changes in the arrays, copied in whole stretches between them."""
        new = Counts(self.totals)
        start = 0
        for token in sorted(self._changed):
            at = bisect_left(self._tokens, token, start)
            new._extend(self, start, at)
            new._append(token, *self._changed[token])
            start = at + 1 if at < len(self._tokens) and self._tokens[at] == token else at
        new._extend(self, start, len(self._tokens))
        return new

    def _append(self, token: int, ham: int, spam: int) -> None:
        self._tokens.append(token)
        self._ham.append(ham)
        self._spam.append(spam)

    def _extend(self, other: Counts, start: int, end: int) -> None:
        self._tokens.extend(other._tokens[start:end])
        self._ham.extend(other._ham[start:end])
        self._spam.extend(other._spam[start:end])


class Model(Protocol):
    """What the filter needs of a model."""

    def counts(self) -> Counts:
        """The counts to judge by; never raises and never waits long."""
        ...


class BayesModel:
    """The model of the database, followed by its revision. Safe from any thread."""

    def __init__(
        self, database: Database, *, interval: float = 1.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """``interval``: seconds between looks at the revision."""
        self._database = database
        self._interval = interval
        self._clock = clock
        self._turn = threading.Lock()
        self._counts: Counts | None = None
        self._looked_at = float("-inf")

    def load(self) -> None:
        """Read the whole model; for the start of a process, because a large one takes seconds. Raises
        ``StoreError``."""
        with self._turn:
            self._looked_at = self._clock()
            self._counts = self._read(None)

    def counts(self) -> Counts:
        """The counts to judge by: at most ``interval`` seconds old, or the last ones while the database is away."""
        if self._clock() - self._looked_at >= self._interval and self._turn.acquire(blocking=False):
            # Only one thread looks; the others judge by what is there.
            try:
                self._looked_at = self._clock()
                self._counts = self._read(self._counts)
            except StoreError as error:
                log.warning("spam.model.unreadable", error=str(error))
            finally:
                self._turn.release()
        return self._counts if self._counts is not None else Counts()

    def _read(self, old: Counts | None) -> Counts:
        with self._database.read() as connection:
            totals = store.totals(connection)
            if old is None:
                return Counts(totals, store.all_counts(connection))
            if totals.revision == old.totals.revision:
                return old
            changes = {t: (h, s) for t, h, s in store.changed_since(connection, old.totals.revision)}
            return old.updated(totals, changes)
