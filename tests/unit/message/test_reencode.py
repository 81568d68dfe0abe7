"""Binary parts in base64: what was in them comes back, and nothing else changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from message.parts import scan, walk
from message.reencode import NotEncodable, without_nul
from message.transfer import decoded_blocks


def encoded(octets: bytes) -> bytes:
    return b"".join(without_nul(octets))


@given(st.binary(max_size=500), st.binary(max_size=200))
def test_parts_come_back(first: bytes, second: bytes) -> None:
    boundary = b"=_boundary_"
    octets = (
        b"Subject: x\r\nContent-Type: multipart/mixed; boundary=" + boundary + b"\r\n\r\n--" + boundary
        + b"\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\nX-After: y\r\n\r\n"
        + first + b"\r\n--" + boundary + b"\r\nContent-Type: image/png\r\n\r\n"
        + second + b"\r\n--" + boundary + b"--\r\n"
    )  # fmt: skip
    if boundary in first + second:
        return
    made = encoded(octets)
    assert b"\0" not in made
    if b"\0" not in first + second:
        assert made == octets
        return
    parts = [part for part in walk(scan(made)) if part.main != "multipart"]
    given_parts = [part for part in walk(scan(octets)) if part.main != "multipart"]
    for part, before in zip(parts, given_parts, strict=True):
        whole = octets[before.body_start : before.end]
        got = b"".join(decoded_blocks(made, part)) if b"\0" in whole else made[part.body_start : part.end]
        assert got == whole
    assert b"X-After: y\r\n" in made


def test_a_message_of_one_part() -> None:
    made = encoded(b"Content-Transfer-Encoding: binary\r\nSubject: x\r\n\r\n" + bytes(200))
    assert made.startswith(b"Content-Transfer-Encoding: base64\r\nSubject: x\r\n\r\nAAAA")
    assert max(map(len, made.split(b"\r\n"))) == 76
    assert b"".join(decoded_blocks(made, scan(made))) == bytes(200)


@pytest.mark.parametrize(
    "octets",
    [
        b"Subject: \0\r\n\r\nx",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n\0\r\n--b\r\n\r\nx\r\n--b--",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n\0",
    ],
)
def test_nul_where_no_encoding_helps(octets: bytes) -> None:
    with pytest.raises(NotEncodable):
        without_nul(octets)
