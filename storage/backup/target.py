"""Where backups are kept: names and octets, nothing else, so that other places than a folder can come."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from storage.database import disk_error
from storage.errors import Damaged, Unavailable


class Target(Protocol):
    """Blocking; raises storage.errors.Unavailable, DiskFull. A name is a path of letters, digits, ``/`` and ``.``."""

    def put(self, name: str, octets: bytes) -> None:
        """Keep octets under a name, all or nothing."""
        ...

    def settle(self) -> None:
        """All that was put is durable after this."""
        ...

    def get(self, name: str) -> bytes:
        """The octets. Raises Damaged when there are none."""
        ...

    def has(self, name: str) -> bool:
        """There is something under the name."""
        ...

    def names(self, folder: str) -> Iterator[str]:
        """All names that begin with ``folder/``."""
        ...

    def remove(self, name: str) -> None:
        """Forget what is under a name."""
        ...

    def turn(self) -> AbstractContextManager[None]:
        """Only one creates or prunes at a time. Raises Unavailable when another does."""
        ...


class FolderTarget:
    """A folder, on another disk or machine at best."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._unsettled: set[Path] = set()

    def put(self, name: str, octets: bytes) -> None:
        path = self._root / name
        fresh = path.with_name(f".new-{secrets.token_hex(8)}")
        try:
            if not path.parent.is_dir():
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._unsettled |= {path.parent.parent, self._root}
            with open(fresh, "xb") as file:
                os.fchmod(file.fileno(), 0o600)
                file.write(octets)
                file.flush()
                os.fsync(file.fileno())
            os.rename(fresh, path)
        except OSError as error:
            with contextlib.suppress(OSError):
                fresh.unlink()
            raise disk_error(error) from error
        self._unsettled.add(path.parent)

    def settle(self) -> None:
        try:
            for path in self._unsettled:
                fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                try:
                    os.fsync(fd)
                finally:
                    os.close(fd)
        except OSError as error:
            raise disk_error(error) from error
        self._unsettled.clear()

    def get(self, name: str) -> bytes:
        try:
            return (self._root / name).read_bytes()
        except FileNotFoundError:
            raise Damaged(f"{name} is missing in the backup") from None
        except OSError as error:
            raise disk_error(error) from error

    def has(self, name: str) -> bool:
        return (self._root / name).exists()

    def names(self, folder: str) -> Iterator[str]:
        for where, _, files in os.walk(self._root / folder):
            for file in files:
                if not file.startswith("."):
                    yield str((Path(where) / file).relative_to(self._root))

    def remove(self, name: str) -> None:
        try:
            (self._root / name).unlink(missing_ok=True)
        except OSError as error:
            raise disk_error(error) from error

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        try:
            self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
            fd = os.open(self._root / ".lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise disk_error(error) from error
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Unavailable(f"another backup works in {self._root}: try again when it is done") from None
            # What a kill left half written.
            for path in self._root.rglob(".new-*"):
                path.unlink(missing_ok=True)
            yield
        finally:
            os.close(fd)
