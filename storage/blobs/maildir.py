"""Bodies in a Maildir++ tree that Dovecot, mutt and rsync understand.

``ROOT/ab/KEY/cur`` is the INBOX of an account, ``ROOT/ab/KEY/.Folder/cur`` another mailbox. A file's name is
``UNIQUE,S=SIZE:2,FLAGS`` (cr.yp.to/proto/maildir.html; S= is Dovecot's and Courier's), a pure function of the row.
Staged files stand in ``ROOT/staging`` on the same file system and become visible by a hard link.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import glob
import hashlib
import itertools
import os
import re
import secrets
import shutil
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from io import FileIO
from pathlib import Path

import structlog

from message.content import BIG, BLOCK, Buffer, Content, FileContent, MemoryContent, read_at
from storage.blobs.api import Body, BodyName, Place, Series, Staged
from storage.database import disk_error
from storage.errors import Damaged, Unreadable
from storage.model import System
from storage.names import account_folder, account_key, attic, unfolded

log = structlog.get_logger()

#: Files that are made durable at the same time.
_SYNCS = 8

#: How often a body is looked for that is not where it belongs.
_LOOKS = 5

_LETTERS = (
    (System.DRAFT, "D"),
    (System.FLAGGED, "F"),
    (System.ANSWERED, "R"),
    (System.SEEN, "S"),
    (System.DELETED, "T"),
)

#: The last date that every file system can keep.
_LATEST = 2**32 - 1

#: File with the mailbox name of a folder whose own can't hold it.
_LABEL = "mailbox-name"

#: Where a repair sets aside what it can't make right, in the order of the tree itself.
_QUARANTINE = "quarantine"

_SPREAD = re.compile(r"[0-9a-f]{2}")
FILE_NAME = re.compile(r"(?P<blob>[^,:/]+),S=(?P<size>\d+):2,(?P<flags>[A-Za-z]*)")


@functools.cache
def suffixes(system: int) -> tuple[str, ...]:
    """What a name may end with: with these system flags, then with others, the fewer of them differ the earlier."""
    known = [flag for flag, _ in _LETTERS]
    every = (sum(some) for count in range(len(known) + 1) for some in itertools.combinations(known, count))
    return tuple(map(flag_letters, sorted(every, key=lambda other: (other ^ system).bit_count())))


@functools.cache
def flag_letters(system: int) -> str:
    """System flags as Maildir letters in ASCII order."""
    return "".join(letter for flag, letter in _LETTERS if system & flag)


def flags_of(letters: str) -> int:
    """System flags of Maildir letters; unknown ones are passed over."""
    return sum(int(flag) for flag, letter in _LETTERS if letter in letters)


def file_name(name: BodyName) -> str:
    """``UNIQUE,S=SIZE:2,FLAGS``."""
    return f"{name.blob},S={name.size}:2,{flag_letters(name.system)}"


class Maildir:
    """The body store on a file system that has hard links."""

    def __init__(self, root: Path, host: str = "localhost") -> None:
        """``root`` is the mail tree; ``host`` goes into unique names."""
        self._root = os.fspath(root)
        self._staging = os.path.join(self._root, "staging")
        self._host = re.sub(r"[^A-Za-z0-9.-]", "_", host)[:40]
        self._boot = secrets.token_hex(3)
        self._count = 0
        self._lock = threading.Lock()
        self._syncing = ThreadPoolExecutor(_SYNCS, "fsync")
        os.makedirs(self._staging, mode=0o700, exist_ok=True)

    # ---------------------------------------------------------------- names

    def new_name(self) -> str:
        return self.new_names(1).name(0)

    def new_names(self, count: int) -> Series:
        now = time.time()
        with self._lock:
            first = self._count
            self._count += count
        head = f"{int(now)}.M{int(now % 1 * 1e6)}P{os.getpid()}R{self._boot}Q"
        return Series(head, first, f".{self._host}")

    def _home(self, account: str) -> str:
        return os.path.join(self._root, account_folder(account))

    def _cur(self, place: Place) -> str:
        return _cur(self._root, place.account, place.folder)

    def _retired(self, place: Place) -> str:
        """Where expunged bodies wait: no reader of Maildirs looks there."""
        return os.path.join(self._home(place.account), place.folder, "expunged")

    def _path(self, place: Place, name: BodyName) -> str:
        return f"{self._cur(place)}/{file_name(name)}"

    # ---------------------------------------------------------------- in

    def stage(self, content: Content, date: int) -> Staged:
        return self.stage_all([(content, date)])[0]

    def stage_all(
        self, contents: Sequence[tuple[Content, int]], meanwhile: Callable[[], object] | None = None
    ) -> list[Staged]:
        files: list[int] = []
        staged: list[Staged] = []
        try:
            try:
                for content, date in contents:
                    path = os.path.join(self._staging, self.new_name())
                    files.append(
                        os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
                    )
                    staged.append(Staged(path, 0, b""))
                    staged[-1] = _write(files[-1], path, content, date)
                self._sync_files(files, meanwhile)
            finally:
                for file in files:
                    os.close(file)
        except BaseException as error:
            for one in staged:
                self.discard(one)
            if isinstance(error, OSError):
                raise disk_error(error) from error
            raise
        return staged

    def _sync_files(self, files: Sequence[int], meanwhile: Callable[[], object] | None) -> None:
        """Make files durable; several at the same time, which a file system does in few writes of its journal.

        An error means that the octets may be gone: never tried again (a second fsync would say yes).
        """
        if len(files) == 1 and meanwhile is None:
            os.fsync(files[0])
            return
        synced = [self._syncing.submit(os.fsync, file) for file in files]
        try:
            if meanwhile is not None:
                meanwhile()
        finally:
            wait(synced)
        for one in synced:
            one.result()

    def discard(self, staged: Staged) -> None:
        with contextlib.suppress(OSError):
            os.unlink(staged.token)

    def put(self, staged: Staged, place: Place, name: BodyName) -> None:
        self._into(place, lambda target: os.link(staged.token, target, follow_symlinks=False), name)

    def copy(self, source: Place, name: BodyName, target: Place, new: BodyName) -> None:
        def link(path: str) -> None:
            for found in self._paths(source, name):
                try:
                    os.link(found, path, follow_symlinks=False)
                    return
                except FileNotFoundError:
                    if not os.path.isdir(os.path.dirname(path)):
                        raise
            raise Damaged(f"the body {name.blob} is missing")

        self._into(target, link, new)

    def copy_all(self, source: Place, target: Place, names: Sequence[tuple[BodyName, BodyName]]) -> None:
        here, there = self._cur(source), self._cur(target)
        for name, new in names:
            try:
                os.link(f"{here}/{file_name(name)}", f"{there}/{file_name(new)}")
            except OSError:
                # It has another name still, or the folder is not there: the long way finds out.
                self.copy(source, name, target, new)

    def _into(self, place: Place, step: Callable[[str], object], name: BodyName) -> None:
        path = self._path(place, name)
        try:
            try:
                step(path)
            except FileNotFoundError:
                self._make(place)
                step(path)
        except OSError as error:
            raise disk_error(error) from error

    def _make(self, place: Place) -> None:
        """Make the folder; each new directory entry is durable before anything stands in it."""
        folder = os.path.join(self._home(place.account), place.folder)
        for path in _chain(self._root, folder):
            with contextlib.suppress(FileExistsError):
                os.mkdir(path, 0o700)
                _sync_directory(os.path.dirname(path))
        for sub in ("tmp", "new", "cur"):
            with contextlib.suppress(FileExistsError):
                os.mkdir(os.path.join(folder, sub), 0o700)
        # Also for those that somebody else made just now, and may not have synced yet.
        _sync_directory(folder)
        if place.folder:
            with open(os.path.join(folder, "maildirfolder"), "ab"):
                pass

    def sync(self, places: Iterable[Place]) -> None:
        try:
            paths = {self._cur(place) for place in places}
            if len(paths) == 1:
                _sync_directory(paths.pop())
            else:
                self._sync_directories(paths)
        except OSError as error:
            raise disk_error(error) from error

    def _sync_directories(self, paths: Iterable[str]) -> None:
        """Like ``_sync_files``: a message to a whole school changes thousands of folders."""
        synced = [self._syncing.submit(_sync_directory, path) for path in paths]
        wait(synced)
        for one in synced:
            one.result()

    # ---------------------------------------------------------------- out

    def open(self, place: Place, name: BodyName) -> Content:
        for path in self._paths(place, name):
            try:
                content = self._opened(path)
                break
            except FileNotFoundError:
                continue
            except OSError as error:
                raise Unreadable(f"the disk does not give {path}: {error}") from error
        else:
            raise Damaged(f"the body {name.blob} is missing")
        if content.size != name.size:
            content.close()
            raise Damaged(f"the body {name.blob} has {content.size} octets instead of {name.size}")
        return content

    def _opened(self, path: str) -> Content:
        """Content that no later rename of its file can hurt: small ones are read at once, others held open."""
        # O_NOFOLLOW: a symbolic link in the tree is never ours.
        file = open(path, "rb", buffering=0, opener=lambda path, flags: os.open(path, flags | os.O_NOFOLLOW))  # noqa: SIM115
        try:
            size = os.fstat(file.fileno()).st_size
            if size >= BIG:
                return _HeldOpen(file, size)
            octets = read_at(file.fileno(), 0, size)
        except OSError:
            file.close()
            raise
        file.close()
        return MemoryContent(bytes(octets))

    def _paths(self, place: Place, name: BodyName) -> Iterator[str]:
        """Where a body may be: where it belongs, then where it is seen. Whoever changes its flags renames it, at any
        moment, so that it is looked for more than once."""
        yield self._path(place, name)
        for _ in range(_LOOKS):
            found = self._find(place, name)
            if found is not None:
                yield found

    def _find(self, place: Place, name: BodyName) -> str | None:
        """A body whose name shows older flags, or one that was expunged."""
        start = f"{name.blob},S="
        folders = (self._cur(place), self._retired(place))
        for folder in folders:
            for letters in suffixes(name.system):
                if os.path.exists(path := f"{folder}/{start}{name.size}:2,{letters}"):
                    return path
        # Under none of the names that we give: a folder may have a million others.
        for folder in folders:
            with contextlib.suppress(OSError):
                for entry in os.listdir(folder):
                    if entry.startswith(start):
                        return os.path.join(folder, entry)
        return None

    # ---------------------------------------------------------------- change

    def reflag(self, place: Place, name: BodyName) -> None:
        path = self._path(place, name)
        try:
            if not os.path.exists(path):
                found = self._find(place, name)
                if found is not None and found.startswith(self._cur(place)):
                    os.rename(found, path)
        except OSError as error:
            # The row is right, and the body is found under its older name.
            raise disk_error(error) from error

    def retire(self, place: Place, name: BodyName) -> None:
        source, folder = self._path(place, name), self._retired(place)
        try:
            try:
                os.rename(source, f"{folder}/{file_name(name)}")
            except FileNotFoundError:
                found = source if os.path.exists(source) else self._find(place, name)
                if found is None or found.startswith(folder):
                    return
                os.makedirs(folder, mode=0o700, exist_ok=True)
                os.rename(found, f"{folder}/{file_name(name)}")
        except OSError as error:
            raise disk_error(error) from error

    def remove(self, place: Place, name: BodyName) -> None:
        try:
            os.unlink(self._path(place, name))
        except FileNotFoundError:
            found = self._find(place, name)
            if found is not None:
                with contextlib.suppress(OSError):
                    os.unlink(found)
        except OSError as error:
            raise disk_error(error) from error

    def move(self, source: Place, name: BodyName, target: Place) -> None:
        def rename(path: str) -> None:
            found = self._path(source, name)
            if not os.path.exists(found):
                found = self._find(source, name) or ""
            if found:
                os.rename(found, path)

        self._into(target, rename, name)

    def make_folder(self, place: Place, name: str) -> None:
        try:
            if not os.path.isdir(self._cur(place)):
                self._make(place)
            if unfolded(place.folder) is None and self.label(place) != name:
                path = os.path.join(self._home(place.account), place.folder, _LABEL)
                with open(path + ".new", "w", encoding="utf-8") as file:
                    file.write(name)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(path + ".new", path)
                _sync_directory(os.path.dirname(path))
        except OSError as error:
            raise disk_error(error) from error

    def label(self, place: Place) -> str | None:
        try:
            with open(os.path.join(self._home(place.account), place.folder, _LABEL), encoding="utf-8") as file:
                return file.read()
        except (FileNotFoundError, UnicodeDecodeError):
            return None
        except OSError as error:
            raise disk_error(error) from error

    def rename_folder(self, account: str, old: str, new: str) -> None:
        home = self._home(account)
        source, target = os.path.join(home, old), os.path.join(home, new)
        try:
            if os.path.isdir(source):
                for path in _chain(self._root, os.path.dirname(target)):
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(path, 0o700)
            try:
                os.rename(source, target)
            except FileNotFoundError:
                return
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                self._merge(source, target)
            _sync_directory(home)
        except OSError as error:
            raise disk_error(error) from error

    def _merge(self, source: str, target: str) -> None:
        """Mail came under a folder's new name before it was renamed on disk."""
        for part in ("cur", "expunged"):
            if os.path.isdir(os.path.join(source, part)):
                os.makedirs(os.path.join(target, part), mode=0o700, exist_ok=True)
                for entry in os.listdir(os.path.join(source, part)):
                    os.rename(os.path.join(source, part, entry), os.path.join(target, part, entry))
                _sync_directory(os.path.join(target, part))
        aside = os.path.join(self._staging, "removed-" + secrets.token_hex(8))
        os.rename(source, aside)
        shutil.rmtree(aside, ignore_errors=True)

    def remove_folder(self, account: str, folder: str) -> None:
        assert folder, "INBOX is never removed"
        source = os.path.join(self._home(account), folder)
        aside = os.path.join(self._staging, "removed-" + secrets.token_hex(8))
        try:
            os.rename(source, aside)
        except FileNotFoundError:
            return
        except OSError as error:
            raise disk_error(error) from error
        shutil.rmtree(aside, ignore_errors=True)

    def forget_account(self, account: str) -> None:
        aside = os.path.join(self._root, _QUARANTINE, account_folder(account))
        # What a crash leaves of them stays where the next run looks.
        for path in (aside, *glob.glob(f"{glob.escape(aside)}.*"), self._home(account)):
            try:
                shutil.rmtree(path)
                _sync_directory(os.path.dirname(path))
            except FileNotFoundError:
                continue
            except OSError as error:
                raise disk_error(error) from error

    # ---------------------------------------------------------------- sweep

    def sweep_staging(self, older_than: float) -> int:
        """Unlink staged files last changed before ``older_than`` (seconds since the epoch); returns how many."""
        count = 0
        for entry in os.scandir(self._staging):
            with contextlib.suppress(OSError):
                if entry.stat(follow_symlinks=False).st_ctime < older_than:
                    if entry.is_dir(follow_symlinks=False):
                        shutil.rmtree(entry.path, ignore_errors=True)
                    else:
                        os.unlink(entry.path)
                    count += 1
        return count

    def bodies(self, place: Place, *, retired: bool = False) -> Iterator[Body]:
        try:
            entries = os.scandir(self._retired(place) if retired else self._cur(place))
        except FileNotFoundError:
            return
        except OSError as error:
            raise disk_error(error) from error
        with entries:
            for entry in entries:
                match = FILE_NAME.fullmatch(entry.name)
                if match is None:
                    continue
                # One that was renamed or removed since the folder was opened.
                with contextlib.suppress(FileNotFoundError):
                    facts = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(facts.st_mode):
                        name = BodyName(match["blob"], int(match["size"]), flags_of(match["flags"]))
                        yield Body(name, facts.st_ctime, int(facts.st_mtime))

    def digest(self, place: Place, name: BodyName) -> bytes:
        path = self._path(place, name)
        if not os.path.exists(path):
            path = self._find(place, name) or path
        digest = hashlib.sha256()
        size = 0
        try:
            # Read, not mapped: what the disk fails to give is an error then, not a signal.
            for block in FileContent(path).blocks():
                digest.update(block)
                size += len(block)
        except FileNotFoundError:
            raise Damaged(f"the body {name.blob} is missing") from None
        except OSError as error:
            raise disk_error(error) from error
        if size != name.size:
            raise Damaged(f"the body {name.blob} has {size} octets instead of {name.size}")
        return digest.digest()

    # ---------------------------------------------------------------- the tree

    def folders(self, account: str) -> list[str]:
        try:
            entries = os.listdir(self._home(account))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise disk_error(error) from error
        inner = [one for one in entries if one.startswith(".") and os.path.isdir(f"{self._home(account)}/{one}")]
        return [*([""] if "cur" in entries else []), *sorted(inner)]

    def attics(self, account: str) -> list[str]:
        top = os.path.dirname(attic(0))
        try:
            return [f"{top}/{entry}" for entry in sorted(os.listdir(os.path.join(self._home(account), top)))]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise disk_error(error) from error

    def accounts(self) -> Iterator[str]:
        try:
            for spread in sorted(os.listdir(self._root)):
                if _SPREAD.fullmatch(spread):
                    for entry in sorted(os.listdir(os.path.join(self._root, spread))):
                        key = account_key(entry)
                        if account_folder(key) == f"{spread}/{entry}":
                            yield key
        except OSError as error:
            raise disk_error(error) from error

    def set_aside(self, place: Place, name: BodyName | None) -> str:
        source = os.path.join(self._home(place.account), place.folder).rstrip("/")
        if name is not None:
            found = self._path(place, name)
            source = found if os.path.exists(found) else self._find(place, name) or found
        target = os.path.join(self._root, _QUARANTINE, os.path.relpath(source, self._root))
        try:
            os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
            if os.path.exists(target):
                target += "." + secrets.token_hex(4)
            os.rename(source, target)
            _sync_directory(os.path.dirname(target))
            _sync_directory(os.path.dirname(source))
        except FileNotFoundError:
            raise Damaged(f"{os.path.basename(source)} is missing") from None
        except OSError as error:
            raise disk_error(error) from error
        return target


