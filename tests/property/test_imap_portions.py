"""A session is the same whether its octets come at once, one by one, or compressed."""

from __future__ import annotations

import random
import re
import zlib
from itertools import pairwise
from pathlib import Path

import pytest

from tests.fakes.imap_service import PASSWORD, Client, letter, service

_TEXT = letter("Été", "Bonjour\r\n")

SCRIPT = b"\r\n".join(
    (
        b'a LOGIN marie "' + PASSWORD.encode() + b'"',
        b"b ENABLE QRESYNC UTF8=ACCEPT",
        b'c CREATE "\xc3\x89l\xc3\xa8ves"',
        b"d APPEND INBOX (\\Seen) {%d+}\r\n%b" % (len(_TEXT), _TEXT),
        b"e APPEND INBOX UTF8 (~{%d+}\r\n%b)" % (len(_TEXT), _TEXT),
        b'f APPEND "\xc3\x89l\xc3\xa8ves" CATENATE (TEXT {12+}\r\nSubject: x\r\n URL "/INBOX/;UID=1/;SECTION=TEXT")',
        b"g SELECT INBOX (QRESYNC (1 1 1:2))",
        b"h UID FETCH 1:* (BINARY.PEEK[1] BINARY.SIZE[1] PREVIEW (LAZY) EMAILID THREADID) (CHANGEDSINCE 1 VANISHED)",
        b'i UID SEARCH RETURN (ALL COUNT) SUBJECT "\xc3\xa9t\xc3\xa9"',
        b"j UID REPLACE 2 INBOX (\\Draft) {%d+}\r\n%b" % (len(_TEXT), _TEXT),
        b"k UID STORE 3 +FLAGS.SILENT (\\Deleted)",
        b"l UID EXPUNGE 3",
        b"m COMPRESS LZ4",
        b"n ENABLE UIDONLY IMAP4rev2",
        b"o FETCH 1 FLAGS",
        b"p UID FETCH 1 (UID FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])",
        b"q UNAUTHENTICATE",
        b"r LOGIN {5+}\r\nmarie {%d+}\r\n%b" % (len(PASSWORD), PASSWORD.encode()),
        b"s EXAMINE INBOX",
        b"t LOGOUT",
        b"",
    )
)


def said(client: Client) -> bytes:
    """All that the server says; what depends on the clock is left out."""
    octets = b""
    while chunk := client.socket.recv(65536):
        octets += chunk
    return re.sub(rb"(UIDVALIDITY|APPENDUID|EMAILID) \(?[0-9A-Za-z]+", rb"\1 n", octets)


def answers(folder: Path, portions: list[bytes]) -> bytes:
    with service(folder) as running:
        client = Client(running.port)
        for portion in portions:
            client.send(portion)
        return said(client)


@pytest.fixture(scope="module")
def at_once(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    whole = answers(tmp_path_factory.mktemp("whole"), [SCRIPT])
    assert [tag for tag in b"abcdefijklnpqrst" if b"\n%c OK" % tag not in b"\n" + whole] == []
    assert b"\nh OK" in whole
    assert b"\nm BAD" in whole
    assert b"\no BAD [UIDREQUIRED]" in whole
    return whole


def test_one_by_one(tmp_path: Path, at_once: bytes) -> None:
    assert answers(tmp_path, [SCRIPT[place : place + 1] for place in range(len(SCRIPT))]) == at_once


@pytest.mark.parametrize("seed", range(3))
def test_in_any_portions(tmp_path: Path, at_once: bytes, seed: int) -> None:
    chance = random.Random(seed)
    cuts = [0, *sorted(chance.sample(range(len(SCRIPT)), 20)), len(SCRIPT)]
    assert answers(tmp_path, [SCRIPT[a:b] for a, b in pairwise(cuts)]) == at_once


def test_compressed_portions(tmp_path: Path) -> None:
    """Each octet of the deflate stream by itself."""
    with service(tmp_path) as running:
        running.fill("INBOX", 3)
        client = Client(running.port)
        client.line()
        client.ok(f'LOGIN marie "{PASSWORD}"')
        client.ok("COMPRESS DEFLATE")
        deflating = zlib.compressobj(9, zlib.DEFLATED, -15)
        octets = deflating.compress(b"a EXAMINE INBOX\r\nb UID FETCH 1:* (FLAGS)\r\nc LOGOUT\r\n")
        for octet in octets + deflating.flush(zlib.Z_SYNC_FLUSH):
            client.send(bytes([octet]))
        received = b""
        while chunk := client.socket.recv(65536):
            received += chunk
        plain = zlib.decompressobj(-15).decompress(received)
        assert [line[:4] for line in plain.splitlines() if not line.startswith(b"*")] == [b"a OK", b"b OK", b"c OK"]
