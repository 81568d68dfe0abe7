"""Mail of one making that people reported: one report marks it, the voices of several turn away what comes later.

A campaign is a sketch of a text and the digests of its files. Whoever reports mail near it, by whatever way, gives it
their voice, and whoever takes such mail out of Junk takes a voice from it: one voice a person, however often they
report. So one person marks, and only several bury.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import structlog
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from spamfilter import tables
from spamfilter.sketch import DIGEST, NEAR, Sketches, alike, file_digests, rows, sketch
from spamfilter.views import Views
from storage.database import Database
from storage.errors import StoreError

log = structlog.get_logger()

#: Campaigns that are known at a time; the one that was reported longest ago makes room for another.
MOST = 2048
#: The account of the operator, whose voice is enough.
OPERATOR = ""

_c, _v = tables.campaigns.c, tables.campaign_voices.c
_KNOWN = select(_c.id, _c.sketch, _c.files, _c.voices).order_by(_c.last_at.desc(), _c.id.desc()).limit(MOST)
_REVISION = select(func.coalesce(func.max(_c.revision), 0), func.count())


@dataclass(frozen=True, slots=True)
class Making:
    """What tells mail of one making: the sketch of its text (may be empty) and digests of its files."""

    sketch: bytes = b""
    files: tuple[bytes, ...] = ()

    @classmethod
    def of(cls, views: Views) -> Making:
        return cls(sketch(views), file_digests(views))

    @property
    def joined_files(self) -> bytes:
        """All digests in one."""
        return b"".join(self.files)


@dataclass(frozen=True, slots=True)
class Voices:
    """How many people said of mail with such a text, or such a file, that it is spam."""

    text: int = 0
    file: int = 0


class Reported(Protocol):
    """What the filter needs to know of reports."""

    def voices(self, making: Making) -> Voices:
        """Never raises and never waits long."""
        ...


class NothingReported:
    """Nobody has reported anything."""

    def voices(self, making: Making) -> Voices:
        return Voices()


NOTHING_REPORTED = NothingReported()


class Known:
    """Campaigns as they were at one moment."""

    def __init__(self, found: Iterable[Row[*tuple[Any, ...]]] = ()) -> None:
        each = list(found)
        self.numbers: list[int] = [row.id for row in each]
        self._sketches: Sketches = rows(row.sketch for row in each)
        self._voices: NDArray[np.int64] = np.array([row.voices for row in each], np.int64)
        self._files: dict[bytes, int] = {}
        self._of_file: dict[bytes, int] = {}
        for row in reversed(each):
            for digest in split_files(row.files):
                self._files[digest] = max(self._files.get(digest, 0), row.voices)
                self._of_file[digest] = row.id

    def voices(self, making: Making) -> Voices:
        """The most voices of any campaign that is near."""
        near = self._voices[alike(self._sketches, making.sketch) >= NEAR]
        file = max((self._files.get(digest, 0) for digest in making.files), default=0)
        return Voices(int(near.max(initial=0)), file)

    def nearest(self, making: Making) -> int | None:
        """The number of the campaign that has most in common with this, by its text or else by a file."""
        likeness = alike(self._sketches, making.sketch)
        if len(likeness) and likeness.max() >= NEAR:
            return self.numbers[int(likeness.argmax())]
        return next((self._of_file[digest] for digest in making.files if digest in self._of_file), None)


class SiteCampaigns:
    """The site's campaigns, at most ``interval`` seconds old. Safe from any thread."""

    def __init__(
        self, database: Database, *, interval: float = 2.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Raises ``StoreError`` when the database can't be read."""
        self._database = database
        self._interval = interval
        self._clock = clock
        self._turn = threading.Lock()
        self._state: tuple[int, int] = (0, 0)
        self._known = Known()
        self._looked_at = clock()
        self._look()

    def voices(self, making: Making) -> Voices:
        """What people said; by the last that is known while the database is away."""
        if self._clock() - self._looked_at >= self._interval and self._turn.acquire(blocking=False):
            try:
                self._looked_at = self._clock()
                self._look()
            except StoreError as error:
                log.warning("spam.campaigns.unreadable", error=str(error))
            finally:
                self._turn.release()
        return self._known.voices(making)

    def _look(self) -> None:
        with self._database.read() as connection:
            revision, count = connection.execute(_REVISION).one()
            if (revision, count) != self._state:
                self._known = Known(connection.execute(_KNOWN).all())
                self._state = (revision, count)


class Ballot:
    """Takes voices within one transaction, in which the turn of ``spamfilter.taught`` was taken."""

    def __init__(self, connection: Connection, enough: int, now: float) -> None:
        """``enough``: voices of people that the operator's one is worth."""
        self._connection = connection
        self._enough = enough
        self._now = now
        self._known = Known(connection.execute(_KNOWN).all())

    def cast(self, views: Views, making: Making, digest: bytes, account: str, *, spam: bool) -> int | None:
        """Count what ``account`` says of the message with that digest; returns the campaign's number.

        None when the message is like none that was reported, and is said to be ham, or can't be told from others.
        """
        number = self._known.nearest(making)
        if number is None:
            if not spam or not (making.sketch or making.files):
                return None
            number = self._begin(views, making)
        self._connection.execute(delete(tables.campaign_voices).where(_v.campaign == number, _v.account == account))
        voice = {"campaign": number, "account": account, "digest": digest, "spam": spam}
        self._connection.execute(insert(tables.campaign_voices).values(voice))
        self._count([number], last_at=self._now if spam else None)
        return number

    def take_back(self, digest: bytes, account: str) -> None:
        """Forget what ``account`` said of the message with that digest."""
        said = _v.account == account, _v.digest == digest
        numbers = list(self._connection.scalars(select(_v.campaign).where(*said)))
        self._connection.execute(delete(tables.campaign_voices).where(*said))
        self._count(numbers)

    def _begin(self, views: Views, making: Making) -> int:
        values = {
            "sketch": making.sketch,
            "files": making.joined_files,
            "subject": "".join(c if c.isprintable() else " " for c in views.subject[:200]),
            "author": (views.author.spec if views.author is not None else "")[:320],
            "reported_at": self._now,
            "last_at": self._now,
            "voices": 0,
            "revision": self._next_revision(),
        }
        number: int = self._connection.execute(insert(tables.campaigns).values(values).returning(_c.id)).scalar_one()
        if len(self._known.numbers) >= MOST:
            _drop(self._connection, self._known.numbers[-1:])
        self._known = Known(self._connection.execute(_KNOWN).all())
        return number

    def _count(self, numbers: Iterable[int], last_at: float | None = None) -> None:
        for number in numbers:
            query = select(_v.account, _v.spam).where(_v.campaign == number)
            voices = 0
            for account, spam in self._connection.execute(query):
                voices += (1 if spam else -1) * (self._enough if account == OPERATOR else 1)
            values: dict[str, float] = {"voices": max(voices, 0), "revision": self._next_revision()}
            if last_at is not None:
                values["last_at"] = last_at
            self._connection.execute(update(tables.campaigns).where(_c.id == number).values(values))

    def _next_revision(self) -> int:
        return int(self._connection.execute(_REVISION).one()[0]) + 1


def split_files(joined: bytes) -> tuple[bytes, ...]:
    """The digests of ``Making.joined_files``."""
    return tuple(joined[at : at + DIGEST] for at in range(0, len(joined), DIGEST))


def forget_before(database: Database, moment: float) -> int:
    """Forget campaigns that nobody reported since ``moment``; returns how many."""
    with database.write() as connection:
        numbers = list(connection.scalars(select(_c.id).where(_c.last_at < moment)))
        _drop(connection, numbers)
        return len(numbers)


def forget(database: Database, number: int) -> bool:
    """Forget one campaign and what was said of it; False when there is none of that number."""
    with database.write() as connection:
        there = connection.scalar(select(_c.id).where(_c.id == number)) is not None
        _drop(connection, [number])
        return there


def _drop(connection: Connection, numbers: list[int]) -> None:
    connection.execute(delete(tables.campaign_voices).where(_v.campaign.in_(numbers)))
    connection.execute(delete(tables.campaigns).where(_c.id.in_(numbers)))
