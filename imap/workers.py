"""Threads for what may wait: the store, the directory, the disk.

Much leaner than Twisted's own pool, for most commands come through here. Results go back to the reactor in batches: a
busy process wakes it once for several.
"""

from __future__ import annotations

import threading
import traceback
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import structlog

log = structlog.get_logger()

Done = Callable[[Any], None]
#: Takes the traceback.
Failed = Callable[[str], None]


class Workers:
    """At most so many threads, which are started when there is work for them. For the reactor's thread only."""

    def __init__(self, reactor: Any, most: int, name: str) -> None:
        self._reactor = reactor
        self._most = most
        self._name = name
        self._threads: list[threading.Thread] = []
        #: Pieces of work that were given and not answered.
        self._open = 0
        self._work: SimpleQueue[tuple[Callable[[], Any], Done, Failed] | None] = SimpleQueue()
        self._results: deque[tuple[Callable[[Any], None], Any]] = deque()
        self._called = False

    def run(self, work: Callable[[], Any], done: Done, failed: Failed) -> None:
        """Run ``work`` in a thread, then ``done`` with what it returned or ``failed`` in the reactor's."""
        self._open += 1
        if self._open > len(self._threads) < self._most:
            thread = threading.Thread(target=self._live, name=f"{self._name}-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._work.put((work, done, failed))

    def join(self) -> None:
        """Let the threads finish what was given to them, and end; called in some other thread, with nothing after it.

        Their last results reach the reactor if it still runs.
        """
        for _ in self._threads:
            self._work.put(None)
        for thread in self._threads:
            thread.join()

    def _live(self) -> None:
        while (given := self._work.get()) is not None:
            work, done, failed = given
            try:
                result = done, work()
            except Exception:
                result = failed, traceback.format_exc()
            # What this piece of work held is not kept until the next one comes.
            del given, work, done, failed
            self._results.append(result)
            del result
            # Whoever takes the results clears the mark before it looks for them: none is left behind.
            if not self._called:
                self._called = True
                self._reactor.callFromThread(self._answer)

    def _answer(self) -> None:
        self._called = False
        while self._results:
            call, result = self._results.popleft()
            self._open -= 1
            try:
                call(result)
            except Exception:
                log.exception("imap.result_failed")
