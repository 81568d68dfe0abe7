"""Octets to and from one client: bounded buffers, one deadline at a time, one write for a group of replies.

Stands between an asyncio transport and the session. One task reads and writes; the protocol feeds it. At most about
twice ``READ_AHEAD`` octets wait unread; a client that does not read its replies stops being read itself and runs
into the deadline.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable
from typing import cast

READ_AHEAD = 256 * 1024
WRITE_AHEAD = 16 * 1024
LINGER = 10.0


class SessionOver(Exception):
    """Nothing more can be said or read in this session, except perhaps a last reply."""


class Ended(SessionOver):
    """The client has closed, or the connection broke."""


class TimedOut(SessionOver):
    """The deadline passed."""


class HandshakeFailed(SessionOver):
    """TLS did not come about."""


class LineTooLong(Exception):
    """A line was longer than allowed; it was read to its end and dropped."""


class BareLineFeed(Exception):
    """A line ended in LF without CR (RFC 5321 section 2.3.8); it was dropped."""


class ClientStream:
    """See the module. All methods are called in the event loop."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self.transport = transport
        self._loop = loop
        self._in = bytearray()
        self._out: list[bytes] = []
        self._out_size = 0
        self._ended = False
        self._broken = False
        self._reading_paused = False
        self._writing_paused = False
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None
        self._interruptible = False
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None

    # From the protocol

    def feed(self, octets: bytes) -> None:
        """Octets arrived."""
        self._in += octets
        if len(self._in) > READ_AHEAD and not self._reading_paused:
            self._reading_paused = True
            self.transport.pause_reading()
        self._wake(self._reader)

    def feed_end(self) -> None:
        """No more octets will come; what is buffered can still be read and answered."""
        self._ended = True
        self._wake(self._reader)

    def lost(self) -> None:
        """The connection is gone in both directions."""
        self._ended = self._broken = True
        self._in.clear()
        self._wake(self._reader)
        self._wake(self._writer)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def pause_writing(self) -> None:
        """The transport's buffer is full."""
        self._writing_paused = True

    def resume_writing(self) -> None:
        """The transport's buffer has room again."""
        self._writing_paused = False
        self._wake(self._writer)

    # In

    @property
    def pending(self) -> bool:
        """True when the client has sent more than was read."""
        return bool(self._in)

    @property
    def between_lines(self) -> bool:
        """True while ``line`` waits and nothing of the line has come."""
        return self._interruptible and not self._in

    def interrupt(self, error: Exception) -> None:
        """Make a ``line`` that waits for its first octet raise ``error``."""
        if self.between_lines and self._reader is not None and not self._reader.done():
            self._reader.set_exception(error)

    async def line(self, limit: int, seconds: float) -> bytes:
        """The next line, without its CR LF, of at most ``limit`` octets with it, within ``seconds`` as a whole.

        Raises LineTooLong or BareLineFeed (go on with the next line), Ended, TimedOut.
        """
        end = self._in.find(b"\n")
        if end < 0:
            end = await self._line_end(limit, self._loop.time() + seconds)
        if end >= limit:
            self._drop(end + 1)
            raise LineTooLong
        octets = bytes(self._in[: end + 1])
        self._drop(end + 1)
        if octets[-2:] != b"\r\n":
            raise BareLineFeed
        return octets[:-2]

    async def _line_end(self, limit: int, deadline: float) -> int:
        """Wait for a line feed and return its offset; of a line that is too long only the end is kept."""
        await self.flush(deadline)
        dropped = 0
        scanned = 0
        self._interruptible = True
        try:
            while True:
                end = self._in.find(b"\n", scanned)
                if end >= 0:
                    if dropped:
                        self._drop(end + 1)
                        raise LineTooLong
                    return end
                scanned = len(self._in)
                if dropped + scanned > limit:
                    dropped += scanned
                    self._drop(scanned)
                    scanned = 0
                await self._more(deadline)
        finally:
            self._interruptible = False

    async def block(self, deadline: float, limit: int | None = None) -> bytes:
        """What has arrived, at least one octet, at most ``limit``. ``deadline`` is loop time. Raises Ended,
        TimedOut.
        """
        if not self._in:
            await self.flush(deadline)
            await self._more(deadline)
        size = len(self._in) if limit is None else min(limit, len(self._in))
        octets = bytes(self._in) if size == len(self._in) else bytes(self._in[:size])
        self._drop(size)
        return octets

    def unread(self, octets: bytes) -> None:
        """Put back what ``block`` gave and does not belong to the message."""
        self._in[:0] = octets

    async def _more(self, deadline: float) -> None:
        """Wait until something arrives."""
        size = len(self._in)
        while len(self._in) == size:
            if self._ended:
                raise Ended
            self._reader = self._loop.create_future()
            self._arm(deadline)
            try:
                await self._reader
            finally:
                self._reader = None

    def _drop(self, size: int) -> None:
        del self._in[:size]
        if self._reading_paused and len(self._in) <= READ_AHEAD // 2 and not self._broken:
            self._reading_paused = False
            self.transport.resume_reading()

    # Out

    def write(self, octets: bytes) -> None:
        """Add to the replies that the next ``flush`` sends in one piece."""
        self._out.append(octets)
        self._out_size += len(octets)

    @property
    def full(self) -> bool:
        """True when enough replies wait to be worth sending."""
        return self._out_size >= WRITE_AHEAD

    async def flush(self, deadline: float) -> None:
        """Send what waits; when the client does not read, wait for it until ``deadline``. Raises Ended, TimedOut."""
        if self._out and not self._broken:
            octets = self._out[0] if len(self._out) == 1 else b"".join(self._out)
            self._out.clear()
            self._out_size = 0
            self.transport.write(octets)
        while self._writing_paused:
            if self._broken:
                raise Ended
            self._writer = self._loop.create_future()
            self._arm(deadline)
            try:
                await self._writer
            finally:
                self._writer = None

    def close(self) -> None:
        """Send what waits and close; a client that does not read it is cut off after ``LINGER`` seconds."""
        if self._broken:
            return
        if self._out:
            self.transport.write(b"".join(self._out))
            self._out.clear()
        self.transport.close()
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(LINGER, self.transport.abort)

    async def start_tls(self, protocol: asyncio.Protocol, context: ssl.SSLContext, seconds: float) -> None:
        """Go on over TLS. All octets sent in clear and not yet read are forgotten (RFC 3207 section 4.2).

        Raises HandshakeFailed, also when the handshake takes longer than ``seconds``.
        """
        # Before the call, which takes the transport over without letting the loop run. After it would be too late: the
        # client's first command may come in one segment with the end of its handshake.
        self._in.clear()
        await self._shake_hands(self._take_over(protocol, context, seconds))

    async def begin_in_tls(self, protocol: asyncio.Protocol, context: ssl.SSLContext, seconds: float) -> None:
        """TLS from the first octet on (RFC 8314 section 3); what has come already is part of the handshake.

        Raises HandshakeFailed as ``start_tls`` does.
        """
        # Reading can't be paused before something arrives: uvloop begins to read after ``connection_made``, whatever
        # was asked for in there. The task's first step puts the TLS layer in our place and pauses reading; it queues
        # the layer's own start, and behind that comes what has arrived, in the same turn of the loop and so before any
        # later octet.
        taking_over = self._loop.create_task(self._take_over(protocol, context, seconds))
        self._loop.call_soon(self._loop.call_soon, self._pass_on)
        await self._shake_hands(taking_over)

    def _pass_on(self) -> None:
        """Give what was read to the layer that has taken our place."""
        layer = cast(asyncio.BufferedProtocol, self.transport.get_protocol())
        octets = bytes(self._in)
        self._in.clear()
        while octets and not self.transport.is_closing():
            room = memoryview(layer.get_buffer(len(octets)))
            size = min(len(room), len(octets))
            room[:size] = octets[:size]
            layer.buffer_updated(size)
            octets = octets[size:]
        if self._ended:
            self.transport.abort()

    async def _take_over(
        self, protocol: asyncio.Protocol, context: ssl.SSLContext, seconds: float
    ) -> asyncio.Transport | None:
        return await self._loop.start_tls(
            self.transport,
            protocol,
            context,
            server_side=True,
            ssl_handshake_timeout=seconds,
            ssl_shutdown_timeout=LINGER,
        )

    async def _shake_hands(self, taking_over: Awaitable[asyncio.Transport | None]) -> None:
        try:
            transport = await taking_over
        except (OSError, RuntimeError) as error:  # RuntimeError: the connection closed just before
            raise HandshakeFailed(str(error)[:200]) from error
        if transport is None:
            raise HandshakeFailed("connection lost")
        self.transport = transport
        self._reading_paused = self._writing_paused = False

    # Time

    def _arm(self, deadline: float) -> None:
        """See that ``_tick`` runs at ``deadline`` or before. Timers are not moved for a later deadline: that is
        cheaper.
        """
        self._deadline = deadline
        if self._timer is not None:
            if self._timer.when() <= deadline:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(deadline, self._tick)

    def _tick(self) -> None:
        self._timer = None
        waiting = self._reader or self._writer
        if waiting is None or waiting.done():
            return
        if self._loop.time() + 0.001 < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._tick)
        else:
            waiting.set_exception(TimedOut())

    @staticmethod
    def _wake(waiting: asyncio.Future[None] | None) -> None:
        if waiting is not None and not waiting.done():
            waiting.set_result(None)
