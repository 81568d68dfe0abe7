"""Bodies of queued messages: one file each, on disk before a row names it.

A body is written under a temporary name, fsynced, renamed, and its folder fsynced; only then may the transaction with
its rows commit. So a crash leaves at most a file without a row, which the sweep removes, never a row without a file.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from message.content import Content, FileContent
from storage.database import disk_error

_TEMPORARY = ".tmp"


class BodyFolder:
    """One folder of body files with names of our own making. Safe from any thread and several processes."""

    def __init__(self, folder: Path) -> None:
        """``folder`` is made when missing, readable by its owner only."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder

    def write(self, content: Content) -> str:
        """Keep the octets durably; returns the body's name. Raises DiskFull, Unavailable."""
        name = secrets.token_hex(16)
        temporary = self._folder / (name + _TEMPORARY)
        try:
            try:
                self._write(temporary, content)
                os.rename(temporary, self._folder / name)
                self._sync_folder()
            except BaseException:
                for path in (temporary, self._folder / name):
                    path.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise disk_error(error) from error
        return name

    def content(self, name: str, size: int) -> FileContent:
        """The octets of a body; opening it raises FileNotFoundError when it is gone."""
        return FileContent(self._folder / name, size)

    def remove(self, name: str) -> None:
        """Forget a body. What can't be removed now is left to the sweep."""
        with contextlib.suppress(OSError):
            os.unlink(self._folder / name)

    def older_than(self, moment: float) -> Iterator[str]:
        """Names of files, finished or not, last written before ``moment`` (seconds since the epoch)."""
        with os.scandir(self._folder) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    if entry.is_file(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_mtime < moment:
                        yield entry.name

    @staticmethod
    def _write(path: Path, content: Content) -> None:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb", buffering=0) as file:
            for block in content.blocks():
                rest = memoryview(block)
                while rest:
                    rest = rest[file.write(rest) :]
            os.fsync(fd)

    def _sync_folder(self) -> None:
        fd = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
