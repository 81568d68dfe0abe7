"""Where the octets of an APPEND wait until the command is whole: in memory, big ones in a file."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from message.content import Content, FileContent, MemoryContent

#: Octets held in memory; more goes to a file.
MEMORY = 1024 * 1024


class Spool:
    """A sink for a message literal; gives it as ``Content``. ``close`` removes the file.

    ``write`` never raises: the octets of a literal come whether there is room for them or not, and the command is to be
    answered after them. What was wrong is kept in ``failure``, and ``content`` may not be asked for then.
    """

    def __init__(self, folder: Path | None = None, memory: int = MEMORY) -> None:
        """``folder`` is where messages above ``memory`` octets go; None means the machine's for temporary files."""
        self._folder = folder
        self._limit = memory
        self._memory = bytearray()
        self._file: int | None = None
        self._path = ""
        self.size = 0
        self.has_nul = False
        self.failure: OSError | None = None

    def write(self, octets: bytes) -> None:
        self.size += len(octets)
        self.has_nul = self.has_nul or b"\0" in octets
        if self.failure is not None:
            return
        try:
            self._keep(octets)
        except OSError as error:
            self.close()
            self.failure = error

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
        """What was written, valid until ``close``."""
        if self._file is None:
            return MemoryContent(bytes(self._memory))
        return FileContent(self._path, self.size)

    def close(self) -> None:
        self._memory.clear()
        if self._file is not None:
            os.close(self._file)
            os.unlink(self._path)
            self._file = None
