"""What a person takes along (GDPR articles 15 and 20): mail, marks, and what else is kept of them, as one zip file.

One snapshot of the database says what there is; a message that moves or goes while the export runs is in it as it was.
The zip is written in one run, so it may be larger than memory; it has 64-bit sizes where they are needed (zip64).
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import struct
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum
from typing import IO, Any

from sqlalchemy import Connection, select

from directory.model import Account
from message.content import BLOCK, Content
from storage import names
from storage.blobs.api import BlobStore, BodyName, Place
from storage.database import Database
from storage.errors import Damaged, NoSuchMailbox, NoSuchMessage
from storage.index import mailboxes, messages
from storage.model import Mailbox, MessageRow
from storage.store import Store
from transfer import personal
from transfer.takeaway import README, maildir_name, mbox_path, mbox_piece

#: Folder of the mail, and of what else is kept of a person.
MAIL, DATA = "courrier", "donnees"

#: Latest time that the field of a zip entry can tell.
_LATEST = 2**31 - 1


class Format(Enum):
    """How mail is written: a Maildir++ tree, octet by octet, or one mboxrd file a mailbox."""

    MAILDIR = "maildir"
    MBOX = "mbox"


@dataclass(slots=True)
class Exported:
    """How much there is; ``missing`` are messages whose octets are lost, in words."""

    messages: int = 0
    octets: int = 0
    missing: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """What the database had at one moment."""

    account: int
    boxes: list[tuple[Mailbox, list[MessageRow]]]
    subscriptions: list[str]
    data: dict[str, list[dict[str, Any]]]


class Exporter:
    """``told`` hears how many messages are written."""

    def __init__(
        self, database: Database, store: Store, blobs: BlobStore, told: Callable[[int], None] = lambda count: None
    ) -> None:
        self._database = database
        self._store = store
        self._blobs = blobs
        self._told = told

    def write(self, account: Account, file: IO[bytes], form: Format, now: float) -> Exported:
        """Write everything of an account. Raises Unavailable, OSError."""
        number = self._store.open_account(account.key)
        with self._database.read() as connection:
            snapshot = _snapshot(connection, number, account.key)
        done = Exported()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
            out = _Archive(archive, int(now))
            out.add("LISEZMOI.txt", README.format(name=account.name, date=_day(now), form=form.value).encode())
            for name, rows in snapshot.data.items():
                out.add(f"{DATA}/{name}.json", json.dumps(rows, ensure_ascii=False, indent=1).encode())
            if form is Format.MAILDIR:
                self._maildir(account.key, snapshot, out, done)
            else:
                self._mboxes(account.key, snapshot, out, done)
            listed = json.dumps({"made_at": _day(now), "files": out.files}, ensure_ascii=False, indent=1)
            archive.writestr(out.entry("manifeste.json", None), listed)
        return done

    def _maildir(self, key: str, snapshot: _Snapshot, out: _Archive, done: Exported) -> None:
        out.add(f"{MAIL}/subscriptions", "".join(f"{name}\n" for name in snapshot.subscriptions).encode())
        for box, rows in snapshot.boxes:
            folder = names.folder(box.name)
            base = f"{MAIL}/{folder}/" if folder else f"{MAIL}/"
            for part in ("cur", "new", "tmp"):
                out.folder(f"{base}{part}/")
            if folder:
                out.add(f"{base}maildirfolder", b"")
            words = sorted({keyword for row in rows for keyword in row.keywords})
            letters = {word: chr(ord("a") + n) for n, word in enumerate(words[:26])}
            if letters:
                lines = "".join(f"{n} {word}\n" for n, word in enumerate(letters))
                out.add(f"{base}dovecot-keywords", lines.encode())
            for row, content in self._bodies(key, box, rows, done):
                path = f"{base}cur/{maildir_name(row, letters)}"
                out.add(path, content.blocks(), row.internal_date, size=row.size, **_facts(box, row))

    def _mboxes(self, key: str, snapshot: _Snapshot, out: _Archive, done: Exported) -> None:
        taken: set[str] = set()
        for box, rows in snapshot.boxes:
            path = mbox_path(box.name, taken)
            pieces = (
                piece
                for row, content in self._bodies(key, box, rows, done)
                for piece in mbox_piece(row, bytes(content.buffer()))
            )
            out.add(f"{MAIL}/{path}", pieces, size=2 * box.size, mailbox=box.name, messages=len(rows))

    def _bodies(
        self, key: str, box: Mailbox, rows: list[MessageRow], done: Exported
    ) -> Iterator[tuple[MessageRow, Content]]:
        for row in rows:
            try:
                content = self._body(key, box, row)
            except Damaged as error:
                done.missing.append(f"{box.name}, UID {row.uid}: {error}")
                continue
            try:
                yield row, content
            finally:
                content.close()
            done.messages += 1
            done.octets += row.size
            self._told(done.messages)

    def _body(self, key: str, box: Mailbox, row: MessageRow) -> Content:
        """A body, even of a message or mailbox that went away since the snapshot. Raises Damaged."""
        try:
            return self._store.body(box.account, box.id, row)
        except (NoSuchMessage, NoSuchMailbox):
            name = BodyName(row.blob, row.size, row.system)
            return self._blobs.open(Place(key, names.attic(box.id)), name)


class _Archive:
    """A zip file with the hashes of what is in it."""

    def __init__(self, archive: zipfile.ZipFile, now: int) -> None:
        self._archive = archive
        self._now = now
        self.files: list[dict[str, Any]] = []

    def entry(self, path: str, date: int | None) -> zipfile.ZipInfo:
        """With the time in UTC too (Info-ZIP's extended timestamp): the plain field has no zone."""
        when = max(0, min(self._now if date is None else date, _LATEST))
        fields = datetime.fromtimestamp(max(when, 315_619_200), UTC).timetuple()
        info = zipfile.ZipInfo(path, fields[:6])
        info.compress_type = zipfile.ZIP_DEFLATED
        info.external_attr = 0o100600 << 16
        info.extra = struct.pack("<HHBl", 0x5455, 5, 1, when)
        return info

    def folder(self, path: str) -> None:
        info = self.entry(path, None)
        info.external_attr = (0o40700 << 16) | 0x10
        info.compress_type = zipfile.ZIP_STORED
        self._archive.writestr(info, b"")

    def add(
        self, path: str, octets: bytes | Iterator[bytes], date: int | None = None, size: int = 0, **facts: Any
    ) -> None:
        """A file; ``size`` is what is expected of it at most, ``facts`` are told in the manifest."""
        if isinstance(octets, bytes):
            size, octets = len(octets), iter((octets,))
        digest, count = hashlib.sha256(), 0
        with self._archive.open(self.entry(path, date), "w", force_zip64=size >= 2**31) as out:
            for block in octets:
                for start in range(0, len(block), BLOCK):
                    part = block[start : start + BLOCK]
                    out.write(part)
                    digest.update(part)
                count += len(block)
        self.files.append({"path": path, "octets": count, "sha256": digest.hexdigest(), **facts})


def _snapshot(connection: Connection, account: int, key: str) -> _Snapshot:
    boxes = [(box, messages.all_rows(connection, account, box.id)) for box in mailboxes.every(connection, account)]
    data: dict[str, list[dict[str, Any]]] = {}
    for table, column, is_number in personal.tables():
        if table.name in personal.OF_MAIL:
            continue
        rows = connection.execute(
            select(table).where(personal.rows_of(table, column, account if is_number else key))
        ).mappings()
        data[table.name] = [
            {name: _plain(value) for name, value in row.items() if name not in personal.SECRETS} for row in rows
        ]
    return _Snapshot(account, boxes, mailboxes.subscriptions(connection, account), data)


def _plain(value: Any) -> Any:
    if not isinstance(value, bytes | memoryview):
        return value
    try:
        return bytes(value).decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}


def _facts(box: Mailbox, row: MessageRow) -> dict[str, Any]:
    when = datetime.fromtimestamp(row.internal_date, timezone(timedelta(minutes=row.zone)))
    return {"mailbox": box.name, "uid": row.uid, "received": when.isoformat(), "keywords": list(row.keywords)}


def _day(now: float) -> str:
    return datetime.fromtimestamp(now).astimezone().isoformat(" ", "seconds")


def check(file: IO[bytes]) -> list[str]:
    """Compare a written zip file with its manifest; returns in words what is wrong."""
    wrong: list[str] = []
    with zipfile.ZipFile(file) as archive:
        for one in json.loads(archive.read("manifeste.json"))["files"]:
            digest = hashlib.sha256()
            with archive.open(one["path"]) as entry:
                while block := entry.read(io.DEFAULT_BUFFER_SIZE * 32):
                    digest.update(block)
            if digest.hexdigest() != one["sha256"]:
                wrong.append(f"{one['path']} is not what was written")
    return wrong
