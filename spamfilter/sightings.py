"""Where mail of reported campaigns came, by the records of verdicts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sqlalchemy import Row, or_, select

from spamfilter import tables
from spamfilter.campaigns import split_files
from spamfilter.record import message_key
from spamfilter.sketch import NEAR, alike, rows
from storage.database import Database

#: Records read at a time.
BATCH = 1000

_c, _r = tables.campaigns.c, tables.verdicts.c
_RECORDS = select(_r.id, _r.judged_at, _r.sketch, _r.files, _r.message_key, _r.accounts)


@dataclass(slots=True)
class Sighting:
    """A campaign with the mail of its making that came. Times are seconds since the epoch; None when none came."""

    number: int
    subject: str
    author: str
    voices: int
    sketch: bytes
    files: frozenset[bytes]
    first: float | None = None
    last: float | None = None
    messages: int = 0
    boxes: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Arrival:
    """The record of a message: the envelope's id, when it came, its ``record.message_key`` and the keys of the accounts
    it was for."""

    id: str
    judged_at: float
    sketch: bytes
    files: frozenset[bytes]
    message_key: int | None
    accounts: tuple[str, ...]

    def is_like(self, other: Arrival) -> bool:
        """True when both texts are of one making; for texts that say too little, when they have a file in common."""
        if self.sketch and other.sketch:
            return bool(alike(rows([self.sketch]), other.sketch)[0] >= NEAR)
        return not self.sketch and not other.sketch and bool(self.files & other.files)


def sightings(
    database: Database, newest: int, since: float, told: Callable[[int], None] = lambda count: None
) -> list[Sighting]:
    """The ``newest`` campaigns, the one reported last first, with the mail that came from ``since`` on.

    ``told`` hears how many records were looked at. Raises ``StoreError``.
    """
    with database.read() as connection:
        query = select(tables.campaigns).order_by(_c.last_at.desc(), _c.id.desc()).limit(newest)
        found = [
            Sighting(row.id, row.subject, row.author, row.voices, row.sketch, frozenset(split_files(row.files)))
            for row in connection.execute(query)
        ]
    sketches = rows(one.sketch for one in found)
    of_file: dict[bytes, list[int]] = {}
    for at, one in enumerate(found):
        for digest in one.files:
            of_file.setdefault(digest, []).append(at)
    for count, arrival in enumerate(arrivals(database, since), 1):
        near = set(np.flatnonzero(alike(sketches, arrival.sketch) >= NEAR).tolist())
        near.update(at for digest in arrival.files for at in of_file.get(digest, ()))
        for at in near:
            _count(found[at], arrival)
        if count % BATCH == 0:
            told(count)
    return found


def arrivals(database: Database, since: float) -> Iterator[Arrival]:
    """The records from ``since`` on that can tell a campaign, in order of time."""
    last = (since, "")
    while True:
        query = (
            _RECORDS.where((_r.judged_at > last[0]) | ((_r.judged_at == last[0]) & (_r.id > last[1])))
            .where(or_(_r.sketch.is_not(None), _r.files.is_not(None)))
            .order_by(_r.judged_at, _r.id)
            .limit(BATCH)
        )
        with database.read() as connection:
            found = connection.execute(query).all()
        if not found:
            return
        yield from map(_arrival, found)
        last = (found[-1].judged_at, found[-1].id)


def arrivals_of(database: Database, message: str) -> list[Arrival]:
    """The records of the message with this Message-ID, or of the one that came under this id of ours, in order of
    time."""
    wanted = _r.message_key == message_key(message) if message.startswith("<") else _r.id == message
    with database.read() as connection:
        return list(map(_arrival, connection.execute(_RECORDS.where(wanted).order_by(_r.judged_at, _r.id))))


def _arrival(row: Row[*tuple[Any, ...]]) -> Arrival:
    accounts = tuple(row.accounts.split("\n")) if row.accounts else ()
    files = frozenset(split_files(row.files or b""))
    return Arrival(row.id, row.judged_at, row.sketch or b"", files, row.message_key, accounts)


def _count(one: Sighting, arrival: Arrival) -> None:
    one.first = arrival.judged_at if one.first is None else one.first
    one.last = arrival.judged_at
    one.messages += 1
    one.boxes.update(arrival.accounts)
