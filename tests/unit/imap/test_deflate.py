"""COMPRESS=DEFLATE and UNAUTHENTICATE over real connections."""

from __future__ import annotations

import contextlib
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imap.deflate import BrokenStream, Deflate
from tests.fakes.imap_service import PASSWORD, Client, Service, eventually, letter, service, signed_in


class Compressed(Client):
    """A client that turns compression on."""

    def __init__(self, running: Service) -> None:
        super().__init__(running.port)
        self.line()
        self.ok(f'LOGIN marie "{PASSWORD}"')
        assert self.ok("COMPRESS DEFLATE") == []
        self.deflating = zlib.compressobj(6, zlib.DEFLATED, -15)
        plain = self.socket
        inflating = zlib.decompressobj(-15)
        outer = self

        class Socket:
            def sendall(self, octets: bytes) -> None:
                plain.sendall(outer.deflating.compress(octets) + outer.deflating.flush(zlib.Z_SYNC_FLUSH))

            def recv(self, size: int) -> bytes:
                while octets := plain.recv(size):
                    if inflated := inflating.decompress(octets):
                        return inflated
                return b""

            def close(self) -> None:
                plain.close()

        self.plain = plain
        self.socket = Socket()  # type: ignore[assignment]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Service]:
    with service(tmp_path) as one:
        yield one


def test_a_session_says_the_same_as_without(running: Service) -> None:
    running.fill("INBOX", 200)
    client, plain = Compressed(running), signed_in(running)
    for command in ("EXAMINE INBOX", "FETCH 1:* (UID FLAGS)", "FETCH 1:* (BODY.PEEK[])", "SEARCH ALL", "LIST () * *"):
        assert client.command(command)[:-1] == plain.command(command)[:-1]
    octets = letter("x", "y" * 300_000)
    client.ok(b"APPEND Drafts {%d+}\r\n%b" % (len(octets), octets))
    client.ok("SELECT Drafts")
    assert len(client.ok("FETCH 1 BODY[]")[0]) > 300_000
    *_, twice = client.command("COMPRESS DEFLATE")
    assert b" NO [COMPRESSIONACTIVE]" in twice
    *_, other = client.command("COMPRESS LZ4")
    assert b" BAD " in other


def test_idle_and_news(running: Service) -> None:
    client = Compressed(running)
    client.ok("SELECT INBOX")
    client.send(b"i IDLE\r\n")
    assert client.line().startswith(b"+ ")
    for number in range(1, 4):
        running.deliver()
        assert client.line() == b"* %d EXISTS" % number
        assert client.line().endswith(b"RECENT")
    client.send(b"DONE\r\nj NOOP\r\n")
    assert client.line().startswith(b"i OK")
    assert client.line().startswith(b"j OK")


def test_octet_by_octet(running: Service) -> None:
    client = Compressed(running)
    octets = client.deflating.compress(b"a LIST {0+}\r\n Trash\r\n") + client.deflating.flush(zlib.Z_SYNC_FLUSH)
    for place in range(len(octets)):
        client.plain.sendall(octets[place : place + 1])
    assert [line[:3] for line in client.until(b"a")] == [b"* L", b"a O"]


def test_what_is_no_deflate_ends_the_session(running: Service) -> None:
    client = Compressed(running)
    client.plain.sendall(b"a NOOP\r\n" * 10)
    assert client.line().startswith(b"* BYE")
    client = Compressed(running)
    client.plain.sendall(client.deflating.compress(b"a NOOP\r\n") + client.deflating.flush(zlib.Z_FINISH))
    assert client.line().startswith(b"a OK")
    assert client.line().startswith(b"* BYE")


def test_a_bomb_costs_neither_memory_nor_the_others_turn(running: Service) -> None:
    """A gigabyte of zeros in a megabyte: the line is too long after 64 KiB."""
    client = Compressed(running)
    bomb = zlib.compressobj(9, zlib.DEFLATED, -15)
    octets = b"".join(bomb.compress(bytes(1 << 20)) for _ in range(1024)) + bomb.flush(zlib.Z_SYNC_FLUSH)
    assert len(octets) < 2_000_000
    other = signed_in(running)
    start = time.process_time()
    with contextlib.suppress(OSError):
        client.plain.sendall(octets)
    other.ok("NOOP")
    assert eventually(lambda: b"BYE" in _last(client))
    assert time.process_time() - start < 5


