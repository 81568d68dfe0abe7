"""The SQL database: one engine, read snapshots and write transactions, and errors in our own words.

SQLite runs in WAL mode with ``synchronous=FULL``: a commit that returned is on disk. Writers start with
``BEGIN IMMEDIATE`` (a transaction that reads before it writes under a plain BEGIN fails at once with "database is
locked"), and queue up in the kernel on a lock file beside the database, because SQLite's own busy handler polls with
growing sleeps.
On PostgreSQL writers run side by side (``storage.postgresql``); where they must not, ``take_turn`` makes them wait.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, Insert, MetaData, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from storage import postgresql
from storage.errors import Contended, DiskFull, StoreError, Unavailable
from storage.prepared import driver_of, wrapped

#: All tables of all rooms are declared on this.
metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)


class NewRow(NamedTuple):
    """A row that commits together with a delivery; those of one INSERT (the same object) are written at once."""

    statement: Insert
    values: Mapping[str, object]


class Own(NamedTuple):
    """What a write of this process did to ``Database.version``: before its changes, and with them but no others'."""

    before: int | None
    after: int | None


#: Seconds a writer waits for another process that holds the database without the lock file (a shell, a backup).
BUSY_TIMEOUT = 20.0


class Database:
    """An engine with ``read()`` and ``write()`` transactions; safe from any thread."""

    def __init__(self, url: str, *, pool: int = 32) -> None:
        """``url`` is SQLAlchemy's (``sqlite:///path``, ``postgresql+psycopg://...``), ``pool`` the connections kept."""
        parsed = make_url(url)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        options: dict[str, Any] = {
            "pool_size": pool,
            "max_overflow": pool,
            "pool_timeout": BUSY_TIMEOUT,
            # The connection used last is the one whose caches are warm.
            "pool_use_lifo": True,
        }
        if self.is_sqlite:
            options["connect_args"] = {"check_same_thread": False, "timeout": BUSY_TIMEOUT}
        else:
            options["pool_pre_ping"] = True
            options["connect_args"] = {"connect_timeout": postgresql.CONNECT_TIMEOUT}
        self.engine: Engine = create_engine(parsed, **options)
        self._reader = self.engine
        self._writer = self.engine.execution_options(immediate=True)
        self._writing: Connection | None = None
        self._turn: _WriterTurn | None = None
        self._commits: _Commits | None = None
        self._own = threading.local()
        if self.is_sqlite:
            if parsed.database is None or parsed.database == ":memory:":
                raise ValueError("the embedded database needs a file: processes share it")
            self._turn = _WriterTurn(Path(parsed.database + ".writer"))
            self._commits = _Commits(parsed.database)
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
        else:
            self._reader = postgresql.prepare(self.engine, BUSY_TIMEOUT)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database and writes nothing."""
        with own_errors(), self._reader.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A write transaction: committed and durable when the block ends, rolled back when it raises."""
        with own_errors():
            if self._turn is None:
                with self.engine.connect() as connection, connection.begin():
                    yield connection
                return
            begun = time.monotonic()
            with self._turn, self._kept_for_writing() as connection:
                waited = time.monotonic() - begun
                with _patience(connection, waited), connection.begin():
                    before = self.version()
                    yield connection
                # Nobody else writes before the turn is over.
                self._own.last = Own(before, self.version())

    @contextmanager
    def _kept_for_writing(self) -> Iterator[Connection]:
        """The connection of whoever has the turn: to get one and give it back takes longer than a small change."""
        connection, self._writing = self._writing or self._writer.connect(), None
        try:
            yield connection
            self._writing = connection
        finally:
            if self._writing is None:
                connection.close()

    def last_write(self) -> Own:
        """The versions around the last ``write`` of the calling thread."""
        return getattr(self._own, "last", Own(None, None))

    def version(self) -> int | None:
        """A number that is another one once anybody, of any process, has committed; None where that takes a query.

        What was read after it was asked holds as long as it stays the same.
        """
        return None if self._commits is None else self._commits.version()

    def version_at_hand(self) -> int | None:
        """The same, but None as well where it takes waiting for another thread, or more than a look into memory."""
        return None if self._commits is None else self._commits.version_at_hand()

    def close(self) -> None:
        """Close all connections."""
        if self._writing is not None:
            self._writing.close()
            self._writing = None
        self.engine.dispose()
        if self._commits is not None:
            self._commits.close()
        if self._turn is not None:
            self._turn.close()


