"""Weights that follow the operator's file while the filter runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path

import structlog

from spamfilter.scores import ScoreError, Scores, shipped

log = structlog.get_logger()

#: Seconds between two looks at the file.
EVERY = 2.0


class LiveScores:
    """The scores in force. A changed file is read again within ``EVERY`` seconds; a wrong one is logged once and
    changes nothing. Safe from any thread."""

    def __init__(
        self, rules: Collection[str], override: Path | None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Raises ``ScoreError`` when a file is wrong at the start."""
        self._rules = frozenset(rules)
        self._override = override
        self._clock = clock
        self._lock = threading.Lock()
        self._looked_at = clock()
        self._mark = self._current_mark()
        self._scores = shipped(self._rules, override)

    def current(self) -> Scores:
        """The scores to judge by."""
        if self._override is None:
            return self._scores
        with self._lock:
            now = self._clock()
            if now - self._looked_at >= EVERY:
                self._looked_at = now
                self._look()
            return self._scores

    def _look(self) -> None:
        mark = self._current_mark()
        if mark == self._mark:
            return
        self._mark = mark
        try:
            self._scores = shipped(self._rules, self._override)
        except ScoreError as error:
            log.error("spam.scores.not_reloaded", error=str(error))
        else:
            log.info("spam.scores.reloaded", file=str(self._override))

    def _current_mark(self) -> tuple[int, int, int] | None:
        """What changes when the file is written or replaced; None while it is away."""
        if self._override is None:
            return None
        try:
            status = self._override.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino
