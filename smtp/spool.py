"""Where a message is gathered while it arrives: in memory, or, above a size, in a file of the data folder.

Writing to the file blocks and is done by a worker thread (``spill``), never by the event loop. Octets that are
refused are counted and dropped, so that a message of any size is drained in bounded memory.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

from message.content import Content, FileContent, MemoryContent
from smtp.wire.data import LineEnds
from smtp.wire.reply import Reply

PIECE = 1024 * 1024
STALE = 24 * 3600.0

TOO_BIG = Reply(552, "5.3.4", "Message too big")
BARE_LINE_END = Reply(550, "5.5.2", "A bare CR or LF is not allowed in a message: lines end in CR LF")
NUL = Reply(550, "5.6.0", "A NUL octet is not allowed in a message")
HEADER_TOO_BIG = Reply(552, "5.3.4", "Message header too big")
LOOP = Reply(554, "5.4.6", "Too many Received fields: this message goes in circles")


class Spool:
    """One message on its way in. ``limit`` is its largest size, ``memory`` the size up to which it stays in memory."""

    def __init__(self, folder: Path, name: str, *, limit: int, memory: int) -> None:
        self._path = folder / name
        self._limit = limit
        self._memory = memory
        self._octets = bytearray()
        self._last = b""
        self._fd: int | None = None
        self._spilled = 0
        self._line_ends = LineEnds()
        self.size = 0
        """Octets taken so far, refused ones included."""
        self.failure: OSError | None = None
        """Why the file could not be written, if so: the rest of the message is drained, then it is put off."""

    def take(self, raw: bytes, plain: bytes) -> None:
        """The next octets as sent, and without dot-stuffing. Never blocks."""
        self._line_ends.feed(raw)
        self.size += len(plain)
        if self.refused:
            self._octets.clear()
        elif plain:
            self._octets += plain
            self._last = (self._last + plain[-2:])[-2:]

    @property
    def refused(self) -> bool:
        """True once nothing of this message will be kept."""
        return self.size > self._limit or self._line_ends.bare or self._line_ends.nul or self.failure is not None

    @property
    def wants_spill(self) -> bool:
        """True when ``spill`` is to be called before more is taken."""
        return len(self._octets) > (self._memory if self._fd is None else PIECE)

    def spill(self) -> None:
        """Write what is in memory to the file. Blocks. A failure is noted, not raised."""
        try:
            if self._fd is None:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
                self._fd = os.open(self._path, flags, 0o600)
            octets = bytes(self._octets)
            while octets:
                written = os.write(self._fd, octets)
                self._spilled += written
                octets = octets[written:]
        except OSError as error:
            self.failure = error
        self._octets.clear()

    @property
    def in_file(self) -> bool:
        """True when ``finish`` and ``discard`` block."""
        return self._fd is not None

    def end(self) -> Reply | None:
        """No octets follow: the last word on the message's form and size."""
        self._line_ends.end()
        return self.refusal()

    def refusal(self) -> Reply | None:
        """The reply when the message is refused for its form or size."""
        if self._line_ends.bare:
            return BARE_LINE_END
        if self._line_ends.nul:
            return NUL
        if self.size > self._limit:
            return TOO_BIG
        return None

    def finish(self) -> Content:
        """The message; its last line has its CR LF even when the last chunk of BDAT had none. Raises OSError."""
        if self.size and self._last != b"\r\n":
            self._octets += b"\r\n"
        if self._fd is None:
            return MemoryContent(bytes(self._octets))
        self.spill()
        if self.failure is not None:
            raise self.failure
        return FileContent(self._path, self._spilled)

    def discard(self) -> None:
        """Give back memory and file. May be called more than once."""
        self._octets.clear()
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
            self._path.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Make the folder of spool files, and remove those that a crash left behind a day ago or longer. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    limit = time.time() - STALE
    for entry in os.scandir(folder):
        if entry.is_file(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_mtime < limit:
            Path(entry.path).unlink(missing_ok=True)


_HEADER_END = re.compile(rb"\r\n\r\n")


def header_refusal(content: Content, *, size: int, received: int) -> Reply | None:
    """The reply to a header of more than ``size`` octets or with ``received`` Received fields (RFC 5321 section 6.3).

    Maps a file; call it in a worker thread.
    """
    buffer = content.buffer()
    if buffer[:2] == b"\r\n":
        return None
    found = _HEADER_END.search(buffer, 0, min(len(buffer), size + 4))
    end = found.start() + 2 if found else len(buffer)
    if end > size:
        return HEADER_TOO_BIG
    header = b"\n" + buffer[:end].lower()
    if header.count(b"\nreceived:") >= received:
        return LOOP
    return None
