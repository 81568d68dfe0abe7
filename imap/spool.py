"""Where the octets of an APPEND wait until the command is whole: in memory, big ones in a file."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

import structlog

from message.content import Content, FileContent, MemoryContent
from storage.errors import DiskFull, Unavailable

log = structlog.get_logger()

#: Octets held in memory; more goes to a file.
MEMORY = 1024 * 1024


class Spool:
    """A sink for a message literal; gives it as ``Content``. ``close`` removes the file."""

    def __init__(self, folder: Path | None = None, memory: int = MEMORY) -> None:
        """``folder`` is where messages above ``memory`` octets go; None means the machine's for temporary files."""
        self._folder = folder
        self._limit = memory
        self._memory = bytearray()
        self._file: int | None = None
        self._path = ""
        self._fault: OSError | None = None
        self.size = 0
        self.has_nul = False

    def write(self, octets: bytes) -> None:
        """Take octets. A disk that fails is remembered: the literal is read to its end, and ``content`` raises."""
        self.size += len(octets)
        self.has_nul = self.has_nul or b"\0" in octets
        if self._fault is None:
            try:
                self._keep(octets)
            except OSError as fault:
                log.error("imap.spool_failed", error=str(fault))
                self._fault = fault

    def _keep(self, octets: bytes) -> None:
        if self._file is None:
            self._memory += octets
            if len(self._memory) <= self._limit:
                return
            self._file, self._path = tempfile.mkstemp(prefix="append-", dir=self._folder)
            octets = bytes(self._memory)
            self._memory.clear()
        while octets:
            octets = octets[os.write(self._file, octets) :]

    def content(self) -> Content:
        """What was written, valid until ``close``. Raises DiskFull, Unavailable."""
        if self._fault is not None:
            full = self._fault.errno in (errno.ENOSPC, errno.EDQUOT)
            raise DiskFull("no room for the message") if full else Unavailable(str(self._fault))
        if self._file is None:
            return MemoryContent(bytes(self._memory))
        return FileContent(self._path, self.size)

    def close(self) -> None:
        self._memory.clear()
        if self._file is not None:
            os.close(self._file)
            os.unlink(self._path)
            self._file = None
