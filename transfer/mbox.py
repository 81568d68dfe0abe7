"""An mbox file (RFC 4155), or a folder of them, as a source.

A line "From " with a date, at the beginning or after an empty line, begins a message. What was quoted to tell body
lines from these is unquoted: in mboxrd one ">" of any number before "From ", in mboxo the only one. The fields in which
mail programs keep their own notes (Status, X-Status, X-Keywords, X-UID, X-IMAP, X-IMAPbase) become flags and are no
part of the message. A message is known by what it holds, so files may be written anew between two runs.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from enum import Enum
from pathlib import Path
from typing import BinaryIO

from storage.model import System
from transfer.source import Listing, SourceFolder, SourceMessage, SourceRefused, Unreadable, refused, with_crlf

#: "From " address, day of the week, month, day, time, perhaps a zone, year, perhaps a zone.
_FROM = re.compile(
    rb"From .*?\b(?P<month>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) {1,2}(?P<day>\d{1,2}) "
    rb"(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d))?(?: (?P<before>[+-]\d{4}|[A-Z]{1,5}))? (?P<year>\d{4})"
    rb"(?: (?P<after>[+-]\d{4}))?"
)
_MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
_QUOTED = {
    "rd": re.compile(rb"^>(?=>*From )", re.M),
    "o": re.compile(rb"^>(?=From )", re.M),
}
_OWN = re.compile(
    rb"^(status|x-status|x-keywords|x-uid|x-imap|x-imapbase)[ \t]*:(.*(?:\r?\n[ \t].*)*)\r?\n?", re.I | re.M
)
_STATUS = {"R": System.SEEN, "A": System.ANSWERED, "F": System.FLAGGED, "D": System.DELETED, "T": System.DRAFT}

_LINE = 1 << 16

#: Names of folders beside a folder's own file that hold those below it (Thunderbird).
_SBD = ".sbd"


class Quoting(Enum):
    """How lines that begin with "From " were written."""

    RD = "rd"
    O = "o"  # noqa: E741  the name of the format


@dataclass(frozen=True, slots=True)
class _Piece:
    """Where a message stands in its file, without its "From " line."""

    start: int
    end: int


class MboxSource:
    """See the module."""

    def __init__(self, path: Path, largest: int, quoting: Quoting = Quoting.RD, into: str = "INBOX") -> None:
        """A single file is the folder ``into``. ``largest`` is how many octets of a message are read at most.

        Raises SourceRefused.
        """
        self._path = path.resolve()
        self._largest = largest
        self._quoted = _QUOTED[quoting.value]
        self._into = into
        self._pieces: dict[str, _Piece] = {}
        try:
            several = self._path.is_dir()
        except OSError as error:
            raise refused(self._path, error) from error
        if not several and not _is_mbox(self._path):
            raise SourceRefused(f"{path} is no mbox file: its first line does not begin with From")

    @property
    def name(self) -> str:
        return f"mbox:{self._path}"

    def close(self) -> None:
        return None

    def folders(self) -> list[SourceFolder]:
        if not self._path.is_dir():
            return [SourceFolder("", tuple(self._into.split("/")), subscribed=True)]
        found = list(self._below(self._path, ()))
        if not found:
            raise SourceRefused(f'there is no mbox file in {self._path}: one begins with a line "From "')
        return found

    def _below(self, folder: Path, above: tuple[str, ...]) -> Iterator[SourceFolder]:
        try:
            with os.scandir(folder) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            raise refused(folder, error) from error
        for entry in found:
            if entry.name.startswith("."):
                continue
            levels = (*above, os.fsencode(entry.name.removesuffix(_SBD)).decode("utf-8", "replace"))
            path = Path(entry.path)
            if entry.is_dir(follow_symlinks=False):
                yield from self._below(path, levels)
            elif entry.is_file(follow_symlinks=False) and _is_mbox(path):
                where = os.fsencode(path.relative_to(self._path)).decode("latin-1")
                yield SourceFolder(where, levels, subscribed=True)

    def grants(self, folder: SourceFolder) -> Mapping[str, str]:
        return {}

    # ---------------------------------------------------------------- messages

    def _file(self, folder: SourceFolder) -> Path:
        return self._path / os.fsdecode(folder.id.encode("latin-1")) if folder.id else self._path

    def listing(self, folder: SourceFolder) -> Listing:
        path = self._file(folder)
        seen: Counter[str] = Counter()
        messages: list[SourceMessage] = []
        self._pieces = {}
        try:
            with path.open("rb") as file:
                for line, piece in _pieces(file):
                    raw, whole = self._raw(file, piece)
                    octets, system, keywords = self._message(raw)
                    digest = hashlib.sha256(octets).hexdigest()[:40]
                    seen[digest] += 1
                    key = f"{digest}.{seen[digest]}"
                    self._pieces[key] = piece
                    date, zone = _date(line)
                    size = len(octets) if whole else piece.end - piece.start
                    if not _is_a_note(octets):
                        messages.append(SourceMessage(key, system, keywords, size, date, zone))
        except OSError as error:
            raise Unreadable(f"{path} can't be read: {error.strerror}") from error
        return Listing(0, messages)

    def octets(
        self, folder: SourceFolder, messages: Sequence[SourceMessage]
    ) -> Iterator[tuple[SourceMessage, bytes | Unreadable]]:
        try:
            file = self._file(folder).open("rb")
        except OSError as error:
            raise Unreadable(f"{self._file(folder)} can't be read: {error.strerror}") from error
        with file:
            for one in messages:
                octets, _, _ = self._message(self._raw(file, self._pieces[one.key])[0])
                if not one.key.startswith(hashlib.sha256(octets).hexdigest()[:40]):
                    yield one, Unreadable("the file was written anew meanwhile: run again")
                else:
                    yield one, octets

    def _raw(self, file: BinaryIO, piece: _Piece) -> tuple[bytes, bool]:
        """The octets of a piece, and whether that is all of them."""
        length = min(piece.end - piece.start, self._largest + 1)
        place = file.tell()
        file.seek(piece.start)
        raw = file.read(length)
        file.seek(place)
        return raw, length == piece.end - piece.start

    def _message(self, raw: bytes) -> tuple[bytes, int, tuple[str, ...]]:
        """The message itself, its system flags and its keywords."""
        raw = self._quoted.sub(b"", raw)
        end = re.search(rb"\r?\n\r?\n", raw)
        header = raw if end is None else raw[: end.end()]
        system, keywords = 0, set()
        for match in _OWN.finditer(header):
            value = match[2].decode("utf-8", "replace")
            if match[1].lower() in (b"status", b"x-status"):
                system |= sum(int(_STATUS[letter]) for letter in set(value) & _STATUS.keys())
            elif match[1].lower() == b"x-keywords":
                keywords |= set(value.split())
        return with_crlf(_OWN.sub(b"", header) + raw[len(header) :]), system, tuple(sorted(keywords))


def _is_mbox(path: Path) -> bool:
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
            return file.read(5) == b"From "
    except OSError as error:
        raise refused(path, error) from error


def _is_a_note(octets: bytes) -> bool:
    """The first "message" of files of the University of Washington's programs, which says not to delete it."""
    return octets.startswith((b"Date: ", b"From: ")) and b"\r\nSubject: DON'T DELETE THIS MESSAGE" in octets[:1000]


