"""Going on when a source or the store is away for a while: the same again, after growing waits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import structlog

from storage.errors import DiskFull, Unavailable
from transfer.source import Source, SourceFolder, SourceLost, SourceMessage, Unreadable

log = structlog.get_logger()

#: Seconds before each new try; after the last one the run ends. Any success begins anew.
WAITS = (1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60, 60)

#: Connections lost over one message, after which it is taken to be the reason.
_FATAL = 3

#: Messages and octets that are asked for, and committed, at a time.
PORTION = 50
PORTION_OCTETS = 8 * 1024 * 1024

T = TypeVar("T")


class Patience:
    """``sleep`` takes seconds."""

    def __init__(self, sleep: Callable[[float], None] = time.sleep, waits: Sequence[float] = WAITS) -> None:
        self._sleep = sleep
        self._waits = waits

    def call(self, what: Callable[[], T]) -> T:
        """What ``what`` returns. Raises SourceLost and Unavailable when they don't end; DiskFull at once."""
        for wait in self._waits:
            try:
                return what()
            except DiskFull:
                raise
            except (SourceLost, Unavailable) as error:
                log.warning("import.waiting", seconds=wait, error=str(error))
                self._sleep(wait)
        return what()

    def octets(
        self, source: Source, folder: SourceFolder, messages: Sequence[SourceMessage]
    ) -> Iterator[tuple[SourceMessage, bytes | Unreadable]]:
        """Each message once, with its octets or why there are none. Raises SourceLost when nothing comes any more.

        A server that breaks down over one message (Dovecot does over a damaged one) is asked for each by itself, and
        the one over which the connection goes again and again is left out.
        """
        waiting = {one.key: one for one in messages}
        waits, lost, alone = iter(self._waits), 0, False
        while waiting:
            some = list(waiting.values())
            try:
                for one, got in source.octets(folder, some[:1] if alone else some):
                    del waiting[one.key]
                    waits, lost = iter(self._waits), 0
                    yield one, got
            except SourceLost as error:
                wait = next(waits, None)
                if wait is None:
                    raise
                if error.connected:
                    lost, alone = lost + 1, True
                first = next(iter(waiting.values()))
                if lost > _FATAL:
                    del waiting[first.key]
                    lost = 0
                    yield first, Unreadable(f"the source breaks off over it: {error}")
                    continue
                log.warning("import.waiting", folder=folder.name, seconds=wait, error=str(error))
                self._sleep(wait)


def portions(messages: Iterable[SourceMessage]) -> Iterator[list[SourceMessage]]:
    """The messages in portions that fit into memory."""
    portion: list[SourceMessage] = []
    octets = 0
    for one in messages:
        if portion and (len(portion) >= PORTION or octets + (one.size or 0) > PORTION_OCTETS):
            yield portion
            portion, octets = [], 0
        portion.append(one)
        octets += one.size or 0
    if portion:
        yield portion
