"""A Maildir or Maildir++ tree as a source, as Dovecot and Courier keep them on disk.

Read are flags of file names, Dovecot's keywords (``dovecot-keywords``), the order of ``dovecot-uidlist``,
subscriptions of both, and Dovecot's ``dovecot-acl``. A file's time is the date of its message. Folders are
``.Name.Below`` (Maildir++), or plain folders within each other. Nothing is changed, symbolic links are not followed.
"""

from __future__ import annotations

import os
import re
import stat
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from imap.wire import mutf7
from imap.wire.errors import BadName
from storage.model import System
from storage.zone import local_zone
from transfer.source import (
    Listing,
    SourceFolder,
    SourceMessage,
    SourceRefused,
    Unreadable,
    refused,
    side_file,
    with_crlf,
)

_FLAGS = {
    "S": System.SEEN,
    "R": System.ANSWERED,
    "F": System.FLAGGED,
    "T": System.DELETED,
    "D": System.DRAFT,
}

#: What the letter P of "passed" is in IMAP.
_FORWARDED = "$Forwarded"
_GZIP = b"\x1f\x8b\x08"
_UIDLIST = re.compile(rb"(\d+) [^:]*:(.+)")
_ESCAPED = re.compile(r"\\([0-9a-f]{2})")

#: Rights of ``dovecot-acl`` by their names; letters may be given too.
_RIGHTS = {
    "lookup": "l",
    "read": "r",
    "write": "w",
    "write-seen": "s",
    "write-deleted": "t",
    "insert": "i",
    "post": "p",
    "expunge": "e",
    "create": "k",
    "delete": "x",
    "admin": "a",
}


