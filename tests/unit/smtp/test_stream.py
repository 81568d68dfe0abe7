"""The stream against a transport that only records."""

from __future__ import annotations

import asyncio

import pytest

from smtp.stream import READ_AHEAD, BareLineFeed, ClientStream, Ended, LineTooLong, TimedOut


class Transport:
    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.events: list[str] = []

    def write(self, octets: bytes) -> None:
        self.written.append(octets)

    def __getattr__(self, name: str):
        return lambda: self.events.append(name)


def run(script):
    async def main():
        transport = Transport()
        await asyncio.wait_for(script(ClientStream(transport, asyncio.get_running_loop()), transport), 10)

    asyncio.run(main())


def test_lines():
    async def script(stream, transport):
        stream.feed(b"a\r\n\r\nb\nc" + b"x" * 20 + b"\r\nd\r\n")
        assert await stream.line(10, 1) == b"a"
        assert await stream.line(10, 1) == b""
        with pytest.raises(BareLineFeed):
            await stream.line(10, 1)
        with pytest.raises(LineTooLong):
            await stream.line(10, 1)
        assert await stream.line(10, 1) == b"d"
        assert not stream.pending
        stream.feed(b"half")
        stream.feed_end()
        with pytest.raises(Ended):
            await stream.line(10, 1)

    run(script)


@pytest.mark.parametrize("length", [8, 9, 10, 5000])
def test_the_longest_line_however_it_arrives(length):
    async def script(stream, transport):
        async def feed():
            for octet in b"x" * length + b"\r\nend\r\n":
                stream.feed(bytes([octet]))
                await asyncio.sleep(0)

        task = asyncio.create_task(feed())
        if length + 2 <= 10:
            assert await stream.line(10, 5) == b"x" * length
        else:
            with pytest.raises(LineTooLong):
                await stream.line(10, 5)
        assert await stream.line(10, 5) == b"end"
        await task

    run(script)


def test_an_endless_line_takes_no_room():
    async def script(stream, transport):
        task = asyncio.create_task(stream.line(2048, 0.5))
        for _ in range(50):
            stream.feed(b"x" * 100_000)
            await asyncio.sleep(0)
            assert len(stream._in) <= 102_048
        with pytest.raises(TimedOut):
            await task

    run(script)


def test_blocks_and_what_is_put_back():
    async def script(stream, transport):
        stream.feed(b"abcdef")
        now = asyncio.get_running_loop().time()
        assert await stream.block(now + 1, 4) == b"abcd"
        assert await stream.block(now + 1) == b"ef"
        stream.unread(b"NOOP\r\n")
        assert await stream.line(10, 1) == b"NOOP"
        with pytest.raises(TimedOut):
            await stream.block(now + 0.05)

    run(script)


def test_reading_ahead_is_bounded():
    async def script(stream, transport):
        stream.feed(b"x" * READ_AHEAD)
        assert transport.events == []
        stream.feed(b"x")
        stream.feed(b"x")
        assert transport.events == ["pause_reading"]
        await stream.block(0, READ_AHEAD // 2 + 1)
        assert transport.events == ["pause_reading"]
        await stream.block(0, 1)
        assert transport.events == ["pause_reading", "resume_reading"]

    run(script)


def test_replies_leave_together_before_a_wait():
    async def script(stream, transport):
        stream.write(b"one")
        stream.write(b"two")
        stream.feed(b"a\r\n")
        await stream.line(10, 1)
        assert transport.written == []
        with pytest.raises(TimedOut):
            await stream.line(10, 0.01)
        assert transport.written == [b"onetwo"]

    run(script)


def test_a_reader_that_stops_reading_is_waited_for_until_the_deadline():
    async def script(stream, transport):
        loop = asyncio.get_running_loop()
        stream.pause_writing()
        stream.write(b"x")
        with pytest.raises(TimedOut):
            await stream.flush(loop.time() + 0.05)
        loop.call_later(0.02, stream.resume_writing)
        await stream.flush(loop.time() + 5)
        stream.pause_writing()
        loop.call_later(0.02, stream.lost)
        with pytest.raises(Ended):
            await stream.flush(loop.time() + 5)

    run(script)


def test_interrupt_only_between_lines():
    async def script(stream, transport):
        class Stop(Exception):
            pass

        stream.interrupt(Stop())
        task = asyncio.create_task(stream.line(10, 5))
        await asyncio.sleep(0)
        stream.feed(b"a")
        await asyncio.sleep(0)
        stream.interrupt(Stop())
        stream.feed(b"\r\n")
        assert await task == b"a"
        task = asyncio.create_task(stream.line(10, 5))
        await asyncio.sleep(0)
        stream.interrupt(Stop())
        with pytest.raises(Stop):
            await task

    run(script)
