from __future__ import annotations

import errno
import os

import pytest

from message.content import FileContent, MemoryContent
from smtp.spool import Spool, header_refusal, sweep


def fill(spool, octets, piece):
    for at in range(0, len(octets), piece):
        block = octets[at : at + piece]
        spool.take(block, block)
        if spool.wants_spill:
            spool.spill()


@pytest.mark.parametrize("size", [2, 100, 1000, 1001, 3_000_000])
@pytest.mark.parametrize("piece", [700, 65536])
def test_memory_below_file_above(tmp_path, size, piece):
    octets = (b"x" * (size - 2)) + b"\r\n"
    spool = Spool(tmp_path, "a.eml", limit=1 << 30, memory=1000)
    fill(spool, octets, piece)
    assert spool.end() is None
    content = spool.finish()
    assert isinstance(content, MemoryContent if size <= 1000 else FileContent)
    assert content.size == size
    assert content.buffer()[:] == octets
    assert b"".join(content.blocks()) == octets
    if size > 1000:
        assert os.stat(tmp_path / "a.eml").st_mode & 0o777 == 0o600
    content.close()
    spool.discard()
    spool.discard()
    assert not os.listdir(tmp_path)


def test_last_line_gets_its_end(tmp_path):
    spool = Spool(tmp_path, "a", limit=100, memory=1000)
    spool.take(b"a\r\nb", b"a\r\nb")
    assert spool.finish().buffer() == b"a\r\nb\r\n"
    spool = Spool(tmp_path, "a", limit=100, memory=1000)
    for octet in (b"a", b"\r", b"\n"):
        spool.take(octet, octet)
    assert spool.finish().buffer() == b"a\r\n"
    assert Spool(tmp_path, "b", limit=1, memory=1).finish().buffer() == b""


@pytest.mark.parametrize(
    ("octets", "status"), [(b"x" * 101, "5.3.4"), (b"a\nb\r\n", "5.5.2"), (b"a\rb", "5.5.2"), (b"\0\r\n", "5.6.0")]
)
def test_refused_messages_take_no_room(tmp_path, octets, status):
    spool = Spool(tmp_path, "a", limit=100, memory=50)
    spool.take(octets, octets)
    assert spool.refused
    for _ in range(1000):
        spool.take(b"y" * 1000, b"y" * 1000)
        assert not spool.wants_spill
    reply = spool.end()
    assert reply is not None
    assert reply.status in (status, "5.3.4")
    assert not os.listdir(tmp_path)


def test_a_disk_that_fails_is_noted_and_the_rest_drained(tmp_path):
    spool = Spool(tmp_path / "gone", "a", limit=1 << 20, memory=10)
    spool.take(b"x" * 100, b"x" * 100)
    spool.spill()
    assert spool.failure is not None
    assert spool.failure.errno == errno.ENOENT
    assert spool.refused
    assert spool.end() is None, "not the client's fault"
    spool.discard()


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "victim")
    spool = Spool(tmp_path, "a", limit=100, memory=1)
    spool.take(b"xxx", b"xxx")
    spool.spill()
    assert spool.failure is not None
    assert not (tmp_path / "victim").exists()


def test_sweep_removes_only_what_is_old(tmp_path):
    folder = tmp_path / "spool"
    sweep(folder)
    (folder / "old").write_bytes(b"")
    (folder / "new").write_bytes(b"")
    os.utime(folder / "old", (1, 1))
    sweep(folder)
    assert os.listdir(folder) == ["new"]
    assert folder.stat().st_mode & 0o777 == 0o700


def message(*fields, body=b"x\r\n"):
    return b"".join(field + b"\r\n" for field in fields) + b"\r\n" + body


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (message(b"Subject: x"), None),
        (message(*[b"Received: from a"] * 4), None),
        (message(*[b"Received: from a"] * 5), "5.4.6"),
        (message(*[b"RECEIVED: from a"] * 5), "5.4.6"),
        (message(b"a: b", body=b"Received: x\r\n" * 9), None),
        (message(*[b"X-Received: from a"] * 9), None),
        (message(b"a: " + b"x" * 995), None),
        (message(b"a: " + b"x" * 996), "5.3.4"),
        (b"a: b\r\n" * 200, "5.3.4"),
        (b"a: b\r\n", None),
        (b"\r\n" + b"x" * 5000, None),
        (b"", None),
    ],
)
def test_header_limits(octets, status):
    reply = header_refusal(MemoryContent(octets), size=1000, received=5)
    assert (reply and reply.status) == status