class _HeldOpen:
    """The octets of an open body, read when they are asked for. Raises Unreadable where the disk fails."""

    __slots__ = ("_buffer", "_file", "_size")

    def __init__(self, file: FileIO, size: int) -> None:
        self._file = file
        self._size = size
        self._buffer: Buffer | None = None

    @property
    def size(self) -> int:
        return self._size

    def buffer(self) -> Buffer:
        if self._buffer is None:
            self._buffer = self.cut(0, self._size)
        return self._buffer

    def cut(self, start: int, end: int) -> Buffer:
        if self._buffer is not None:
            return self._buffer[start:end]
        try:
            return read_at(self._file.fileno(), start, end)
        except OSError as error:
            raise Unreadable(f"the disk does not give {self._file.name}: {error}") from error

    def blocks(self) -> Iterator[bytes]:
        for start in range(0, self._size, BLOCK):
            yield bytes(self.cut(start, min(start + BLOCK, self._size)))

    def close(self) -> None:
        # A buffer that another thread still searches goes with its last user.
        self._buffer = None
        self._file.close()


@functools.lru_cache(maxsize=10_000)
def _cur(root: str, account: str, folder: str) -> str:
    """Where bodies stand; a command may ask for a thousand of one folder."""
    return os.path.join(root, account_folder(account), folder, "cur")


def _chain(root: str, folder: str) -> list[str]:
    """Directories from below ``root`` down to ``folder``."""
    steps = os.path.relpath(folder, root).split(os.sep)
    return [os.path.join(root, *steps[: n + 1]) for n in range(len(steps))]


def _write(file: int, path: str, content: Content, date: int) -> Staged:
    """Write octets to an open file, with their message's date."""
    digest = hashlib.sha256()
    size = 0
    for block in content.blocks():
        digest.update(block)
        size += len(block)
        rest = memoryview(block)
        while rest:
            rest = rest[os.write(file, rest) :]
    # What Dovecot shows as INTERNALDATE, and ``store rebuild`` reads.
    os.utime(file, (max(0, min(date, _LATEST)),) * 2)
    return Staged(path, size, digest.digest())


def _sync_directory(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