def take_turn(connection: Connection, name: str) -> None:
    """Let write transactions that give the same name go one after the other, from here to their end.

    Those of SQLite do anyway.
    """
    if connection.dialect.name == "postgresql":
        postgresql.lock(connection, name)


class _WriterTurn:
    """Waits for the turn to write: first among the threads of this process, then among processes (flock)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._threads = threading.Lock()
        self._fd: int | None = None

    def __enter__(self) -> None:
        self._threads.acquire()
        try:
            if self._fd is None:
                self._fd = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._fd, fcntl.LOCK_EX)
        except BaseException:
            self._threads.release()
            raise

    def __exit__(self, *_: object) -> None:
        try:
            if self._fd is not None:
                fcntl.flock(self._fd, fcntl.LOCK_UN)
        finally:
            self._threads.release()

    def close(self) -> None:
        with self._threads:
            if self._fd is not None:
                os.close(self._fd)
                self._fd = None


class _Commits:
    """Whether there were commits, as SQLite tells it from the memory that its processes share, without reading.

    PRAGMA data_version counts, for one connection, what all the others committed; this one commits nothing.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def version(self) -> int | None:
        with self._lock:
            try:
                if self._connection is None:
                    # No patience: where SQLite has to wait, the database is asked itself.
                    self._connection = sqlite3.connect(
                        self._path, timeout=0, isolation_level=None, check_same_thread=False
                    )
                return self._version(self._connection)
            except sqlite3.Error:
                # Whoever asks the database itself is told what is wrong with it.
                return None

    def version_at_hand(self) -> int | None:
        if not self._lock.acquire(blocking=False):
            return None
        try:
            return None if self._connection is None else self._version(self._connection)
        except sqlite3.Error:
            return None
        finally:
            self._lock.release()

    @staticmethod
    def _version(connection: sqlite3.Connection) -> int:
        version: int = connection.execute("PRAGMA data_version").fetchall()[0][0]
        return version

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # The driver must not open transactions by itself: _begin_sqlite does.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "cache_size=-4000",
        # Never mapped: a sector that the disk does not give is an error then, not the end of the process.
        "mmap_size=0",
        "temp_store=MEMORY",
        "wal_autocheckpoint=4000",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    if connection.get_execution_options().get("immediate", False):
        begin = "BEGIN IMMEDIATE"
    else:
        begin = "BEGIN"
    try:
        driver_of(connection).execute(begin)
    except sqlite3.Error as error:
        raise wrapped(error, begin) from error


@contextmanager
def _patience(connection: Connection, waited: float) -> Iterator[None]:
    """What a writer waited for its turn it does not wait again when somebody holds the database."""
    if waited < 1:
        yield
        return
    # The driver's own connection: SQLAlchemy's would begin a transaction.
    driver: Any = connection.connection.driver_connection
    driver.execute(f"PRAGMA busy_timeout={max(200, int(1000 * (BUSY_TIMEOUT - waited)))}")
    try:
        yield
    finally:
        driver.execute(f"PRAGMA busy_timeout={int(1000 * BUSY_TIMEOUT)}")


@contextmanager
def own_errors() -> Iterator[None]:
    """What the database or the disk raises in here comes out as Unavailable, Contended or DiskFull."""
    try:
        yield
    except DBAPIError as error:
        own = _own_error(error)
        if own is None:
            raise
        raise own from error
    except PoolTimeout as error:
        raise Unavailable(f"the database is away: {error}") from error
    except StoreError:
        raise
    except OSError as error:
        raise disk_error(error) from error


def _own_error(error: DBAPIError) -> Unavailable | None:
    """The store's error for the driver's; None for one that tells of a defect of ours."""
    text = str(error.orig)
    if postgresql.disk_full(error) or "disk is full" in text or "No space left" in text:
        return DiskFull("the disk of the database is full")
    if postgresql.undone(error):
        return Contended(f"the database gave way to another transaction: {text}")
    if isinstance(error, OperationalError | InterfaceError) or postgresql.passes(error):
        return Unavailable(f"the database is away: {text}")
    return None


def disk_error(error: OSError) -> Unavailable:
    """The store's error for an operating system's: DiskFull for a full disk or quota, else Unavailable."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(f"no space left: {error.filename or error}")
    if error.errno in (errno.EACCES, errno.EPERM):
        return Unavailable(f"user number {os.geteuid()} may not do that: {error}")
    return Unavailable(f"the disk failed: {error}")
