"""Octets to whole commands: lines and literals, with limits, before any grammar (RFC 3501 section 4.3, RFC 7888).

The framer knows nothing of commands. It cuts the stream into text fragments and literals, so that the octets of a
refused literal can never be read as the next command. Each ``{n}`` is first announced to the caller, who accepts it
(into memory or a sink) or refuses it; only then the framer goes on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

_ANNOUNCEMENT = re.compile(rb"\{([0-9]+)(\+?)\}\Z")

#: Octets of a refused command that are read and dropped; beyond, the connection has to end.
DROP_LIMIT = 64 * 1024 * 1024

_HUGE = 10**20


class Sink(Protocol):
    """Takes the octets of a big literal."""

    def write(self, octets: bytes) -> None: ...

    def close(self) -> None:
        """Give everything back: the command was cut off."""
        ...


Literal = bytes | Sink


@dataclass(frozen=True, slots=True)
class Complete:
    """A whole command: literal ``i`` stands between text ``i`` and text ``i + 1``; the texts are free of CRLF."""

    texts: tuple[bytes, ...]
    literals: tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class Announced:
    """A literal is coming: call ``accept`` or ``refuse``. ``texts`` is the command so far.

    After accepting a synchronising one, send a continuation request. ``size`` of more than 20 digits is cut to 10^20.
    """

    texts: tuple[bytes, ...]
    literals: tuple[Literal, ...]
    size: int
    synchronising: bool


@dataclass(frozen=True, slots=True)
class Overlong:
    """A line is beyond the limit: answer and close. ``start`` is how it begins.

    Empty for a refused command, answered before, of which more would have to be dropped than is reasonable.
    """

    start: bytes


Event = Complete | Announced | Overlong


class Framer:
    """Feed octets in any portions, then take events until None."""

    def __init__(self, line: int, long: tuple[re.Pattern[bytes], int] | None = None) -> None:
        """``line`` is the longest command in octets, its literals not counted.

        ``long``: how commands begin that may be longer, and their longest.
        """
        self.line = line
        self._long = long
        self._buffer = bytearray()
        self._searched = 0
        self._start_over()
        self._skip = 0
        self._dropped = 0
        self._discarding = False

    def _start_over(self) -> None:
        self._texts: list[bytes] = []
        self._literals: list[Literal] = []
        self._length = 0
        self._announced: tuple[int, bool] | None = None
        self._missing = 0
        self._filling: bytearray | Sink | None = None

    def feed(self, octets: bytes) -> None:
        """Take octets from the peer."""
        self._buffer += octets

    @property
    def buffered(self) -> int:
        """Octets fed and not yet used."""
        return len(self._buffer)

    def taken_back(self) -> bytes:
        """What was fed and not used, which is forgotten: it was not for the framer."""
        octets = bytes(self._buffer)
        self._buffer.clear()
        self._searched = 0
        return octets

    def clear(self) -> None:
        """Forget all that was received: what came before TLS must not count after it (RFC 3501 6.2.1)."""
        for literal in (*self._literals, self._filling):
            if literal is not None and not isinstance(literal, (bytes, bytearray)):
                literal.close()
        self._buffer.clear()
        self._searched = self._skip = self._dropped = 0
        self._discarding = False
        self._start_over()

    def accept(self, sink: Sink | None = None) -> None:
        """Read the announced literal, into memory or a sink."""
        if self._announced is None:
            raise RuntimeError("no literal was announced")
        self._missing, _ = self._announced
        self._announced = None
        self._filling = bytearray() if sink is None else sink

    def refuse(self) -> None:
        """Drop the command with the announced literal.

        After a synchronising one the client gives up by itself; the octets of the other kind are read and dropped
        with all that follows of the command (RFC 7888 section 4).
        """
        if self._announced is None:
            raise RuntimeError("no literal was announced")
        size, synchronising = self._announced
        for literal in self._literals:
            if not isinstance(literal, bytes):
                literal.close()
        self._start_over()
        if not synchronising:
            self._drop(size)
            self._discarding = True

    def next_command(self) -> Event | None:
        """The next event, or None when more octets are needed."""
        if self._announced is not None:
            raise RuntimeError("the announced literal was neither accepted nor refused")
        while True:
            if self._dropped > DROP_LIMIT:
                return Overlong(b"")
            if not (self._skipped() and self._filled()):
                return None
            line = self._take_line(self.line - self._length)
            if not isinstance(line, bytes):
                return line
            found = _ANNOUNCEMENT.search(line)
            if self._discarding:
                self._discarding = bool(found and found[2])
                if found and found[2]:
                    self._drop(_size(found[1]))
                continue
            self._length += len(line)
            self._texts.append(line[: found.start()] if found else line)
            if not found:
                complete = Complete(tuple(self._texts), tuple(self._literals))
                self._start_over()
                return complete
            self._announced = (_size(found[1]), not found[2])
            return Announced(tuple(self._texts), tuple(self._literals), *self._announced)

    def next_line(self) -> bytes | Overlong | None:
        """One line as it is, for the answers to a continuation request (AUTHENTICATE, IDLE)."""
        return self._take_line(self.line)

    def _drop(self, size: int) -> None:
        self._skip = size
        self._dropped += size

    def _skipped(self) -> bool:
        if self._skip:
            count = min(self._skip, len(self._buffer))
            del self._buffer[:count]
            self._skip -= count
        return not self._skip

    def _filled(self) -> bool:
        if self._filling is None:
            return True
        chunk = bytes(self._buffer[: self._missing])
        del self._buffer[: len(chunk)]
        self._missing -= len(chunk)
        if isinstance(self._filling, bytearray):
            self._filling += chunk
        elif chunk:
            self._filling.write(chunk)
        if self._missing:
            return False
        self._literals.append(bytes(self._filling) if isinstance(self._filling, bytearray) else self._filling)
        self._filling = None
        return True

    def _take_line(self, limit: int) -> bytes | Overlong | None:
        """Up to LF; a missing CR before it is forgiven, as all servers do."""
        end = self._buffer.find(b"\n", self._searched)
        octets = end if end >= 0 else len(self._buffer)
        if octets > limit:
            start = self._texts[0] if self._texts else bytes(self._buffer[:256])
            longest = self._long[1] if self._long is not None and self._long[0].match(start) else 0
            if octets > limit + max(0, longest - self.line):
                return Overlong(start)
        if end < 0:
            self._searched = len(self._buffer)
            return None
        line = bytes(self._buffer[: end - 1 if end and self._buffer[end - 1] == 13 else end])
        del self._buffer[: end + 1]
        self._searched = 0
        self._dropped = self._dropped if self._discarding else 0
        return line


def _size(digits: bytes) -> int:
    return int(digits) if len(digits) <= 20 else _HUGE
