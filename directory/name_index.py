"""Who of us bears a name: display names of the directory, looked up as they look at a glance."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import structlog
from sqlalchemy import select

from directory import tables
from directory.errors import DirectoryUnavailable
from directory.model import Role
from directory.rows import own_errors
from storage.database import Database

log = structlog.get_logger()

#: Seconds for which an index serves: a colleague who came today is protected in a few minutes.
REFRESH = 300.0

#: People of one name that are told.
MOST = 5


@dataclass(frozen=True, slots=True)
class Person:
    """A display name with all the addresses of its bearer, the primary one first."""

    name: str
    addresses: tuple[str, ...]


def people(database: Database) -> list[Person]:
    """Everybody with a name but the students, whose names are many and whom nobody imitates for gain.

    Raises DirectoryUnavailable.
    """
    with own_errors(), database.read() as connection:
        addresses: dict[str, list[str]] = {}
        rows = connection.execute(
            select(tables.address.c.account, tables.address.c.address)
            .where(tables.address.c.account.is_not(None))
            .order_by(tables.address.c.position)
        )
        for key, address in rows:
            addresses.setdefault(key, []).append(address)
        named = connection.execute(
            select(tables.account.c.key, tables.account.c.name).where(tables.account.c.role != Role.STUDENT.value)
        )
        return [Person(name, tuple(addresses.get(key, ()))) for key, name in named if name]


class NameIndex:
    """People by the keys of their names. Safe from any thread; while the directory is away the last index serves."""

    def __init__(
        self,
        people: Callable[[], Iterable[Person]],
        keys: Callable[[str], tuple[str, ...]],
        *,
        refresh: float = REFRESH,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``people`` brings everybody and may raise DirectoryUnavailable. ``keys`` gives the keys of a name, the whole
        name's first; only that one is kept for a person, any of them finds it."""
        self._people = people
        self._keys = keys
        self._refresh = refresh
        self._clock = clock
        self._lock = threading.Lock()
        self._index: Mapping[str, tuple[Person, ...]] = {}
        self._read_at: float | None = None

    def named(self, name: str) -> tuple[Person, ...]:
        """The people whose whole name stands in ``name``, at most ``MOST``."""
        index = self._current()
        found = (person for key in self._keys(name) for person in index.get(key, ()))
        return tuple(dict.fromkeys(found))[:MOST]

    def _current(self) -> Mapping[str, tuple[Person, ...]]:
        with self._lock:
            now = self._clock()
            if self._read_at is None or now - self._read_at >= self._refresh:
                self._read_at = now
                try:
                    self._index = self._made(self._people())
                except DirectoryUnavailable as error:
                    log.warning("names.not_read", error=str(error))
            return self._index

    def _made(self, people: Iterable[Person]) -> dict[str, tuple[Person, ...]]:
        index: dict[str, tuple[Person, ...]] = {}
        for person in people:
            for key in self._keys(person.name)[:1]:
                index[key] = (*index.get(key, ()), person)[:MOST]
        return index