def _pieces(file: BinaryIO) -> Iterator[tuple[bytes, _Piece]]:
    """The "From " line and the place of each message. Bounded memory whatever is in the file."""
    line_of, start = b"", -1
    blank, whole_line = True, True
    place = last_blank = blanks = 0
    for line in iter(lambda: file.readline(_LINE), b""):
        if blank and whole_line and line.startswith(b"From ") and (start < 0 or _FROM.match(line)):
            if start >= 0:
                yield line_of, _Piece(start, last_blank if blanks > 1 else place)
            line_of, start, blanks = line, place + len(line), 0
        blank = whole_line and line in (b"\n", b"\r\n")
        if blank:
            # The empty line before the next "From " belongs to the file, unless it is the end of the header.
            last_blank, blanks = place, blanks + 1
        whole_line = line.endswith(b"\n")
        place += len(line)
    if start >= 0:
        yield line_of, _Piece(start, last_blank if blank and blanks > 1 else place)


def _date(line: bytes) -> tuple[int | None, int]:
    """Time and zone of a "From " line; without a zone it is UTC (RFC 4155)."""
    match = _FROM.match(line)
    if match is None:
        return None, 0
    zone = match["after"] or match["before"] or b""
    minutes = 0
    if zone[:1] in (b"+", b"-"):
        minutes = (int(zone[1:3]) * 60 + int(zone[3:5])) * (-1 if zone[:1] == b"-" else 1)
    try:
        when = datetime(
            int(match["year"]),
            _MONTHS.index(match["month"]) + 1,
            int(match["day"]),
            int(match["hour"]),
            int(match["minute"]),
            int(match["second"] or 0),
            tzinfo=timezone(timedelta(minutes=minutes)),
        )
    except ValueError:
        return None, 0
    return max(0, min(int(when.timestamp()), int(time.time()) + 86400)), minutes
