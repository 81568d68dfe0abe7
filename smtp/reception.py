"""Reading a message: the pace a client must keep, and the loops for DATA and BDAT."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from smtp.spool import Spool
from smtp.stream import ClientStream, SessionOver
from smtp.wire.data import DotReader

GRACE = 60.0
FLOOD = 4

Spill = Callable[[Spool], Awaitable[None]]


class Flood(SessionOver):
    """The client goes on sending a message that is far above the limit: it is not worth reading to its end."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a message must arrive. ``began`` is loop time; ``timeout`` seconds for the whole; ``rate`` octets a
    second on average, judged from ``GRACE`` seconds on; ``silence`` the longest pause (RFC 5321 section 4.5.3.2.5)."""

    began: float
    timeout: float
    rate: int
    silence: float

    def deadline(self, now: float, size: int) -> float:
        """The loop time by which more must arrive when ``size`` octets are there."""
        deadline = min(self.began + self.timeout, now + self.silence)
        if self.rate:
            deadline = min(deadline, self.began + max(GRACE, size / self.rate))
        return deadline


async def read_dots(
    stream: ClientStream, spool: Spool, pace: Pace, clock: Callable[[], float], spill: Spill, limit: int
) -> None:
    """Read up to CR LF . CR LF; commands behind it stay in the stream. Raises Ended, TimedOut, Flood."""
    reader = DotReader()
    while reader.rest is None:
        block = await stream.block(pace.deadline(clock(), spool.size))
        spool.take(*reader.feed(block))
        if spool.wants_spill:
            await spill(spool)
        if spool.size > FLOOD * limit and reader.rest is None:
            raise Flood
    if reader.rest:
        stream.unread(reader.rest)


async def read_chunk(
    stream: ClientStream, spool: Spool, size: int, pace: Pace, clock: Callable[[], float], spill: Spill
) -> None:
    """Read a chunk of exactly ``size`` octets (RFC 3030 section 2). Raises Ended, TimedOut."""
    while size:
        block = await stream.block(pace.deadline(clock(), spool.size), size)
        size -= len(block)
        spool.take(block, block)
        if spool.wants_spill:
            await spill(spool)


async def drop_chunk(stream: ClientStream, size: int, pace: Pace, clock: Callable[[], float]) -> None:
    """Read a chunk that nobody wants. Raises Ended, TimedOut."""
    left = size
    while left:
        left -= len(await stream.block(pace.deadline(clock(), size - left), left))
