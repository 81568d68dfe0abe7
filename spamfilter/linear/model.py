"""The weights of all features in one file that every judging process of the machine maps into its memory.

The file is a cache of prior and database: lost or doubted, it is made again. One process at a time (flock) brings it up
to the revision in SQL by writing the weights that changed; the others see them at once. Weights are written before the
revision, and each row of SQL gives the whole weight, so a process killed between writes leaves a file that the next one
just brings up again. What was mapped survives a kill but not a power cut in order, so a file of another boot of the
machine is made anew.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from spamfilter.bayes.tokens import totals
from spamfilter.linear import weights as store
from spamfilter.linear.features import COUNT, VERSION
from spamfilter.linear.prior import PRIOR_UNIT, Prior
from spamfilter.linear.score import Weights, picker
from storage.database import Database
from storage.errors import StoreError

log = structlog.get_logger()

#: Layout: magic with the boot, the revision, then the weights as native 32-bit integers. All within one machine.
_HEAD = 64
_SIZE = _HEAD + 4 * COUNT
_REVISION_AT = 48
_LEAST, _MOST = -(1 << 31), (1 << 31) - 1


class LinearModel:
    """The weights of prior and site, followed by the revision of the database. Safe from any thread."""

    def __init__(
        self,
        database: Database,
        folder: Path,
        prior: Prior,
        *,
        interval: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``folder``: where the file lies; ``interval``: seconds between looks at the revision.

        Raises ``OSError`` when the file can't be made, ``StoreError`` when the database can't be read.
        """
        self._database = database
        self._prior = prior
        self._interval = interval
        self._clock = clock
        self._turn = threading.Lock()
        self._looked_at = clock()
        self._fd = os.open(
            folder / f"spam-weights-{VERSION}-{prior.digest}.map", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        try:
            fresh = os.fstat(self._fd).st_size != _SIZE
            if fresh:
                os.ftruncate(self._fd, _SIZE)
            self._map = mmap.mmap(self._fd, _SIZE)
            self._values = memoryview(self._map)[_HEAD:].cast("i")
            if fresh or self._map[: len(_magic())] != _magic():
                self._begin()
            self._catch_up()
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)
        self._weights = picker(self._values.toreadonly())

    @property
    def knows(self) -> bool:
        """True when there was something to begin with."""
        return self._prior.knows

    def weights(self) -> Weights:
        """The weights to judge by: at most ``interval`` seconds old, or the last ones while the database is away."""
        if self._clock() - self._looked_at >= self._interval and self._turn.acquire(blocking=False):
            try:
                self._looked_at = self._clock()
                # Another process that has the lock does the same work, for all.
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                try:
                    self._catch_up()
                finally:
                    fcntl.flock(self._fd, fcntl.LOCK_UN)
            except BlockingIOError:
                pass
            except StoreError as error:
                log.warning("spam.weights.unreadable", error=str(error))
            finally:
                self._turn.release()
        return self._weights

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)

    def _begin(self) -> None:
        """The prior and nothing else."""
        magic = _magic()
        self._map[: len(magic)] = bytes(len(magic))
        self._revision = 0
        self._values[:] = memoryview(self._prior.weights())
        self._map[: len(magic)] = magic

    def _catch_up(self) -> None:
        with self._database.read() as connection:
            revision = totals(connection).revision
            if revision == self._revision:
                return
            if revision < self._revision:
                # Another database, or an older state of it, put back.
                self._begin()
            prior = self._prior.values
            for feature, weight in store.changed_since(connection, self._revision):
                self._values[feature] = min(max(prior[feature] * PRIOR_UNIT + weight, _LEAST), _MOST)
        self._revision = revision

    @property
    def _revision(self) -> int:
        return int(struct.unpack_from("=q", self._map, _REVISION_AT)[0])

    @_revision.setter
    def _revision(self, revision: int) -> None:
        struct.pack_into("=q", self._map, _REVISION_AT, revision)


def _magic() -> bytes:
    """Begin of the file: layout and boot of the machine."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    return b"weights1" + (boot.read_bytes().strip() if boot.exists() else b"")
