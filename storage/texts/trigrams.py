"""Texts and their trigrams in one SQLite file an account (docs/adr/0011-text-index.md).

``known`` says which contents are there, ``text`` holds their folded texts, compressed, and ``gram`` is an FTS5 index of
the three-letter pieces of these texts without accents. A piece that is looked for can only be where all its trigrams
are, which leaves few texts to compare.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import zlib
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import structlog

from message.collation import bare
from storage.database import disk_error
from storage.errors import Damaged, DiskFull, Unavailable
from storage.texts.document import Document

log = structlog.get_logger()

#: Octets of folded text kept of one message's header and body; of what is cut, searches open the body.
KEPT_HEADER = 64 * 1024
KEPT_BODY = 512 * 1024

#: Trigrams asked for at once: enough to single out any text.
_ASKED = 24

#: Texts read in one block, and files held open for writing.
_BLOCK = 100
_OPEN = 16

#: Of zlib: its usual 6 makes a text 3 % smaller and takes a third longer.
_EFFORT = 3

_BUSY = 20.0
_VERSION = 2
_SCHEMA = """
CREATE TABLE known (id INTEGER PRIMARY KEY, whole INTEGER NOT NULL);
CREATE TABLE text (id INTEGER PRIMARY KEY, header BLOB NOT NULL, body BLOB NOT NULL);
CREATE TABLE state (through INTEGER NOT NULL);
INSERT INTO state VALUES (0);
CREATE VIRTUAL TABLE gram USING fts5(
    text, content='', columnsize=0, detail=none, tokenize='trigram case_sensitive 1'
);
"""


class TrigramFiles:
    """Implements ``storage.texts.api.TextIndex`` below a folder. One process writes, any number read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._writers: OrderedDict[int, sqlite3.Connection] = OrderedDict()

    def _path(self, account: int) -> Path:
        # Not too many files in one folder.
        return self._folder / f"{account % 256:02x}" / f"{account}.db"

    # ---------------------------------------------------------------- reading

    @contextmanager
    def look(self, account: int, wanted: Collection[int], pieces: Sequence[bytes], *, header: bool) -> Iterator[_Look]:
        connection = self._reader(account)
        try:
            yield _Look(account, connection, wanted, pieces, header)
        finally:
            if connection is not None:
                connection.close()

    def through(self, account: int) -> int:
        with _reading(self._reader(account)) as connection:
            return int(connection.execute("SELECT through FROM state").fetchone()[0]) if connection else 0

    def known(self, account: int) -> set[int]:
        with _reading(self._reader(account)) as connection:
            return {number for (number,) in connection.execute("SELECT id FROM known")} if connection else set()

    def size(self, account: int) -> int:
        path = self._path(account)
        files = (path, path.with_name(f"{path.name}-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def _reader(self, account: int) -> sqlite3.Connection | None:
        """A connection; None when there is no file, or none of this release."""
        path = self._path(account)
        if not path.exists():
            return None
        connection: sqlite3.Connection | None = None
        try:
            connection = _connect(path, "rw")
            if _version(connection) == _VERSION:
                return connection
        except sqlite3.Error as error:
            log.warning("texts.unreadable", account=account, error=str(error))
        if connection is not None:
            connection.close()
        return None

    # ---------------------------------------------------------------- writing

    def add(self, account: int, documents: Iterable[tuple[int, Document]], through: int) -> None:
        with self._writing(account) as connection:
            for number, whole in documents:
                kept = Document(whole.header[:KEPT_HEADER], whole.body[:KEPT_BODY])
                new = connection.execute("INSERT OR IGNORE INTO known VALUES (?, ?)", (number, kept == whole))
                if not new.rowcount:
                    # Another process was faster, or this one was killed before it said so.
                    continue
                packed = (number, zlib.compress(kept.header, _EFFORT), zlib.compress(kept.body, _EFFORT))
                connection.execute("INSERT INTO text VALUES (?, ?, ?)", packed)
                connection.execute("INSERT INTO gram (rowid, text) VALUES (?, ?)", (number, _indexed(kept)))
            connection.execute("UPDATE state SET through = max(through, ?)", (through,))

    def forget(self, account: int, contents: Collection[int]) -> None:
        with self._writing(account) as connection:
            for number in contents:
                row = connection.execute("SELECT header, body FROM text WHERE id = ?", (number,)).fetchone()
                if row is not None:
                    # An index that keeps no texts is told what to take out.
                    kept = Document(zlib.decompress(row[0]), zlib.decompress(row[1]))
                    connection.execute(
                        "INSERT INTO gram (gram, rowid, text) VALUES ('delete', ?, ?)", (number, _indexed(kept))
                    )
                connection.execute("DELETE FROM text WHERE id = ?", (number,))
                connection.execute("DELETE FROM known WHERE id = ?", (number,))

    def clear(self, account: int) -> None:
        """Works while others read; a file that can't be read is made anew."""
        try:
            with self._writing(account) as connection:
                connection.execute("INSERT INTO gram (gram) VALUES ('delete-all')")
                for table in ("text", "known"):
                    connection.execute(f"DELETE FROM {table}")  # noqa: S608 - names of ours
                connection.execute("UPDATE state SET through = 0")
        except (Damaged, Unavailable):
            with self._lock, _own_errors():
                self._discard(account)

    @contextmanager
    def _writing(self, account: int) -> Iterator[sqlite3.Connection]:
        """A transaction. Raises Unavailable, DiskFull, Damaged."""
        with self._lock, _own_errors():
            connection = self._writer(account)
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                # What it remembers may be of a file that is damaged or gone.
                self._writers.pop(account).close()
                raise

    def _writer(self, account: int) -> sqlite3.Connection:
        """Kept open, for the last one to close a file must sync it."""
        path = self._path(account)
        connection = self._writers.pop(account, None)
        if connection is None or not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            connection = self._opened(account, path)
        self._writers[account] = connection
        while len(self._writers) > _OPEN:
            self._writers.popitem(last=False)[1].close()
        return connection

    def _opened(self, account: int, path: Path) -> sqlite3.Connection:
        connection = _connect(path, "rwc")
        try:
            version = _version(connection)
            if version == _VERSION:
                return connection
            if version:
                connection.close()
                self._discard(account)
                connection = _connect(path, "rwc")
            path.chmod(0o600)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;")
        except BaseException:
            connection.close()
            raise
        return connection

    def _discard(self, account: int) -> None:
        path = self._path(account)
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)

    def close(self) -> None:
        with self._lock:
            while self._writers:
                self._writers.popitem()[1].close()


class _Look:
    """Implements ``storage.texts.api.Look``."""

    def __init__(
        self,
        account: int,
        connection: sqlite3.Connection | None,
        wanted: Collection[int],
        pieces: Sequence[bytes],
        header: bool,
    ) -> None:
        self._account = account
        self._connection = connection
        self._pieces = pieces
        self._columns = "header, body" if header else "x'', body"
        self._left = set(wanted)
        self.unknown: set[int] = set(self._left)

    @property
    def documents(self) -> Iterator[tuple[int, Document]]:
        if self._connection is None:
            return
        try:
            # One state of the file for all that follows.
            self._connection.execute("BEGIN")
            known = dict(self._connection.execute("SELECT id, whole FROM known"))
            self.unknown = {number for number in self._left if not known.get(number)}
            self._left &= known.keys()
            yield from self._read(self._connection, sorted(self._candidates(self._connection)))
        except (sqlite3.Error, zlib.error) as error:
            log.warning("texts.unreadable", account=self._account, error=str(error))
            self.unknown |= self._left

    def _candidates(self, connection: sqlite3.Connection) -> Collection[int]:
        grams = _asked(self._pieces)
        if not grams:
            return set(self._left)
        query = " AND ".join('"' + gram.replace('"', '""') + '"' for gram in grams)
        found = connection.execute("SELECT rowid FROM gram WHERE gram MATCH ?", (query,))
        return self._left.intersection(number for (number,) in found)

    def _read(self, connection: sqlite3.Connection, numbers: Sequence[int]) -> Iterator[tuple[int, Document]]:
        for start in range(0, len(numbers), _BLOCK):
            block = numbers[start : start + _BLOCK]
            marks = ", ".join("?" * len(block))
            # Column and mark names are ours; the numbers are bound.
            query = f"SELECT id, {self._columns} FROM text WHERE id IN ({marks})"  # noqa: S608
            for number, header, body in connection.execute(query, block):
                yield number, Document(zlib.decompress(header) if header else b"", zlib.decompress(body))


def _indexed(kept: Document) -> str:
    """The text whose trigrams are indexed. FTS5 reads up to the first NUL."""
    return bare(kept.header + b"\n" + kept.body).decode("utf-8", "replace").replace("\0", "\n")


def _asked(pieces: Iterable[bytes]) -> list[str]:
    """Trigrams that a text with all pieces has: all of them, or some from all over."""
    grams: dict[str, None] = {}
    for piece in pieces:
        text = piece.decode("utf-8", "replace")
        grams.update(dict.fromkeys(text[start : start + 3] for start in range(len(text) - 2)))
    every = list(grams)
    return every[:: len(every) // _ASKED + 1]


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode={mode}", uri=True, isolation_level=None, timeout=_BUSY, check_same_thread=False
    )
    # A power failure may take the last additions, which are made again, but not the file's order.
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


@contextmanager
def _reading(connection: sqlite3.Connection | None) -> Iterator[sqlite3.Connection | None]:
    with _own_errors():
        try:
            yield connection
        finally:
            if connection is not None:
                connection.close()


@contextmanager
def _own_errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        if "disk is full" in str(error):
            raise DiskFull("the disk of the text index is full") from error
        if type(error) is sqlite3.DatabaseError:
            raise Damaged(f"the text index is damaged: {error}") from error
        raise Unavailable(f"the text index failed: {error}") from error
    except OSError as error:
        raise disk_error(error) from error