class MaildirSource:
    """See the module."""

    def __init__(self, root: Path, largest: int) -> None:
        """``largest`` is how many octets of a message are read at most. Raises SourceRefused."""
        self._root = root.resolve()
        self._largest = largest
        self._files: dict[str, Path] = {}
        if not _has_mail(self._root) and not any(self._below(self._root, ())):
            raise SourceRefused(f"{root} has no folder cur: it is no Maildir")

    @property
    def name(self) -> str:
        return f"maildir:{self._root}"

    def close(self) -> None:
        return None

    # ---------------------------------------------------------------- folders

    def folders(self) -> list[SourceFolder]:
        subscribed = self._subscribed()
        found = [SourceFolder("", ("INBOX",), subscribed=True)] if _has_mail(self._root) else []
        for path, levels in self._below(self._root, ()):
            found.append(
                SourceFolder(
                    os.fsencode(path.relative_to(self._root)).decode("latin-1"), levels, None, levels in subscribed
                )
            )
        return found

    def _below(self, folder: Path, above: tuple[str, ...]) -> Iterator[tuple[Path, tuple[str, ...]]]:
        try:
            with os.scandir(folder) as entries:
                names = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
        except OSError as error:
            raise refused(folder, error) from error
        for name in names:
            path = folder / name
            if name in ("cur", "new", "tmp"):
                continue
            if name.startswith("."):
                # Maildir++ keeps all folders at the top, with their levels in the name.
                levels = tuple(map(_level, name[1:].split("."))) if not above else ()
            else:
                levels = (*above, _level(name))
            if levels and all(levels) and _has_mail(path):
                yield path, levels
            if not name.startswith("."):
                yield from self._below(path, levels)

    def _subscribed(self) -> set[tuple[str, ...]]:
        found: set[tuple[str, ...]] = set()
        for name in ("subscriptions", "courierimapsubscribed"):
            lines = side_file(self._root / name).decode("utf-8", "replace").splitlines()
            tabs = bool(lines) and lines[0].startswith("V\t")
            for line in lines[1:] if tabs else lines:
                levels = line.split("\t") if tabs else line.replace("/", ".").split(".")
                if levels[0].upper() == "INBOX" and len(levels) > 1:
                    levels = levels[1:]
                found.add(tuple(map(_level, levels)))
        return found

    def _path(self, folder: SourceFolder) -> Path:
        return self._root / os.fsdecode(folder.id.encode("latin-1"))

    # ---------------------------------------------------------------- messages

    def listing(self, folder: SourceFolder) -> Listing:
        path = self._path(folder)
        keywords = _keywords(path)
        order = _order(path)
        found: list[tuple[tuple[int, int, str], SourceMessage]] = []
        self._files = {}
        for part in ("new", "cur"):
            try:
                with os.scandir(path / part) as entries:
                    files = [
                        (entry.name, entry.stat(follow_symlinks=False), entry.path)
                        for entry in entries
                        if entry.is_file(follow_symlinks=False) and not entry.name.startswith(".")
                    ]
            except FileNotFoundError:
                continue
            except OSError as error:
                raise Unreadable(f"{path / part} can't be read: {error.strerror}") from error
            for name, found_stat, where in files:
                base, _, info = os.fsencode(name).decode("latin-1").partition(":2,")
                key = base.partition(",")[0]
                system = sum(int(_FLAGS[letter]) for letter in set(info) & _FLAGS.keys())
                words = {keywords[letter] for letter in info if letter in keywords} | (
                    {_FORWARDED} if "P" in info else set()
                )
                size = re.search(r",W=(\d+)", base)
                date = int(found_stat.st_mtime)
                if key in self._files:
                    continue
                self._files[key] = Path(where)
                one = SourceMessage(
                    key, system, tuple(sorted(words)), int(size[1]) if size else None, date, local_zone(date)
                )
                found.append(((order.get(key, 2**63), date, key), one))
        return Listing(0, [one for _, one in sorted(found)])

    def octets(
        self, folder: SourceFolder, messages: Sequence[SourceMessage]
    ) -> Iterator[tuple[SourceMessage, bytes | Unreadable]]:
        for one in messages:
            try:
                yield one, self._read(folder, one)
            except OSError as error:
                yield one, Unreadable(f"the file can't be read: {error.strerror}")
            except Unreadable as error:
                yield one, error

    def _read(self, folder: SourceFolder, one: SourceMessage) -> bytes:
        for _ in range(2):
            path = self._files.get(one.key)
            if path is not None:
                try:
                    return with_crlf(self._open(path))
                except FileNotFoundError:
                    pass
            # Somebody marked it meanwhile, and so gave its file another name.
            self.listing(folder)
        raise Unreadable("it went away meanwhile")

    def _open(self, path: Path) -> bytes:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
            octets = file.read(self._largest + 1)
        if octets.startswith(_GZIP):
            # Dovecot's zlib plug-in; no message begins so.
            unpacking = zlib.decompressobj(31)
            try:
                octets = unpacking.decompress(octets, self._largest + 1)
            except zlib.error as error:
                raise Unreadable(f"the file is packed and damaged: {error}") from error
        return octets

    # ---------------------------------------------------------------- rights

    def grants(self, folder: SourceFolder) -> Mapping[str, str]:
        text = side_file(self._path(folder) / "dovecot-acl").decode("utf-8", "replace")
        found: dict[str, str] = {}
        for line in text.splitlines():
            words = line.split()
            if len(words) < 2 or words[0].startswith("#"):
                continue
            who = words[0].strip('"')
            sign, who = ("-", who[1:]) if who.startswith("-") else ("", who)
            rights = "".join(_RIGHTS.get(word.lstrip(":"), word.lstrip(":")) for word in words[1:])
            name = who.removeprefix("user=").replace("group=", "group:")
            if who != "owner":
                found[sign + ("anyone" if name == "authenticated" else name)] = rights
        return found


def _has_mail(folder: Path) -> bool:
    """Whether a folder is a Maildir. Raises SourceRefused."""
    try:
        return stat.S_ISDIR((folder / "cur").stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise refused(folder, error) from error


def _level(name: str) -> str:
    """A level of a folder's name: modified UTF-7 or UTF-8, with the escapes of Dovecot's listescape plug-in."""
    raw = os.fsencode(name)
    try:
        text = mutf7.decode(raw)
    except BadName:
        text = raw.decode("utf-8", "replace")
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text)


def _keywords(path: Path) -> dict[str, str]:
    """Keywords of a folder by the letters that stand for them in file names."""
    lines = side_file(path / "dovecot-keywords").decode("utf-8", "replace").splitlines()
    found: dict[str, str] = {}
    for line in lines:
        number, _, keyword = line.partition(" ")
        if number.isdigit() and int(number) < 26 and keyword:
            found[chr(ord("a") + int(number))] = keyword
    return found


def _order(path: Path) -> dict[str, int]:
    """UIDs by unique name, as Dovecot gave them."""
    lines = side_file(path / "dovecot-uidlist").splitlines()[1:]
    found: dict[str, int] = {}
    for line in lines:
        match = _UIDLIST.match(line)
        if match:
            found[match[2].decode("latin-1").partition(":2,")[0].partition(",")[0]] = int(match[1])
    return found
