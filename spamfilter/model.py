"""What prior and lessons say of all features, in one file that every judging process of the machine maps into its
memory: 26 MiB, once for all of them.

The file is a cache of prior and database: lost or doubted, it is made again. One process at a time (flock) brings it up
to the revision in SQL by writing the features that changed; the others see them at once. Values are written before the
revision, and each row of SQL gives whole values, so a process killed between writes leaves a file that the next one
just brings up again. What was mapped survives a kill but not a power cut in order, so a file of another boot of the
machine is made anew.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import structlog
from numpy.typing import NDArray

from spamfilter import taught
from spamfilter.bayes import classify
from spamfilter.features import COUNT, VERSION, Numbers
from spamfilter.prior import HALF, WEIGHT_UNIT, Prior
from storage.database import Database
from storage.errors import StoreError

log = structlog.get_logger()

#: Layout: magic with the boot; revision, ham and spam messages; then from the second page on the arrays, native.
_MAGIC_SIZE = 64
_HEAD = 4096
_SIZE = _HEAD + 13 * COUNT


@dataclass(frozen=True)
class Knowledge:
    """What is known of features, by their number. ``totals`` are messages of (ham, spam) that lessons taught; ``ham``
    and ``spam`` those that held a feature; ``assumed`` the share of spam that was thought of it before (in 1/254);
    ``weights`` the linear learner's. ``began`` is True when there was knowledge before the first lesson.

    The arrays of a running site change under their reader, a feature at a time.
    """

    totals: NDArray[np.int64]
    ham: NDArray[np.int32]
    spam: NDArray[np.int32]
    weights: NDArray[np.int32]
    assumed: NDArray[np.uint8]
    began: bool

    @property
    def ham_messages(self) -> int:
        """Ham that lessons taught."""
        return int(self.totals[0])

    @property
    def spam_messages(self) -> int:
        """Spam that lessons taught."""
        return int(self.totals[1])

    def shares(self, tokens: Numbers) -> NDArray[np.floating]:
        """How much each token speaks for spam."""
        assumed = self.assumed[tokens] / (2.0 * HALF)
        return classify.shares_of_spam(
            self.ham[tokens], self.spam[tokens], self.ham_messages, self.spam_messages, assumed
        )


def blank() -> Knowledge:
    """Knowledge of nothing, in memory."""
    ham, spam, weights = (np.zeros(COUNT, np.int32) for _ in range(3))
    return Knowledge(np.zeros(2, np.int64), ham, spam, weights, np.full(COUNT, HALF, np.uint8), False)


class Model(Protocol):
    """What the filter needs of a model."""

    def knowledge(self) -> Knowledge:
        """What to judge by; never raises and never waits long."""
        ...


class SiteModel:
    """Prior and lessons of the site, followed by the revision of the database. Safe from any thread."""

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
        path = folder / f"spam-model-{VERSION}-{prior.digest}.map"
        self._fd = _opened(path)
        try:
            self._map = mmap.mmap(self._fd, _SIZE)
            self._revision = np.frombuffer(self._map, np.int64, 1, _MAGIC_SIZE)
            self._knowledge = self._arrays()
            if self._map[:_MAGIC_SIZE] != _magic():
                self._begin()
            self._catch_up()
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def knowledge(self) -> Knowledge:
        """What to judge by: at most ``interval`` seconds old, or the last there was while the database is away."""
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
                log.warning("spam.model.unreadable", error=str(error))
            finally:
                self._turn.release()
        return self._knowledge

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)

    def _arrays(self) -> Knowledge:
        def array(number: int) -> NDArray[np.int32]:
            return np.frombuffer(self._map, np.int32, COUNT, _HEAD + 4 * COUNT * number)

        totals = np.frombuffer(self._map, np.int64, 2, _MAGIC_SIZE + 8)
        assumed = np.frombuffer(self._map, np.uint8, COUNT, _HEAD + 12 * COUNT)
        return Knowledge(totals, array(0), array(1), array(2), assumed, self._prior.knows)

    def _begin(self) -> None:
        """The prior and nothing else."""
        self._map[:_MAGIC_SIZE] = bytes(_MAGIC_SIZE)
        known, prior = self._knowledge, self._prior
        self._revision[0] = 0
        for array in (known.totals, known.ham, known.spam, known.weights):
            array[:] = 0
        known.assumed[:] = HALF
        known.weights[prior.numbers] = prior.weights.astype(np.int32) * WEIGHT_UNIT
        known.assumed[prior.numbers] = prior.shares
        self._map[:_MAGIC_SIZE] = _magic()

    def _catch_up(self) -> None:
        with self._database.read() as connection:
            totals = taught.totals(connection)
            if totals.revision == self._revision[0]:
                return
            if totals.revision < self._revision[0]:
                # Another database, or an older state of it, put back.
                self._begin()
            known = self._knowledge
            for rows in taught.changed_since(connection, int(self._revision[0])):
                numbers, ham, spam, weights = np.array(rows, np.int64).T
                known.ham[numbers], known.spam[numbers] = ham, spam
                known.weights[numbers] = self._prior.weights_of(numbers) + weights
        known.totals[:] = totals.ham, totals.spam
        self._revision[0] = totals.revision


def _opened(path: Path) -> int:
    """The file, whole and locked. One that the disk does not give any more is left to its users and made anew: touching
    such a page of a map ends the process, and the next one would end the same way."""
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(fd, fcntl.LOCK_EX)
        size = os.fstat(fd).st_size
        if not (path.exists() and path.stat().st_ino == os.fstat(fd).st_ino):
            # Another made it anew while this one waited.
            os.close(fd)
            continue
        if not size:
            os.ftruncate(fd, _SIZE)
            return fd
        if size == _SIZE and _readable(fd):
            return fd
        log.warning("spam.model.made_anew", path=str(path), size=size)
        path.unlink(missing_ok=True)
        os.close(fd)


def _readable(fd: int) -> bool:
    """True when the disk gives every octet, which are in memory then."""
    block = bytearray(2**20)
    try:
        return all(os.preadv(fd, [block], at) for at in range(0, _SIZE, len(block)))
    except OSError:
        return False


def _magic() -> bytes:
    """Begin of the file: layout and boot of the machine."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    return (b"spam-mod" + (boot.read_bytes().strip() if boot.exists() else b"")).ljust(_MAGIC_SIZE, b"\0")
