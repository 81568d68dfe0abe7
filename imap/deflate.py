"""COMPRESS=DEFLATE (RFC 4978): both directions of one connection, with bounded memory whatever the peer sends."""

from __future__ import annotations

import zlib

#: A window of 4 KiB and little work space: 32 KiB for a session instead of zlib's 256 KiB. Lines of FETCH shrink as
#: well as with a full window; the level costs half of zlib's own.
_LEVEL = 3
_WINDOW = -12
_MEMORY = 5

#: The peer may use the whole window of the format.
_PEERS_WINDOW = -15


class BrokenStream(Exception):
    """The peer's octets are no deflate stream."""


class Deflate:
    """What is sent is flushed with every call; what is received is inflated in portions that the caller asks for."""

    def __init__(self) -> None:
        self._deflating: zlib._Compress | None = None
        self._inflating = zlib.decompressobj(_PEERS_WINDOW)
        self._received = b""
        #: True when the last portion was a full one: zlib may hold more of it though all input is taken.
        self._full = False

    def deflated(self, octets: bytes) -> bytes:
        """Octets for the peer, who can read all of them at once."""
        if self._deflating is None:
            self._deflating = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW, _MEMORY)
        return self._deflating.compress(octets) + self._deflating.flush(zlib.Z_SYNC_FLUSH)

    def rest(self) -> None:
        """Give the work space back while nothing is to be sent.

        All was flushed to a whole octet, and a fresh compressor never refers to what was before it: to the peer it is
        one stream.
        """
        self._deflating = None

    def receive(self, octets: bytes) -> None:
        """Take octets from the peer."""
        self._received += octets

    @property
    def waiting(self) -> bool:
        """True while there may be more to be inflated."""
        return bool(self._received or self._full) and not self._inflating.eof

    @property
    def ended(self) -> bool:
        """True when the peer's stream has come to its end."""
        return self._inflating.eof

    def inflated(self, limit: int) -> bytes:
        """At most ``limit`` octets of what the peer said. Raises BrokenStream."""
        try:
            octets = self._inflating.decompress(self._received, limit)
        except zlib.error:
            raise BrokenStream from None
        self._full = len(octets) == limit
        self._received = self._inflating.unused_data if self._inflating.eof else self._inflating.unconsumed_tail
        return octets

    def left(self) -> bytes:
        """What was received after the end of the peer's stream, or is not inflated yet."""
        return self._received
