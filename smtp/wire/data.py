"""Message octets on the wire: the end of DATA, dot-stuffing and the check of line ends. Pure.

RFC 5321 section 4.5.2 (transparency), section 2.3.8 (only CR LF ends a line). Works on blocks, never on lines: a 25
MiB line is no different from any other text.
"""

from __future__ import annotations

_END = b"\r\n.\r\n"


class DotReader:
    """Takes the blocks that follow 354 and gives back the message without its dots.

    >>> reader = DotReader()
    >>> reader.feed(b"Hi\\r\\n..\\r\\n.\\r\\nQUIT\\r\\n")
    (b'Hi\\r\\n..\\r\\n', b'Hi\\r\\n.\\r\\n')
    """

    __slots__ = ("_first", "_held", "rest")

    def __init__(self) -> None:
        # The 354 line break counts as the one before the first line, so a lone "." at once is the empty message.
        self._held = b"\r\n"
        self._first = True
        self.rest: bytes | None = None
        """What followed the end of data (pipelined commands); None until the end was seen."""

    def feed(self, block: bytes) -> tuple[bytes, bytes]:
        """The next message octets, as sent (for the line end check) and with transparency undone."""
        octets = self._held + block
        end = octets.find(_END)
        if end >= 0:
            self.rest = octets[end + 5 :]
            ready = octets[: end + 2]
        else:
            keep = _unsure(octets)
            self._held = octets[len(octets) - keep :]
            ready = octets[: len(octets) - keep]
        if not ready:
            return b"", b""
        plain = ready.replace(b"\r\n.", b"\r\n")
        if self._first:
            self._first = False
            return ready[2:], plain[2:]
        return ready, plain


def _unsure(octets: bytes) -> int:
    """Length of the end of ``octets`` that may yet turn out to be part of the end of data."""
    for length in (4, 3, 2, 1):
        if octets.endswith(_END[:length]):
            return length
    return 0


class LineEnds:
    """Watches for what a next hop could take for a line end: a CR or LF on its own, and NUL (RFC 5321 section
    2.3.8).
    """

    __slots__ = ("_after_cr", "bare", "nul")

    def __init__(self) -> None:
        self._after_cr = False
        self.bare = False
        self.nul = False

    def feed(self, block: bytes) -> None:
        """The next octets, in order."""
        if not block:
            return
        if self._after_cr:
            block = b"\r" + block
        self._after_cr = block.endswith(b"\r")
        pairs = block.count(b"\r\n")
        if block.count(b"\n") != pairs or block.count(b"\r") - self._after_cr != pairs:
            self.bare = True
        if b"\0" in block:
            self.nul = True

    def end(self) -> None:
        """No octets follow: a CR still waiting for its LF stays alone."""
        if self._after_cr:
            self.bare = True
