"""The octets of one message, wherever they are: in memory, in a spool file, or in the store.

All parsers of this room take the buffer of a ``Content``: ``bytes`` or a read-only ``mmap``, both of which support
slicing, ``find`` and regular expressions without a copy of the whole.
"""

from __future__ import annotations

import contextlib
import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

Buffer = bytes | mmap.mmap

BLOCK = 256 * 1024


class Content(Protocol):
    """Immutable message octets with CRLF line ends, exactly as they are kept."""

    @property
    def size(self) -> int:
        """Number of octets."""
        ...

    def buffer(self) -> Buffer:
        """All octets; a map of the file for big ones. Valid until ``close``."""
        ...

    def blocks(self) -> Iterator[bytes]:
        """The octets in order, in blocks of at most ``BLOCK``."""
        ...

    def close(self) -> None:
        """Give back what ``buffer`` opened. The content may be opened again."""
        ...


class MemoryContent:
    """Content held as one ``bytes`` object."""

    __slots__ = ("_octets",)

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    @property
    def size(self) -> int:
        return len(self._octets)

    def buffer(self) -> bytes:
        return self._octets

    def blocks(self) -> Iterator[bytes]:
        for start in range(0, len(self._octets), BLOCK):
            yield self._octets[start : start + BLOCK]

    def close(self) -> None:
        return None


class FileContent:
    """Content held in a regular file (spool or blob). Small files are read, big ones mapped."""

    __slots__ = ("_buffer", "_size", "path")

    MAP_FROM = 64 * 1024

    def __init__(self, path: Path | str, size: int | None = None) -> None:
        self.path = os.fspath(path)
        self._size = os.stat(self.path).st_size if size is None else size
        self._buffer: Buffer | None = None

    @property
    def size(self) -> int:
        return self._size

    def _open(self) -> int:
        # O_NOFOLLOW: a symbolic link in the tree is never ours (checklist section 7).
        return os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)

    def buffer(self) -> Buffer:
        if self._buffer is None:
            fd = self._open()
            try:
                if self._size >= self.MAP_FROM:
                    self._buffer = mmap.mmap(fd, self._size, access=mmap.ACCESS_READ)
                else:
                    self._buffer = b"".join(iter(lambda: os.read(fd, self.MAP_FROM), b""))
            finally:
                os.close(fd)
        return self._buffer

    def blocks(self) -> Iterator[bytes]:
        if self._buffer is not None:
            for start in range(0, self._size, BLOCK):
                yield self._buffer[start : start + BLOCK]
            return
        fd = self._open()
        with os.fdopen(fd, "rb") as file:
            while block := file.read(BLOCK):
                yield block

    def close(self) -> None:
        if isinstance(self._buffer, mmap.mmap):
            # A search that another thread still runs over the map holds it; it goes with its last user then.
            with contextlib.suppress(BufferError):
                self._buffer.close()
        self._buffer = None


class PrefixedContent:
    """A head of new octets before another content's octets from ``skip`` on.

    So header fields are put before, or cut out of, a message whose body is never copied but for ``buffer``, which makes
    one copy of the whole.
    """

    __slots__ = ("_buffer", "_head", "_rest", "_skip")

    def __init__(self, head: bytes, rest: Content, skip: int = 0) -> None:
        self._head = head
        self._rest = rest
        self._skip = skip
        self._buffer: Buffer | None = None

    @property
    def size(self) -> int:
        return len(self._head) + self._rest.size - self._skip

    def buffer(self) -> Buffer:
        if self._buffer is None:
            rest = self._rest.buffer()
            if isinstance(rest, bytes):
                self._buffer = b"".join((self._head, memoryview(rest)[self._skip :]))
            else:
                self._buffer = self._mapped()
        return self._buffer

    def _mapped(self) -> mmap.mmap:
        # Anonymous memory, filled block by block: never a second copy beside it.
        memory = mmap.mmap(-1, self.size)
        for block in self.blocks():
            memory.write(block)
        return memory

    def blocks(self) -> Iterator[bytes]:
        if isinstance(self._buffer, bytes):
            yield from MemoryContent(self._buffer).blocks()
            return
        yield from MemoryContent(self._head).blocks()
        skip = self._skip
        for block in self._rest.blocks():
            if skip < len(block):
                yield block[skip:] if skip else block
            skip = max(0, skip - len(block))

    def close(self) -> None:
        """Give back the copy; the content behind is its owner's to close."""
        if isinstance(self._buffer, mmap.mmap):
            with contextlib.suppress(BufferError):
                self._buffer.close()
        self._buffer = None
