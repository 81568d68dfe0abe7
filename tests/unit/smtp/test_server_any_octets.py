"""Any octets on the wire: bounded replies, and the session goes on or ends; never a failure, never a hang."""

from __future__ import annotations

import re
import socket

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.settings import Auth

WORDS = [
    b"EHLO x\r\n", b"HELO x\r\n", b"MAIL FROM:<a@far.example>\r\n", b"MAIL FROM:<>",
    b"RCPT TO:<marie@ecole.example>\r\n",
    b"DATA\r\n", b"DATA", b".\r\n", b"\r\n.\r\n", b"\r\n", b"\n", b"\r", b"\0", b"BDAT 3\r\n", b"BDAT 10 LAST\r\n",
    b"BDAT 99999999999999999999\r\n", b"RSET\r\n", b"NOOP\r\n", b"AUTH PLAIN AGEAYg==\r\n", b"AUTH LOGIN\r\n", b"*\r\n",
    b"STARTTLS", b"VRFY x\r\n", b"FOO\r\n", b"\xff\xfe", "é".encode(), b"x" * 3000, b" ", b"SIZE=1", b"\x16\x03\x01",
]  # fmt: skip
REPLY = re.compile(rb"[2-5][0-9][0-9][ -][ -~]*")


@pytest.fixture
def fuzzed(make_server):
    server = make_server(
        command_timeout=5.0, errors_before_delay=1000, errors_before_close=1000, auth=Auth(failure_delay=0)
    )
    server.listener().service._pause = 0
    return server


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["mx", "submission"]),
    st.lists(st.one_of(st.sampled_from(WORDS), st.binary(max_size=40)), max_size=25),
    st.booleans(),
)
def test_any_octets(fuzzed, name, words, in_transaction):
    client = fuzzed.connect(name)
    if in_transaction:
        words = [WORDS[0], WORDS[2], WORDS[4], *words]
    try:
        for word in words:
            client.send(word)
        client.socket.shutdown(socket.SHUT_WR)
    except OSError:
        pass
    left = client.closed()
    client.close()
    assert len(left) < 512 * (40 + sum(word.count(b"\n") for word in words))
    assert b"451 4.3.0" not in left
    assert b"421 4.3.0" not in left
    lines = left.split(b"\r\n")
    assert lines.pop() == b""
    assert all(REPLY.fullmatch(line) for line in lines)


def test_and_it_still_serves(fuzzed):
    client = fuzzed.connect().hello().start()
    assert client.data(b"x\r\n.\r\n").startswith(b"250")