def _last(client: Compressed) -> bytes:
    try:
        return client.line()
    except OSError:
        return b"BYE"


def test_a_literal_that_is_refused_is_dropped_a_portion_at_a_time() -> None:
    deflate = Deflate()
    bomb = zlib.compressobj(9, zlib.DEFLATED, -15)
    deflate.receive(bomb.compress(bytes(10_000_000)) + bomb.flush(zlib.Z_SYNC_FLUSH))
    sizes = []
    while deflate.waiting:
        sizes.append(len(deflate.inflated(65536)))
    assert sum(sizes) == 10_000_000
    assert max(sizes) == 65536
    deflate.receive(b"\xff\xff\xff\xff")
    with pytest.raises(BrokenStream):
        deflate.inflated(65536)


@given(
    st.lists(st.sampled_from([b"a NOOP\r\n", bytes(700), b"\xff\x01", b"x" * 259]), max_size=30), st.integers(1, 300)
)
def test_nothing_is_left_behind_whatever_the_portions(pieces: list[bytes], limit: int) -> None:
    """The octets of each flush can be had without another one from the peer."""
    deflate, peer = Deflate(), zlib.compressobj(9, zlib.DEFLATED, -15)
    for piece in pieces:
        deflate.receive(peer.compress(piece) + peer.flush(zlib.Z_SYNC_FLUSH))
        said = b""
        while deflate.waiting:
            said += deflate.inflated(limit)
        assert said == piece


def test_rest_is_unseen_by_the_peer() -> None:
    deflate, peer = Deflate(), zlib.decompressobj(-15)
    said = b""
    for number in range(20):
        said += peer.decompress(deflate.deflated(b"* %d EXISTS\r\n" % number))
        if number % 3 == 0:
            deflate.rest()
    assert said == b"".join(b"* %d EXISTS\r\n" % number for number in range(20))


def test_unauthenticate(running: Service) -> None:
    running.fill("INBOX", 2)
    client = signed_in(running, "INBOX")
    client.ok("ENABLE QRESYNC IMAP4rev2")
    client.ok("STORE 1 +FLAGS (\\Deleted)")
    # Pipelined with the next sign-in (RFC 8437 section 3).
    client.send(b'a UNAUTHENTICATE\r\nb LOGIN paul "' + PASSWORD.encode() + b'"\r\nc SELECT INBOX\r\n')
    assert client.line().startswith(b"a OK")
    assert client.line().startswith(b"b OK")
    lines = client.until(b"c")
    assert b"* 0 EXISTS" in lines
    assert b"* 0 RECENT" in lines
    client.ok("UNAUTHENTICATE")
    assert b" BAD " in client.command("SELECT INBOX")[-1]
    assert b" BAD " in client.command("UNAUTHENTICATE")[-1]
    client.ok(f'LOGIN marie "{PASSWORD}"')
    assert b"* 2 EXISTS" in client.ok("SELECT INBOX")


def test_unauthenticate_ends_compression(running: Service) -> None:
    client = Compressed(running)
    client.ok("UNAUTHENTICATE")
    client.socket = client.plain
    client.ok(f'LOGIN marie "{PASSWORD}"')
    client.ok("COMPRESS DEFLATE")


def test_signing_out_makes_room_for_other_sessions(tmp_path: Path) -> None:
    with service(tmp_path, connections_per_user=1) as running:
        first = signed_in(running)
        first.ok("UNAUTHENTICATE")
        second = signed_in(running)
        assert b" NO [LIMIT]" in first.command(f'LOGIN marie "{PASSWORD}"')[-1]
        second.ok("NOOP")


def test_a_compressed_client_that_never_reads_costs_little(running: Service) -> None:
    big = letter("big", "".join(f"{number * 7919}\r\n" for number in range(200_000)))
    running.deliver(octets=big)
    client = Compressed(running)
    client.ok("EXAMINE INBOX")
    for number in range(20):
        client.send(b"a%d FETCH 1 BODY.PEEK[]\r\n" % number)
    (connection,) = running.listeners._shared.live
    assert eventually(lambda: connection._paused)
    transport = connection.transport
    assert len(transport.dataBuffer) + sum(map(len, transport._tempDataBuffer)) < 512 * 1024
    for number in range(20):
        data, tagged = client.until(b"a%d" % number)
        assert big in data
        assert b" OK" in tagged
