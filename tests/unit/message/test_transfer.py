"""Transfer encodings undone block by block give what they give in one piece."""

from __future__ import annotations

import base64
import binascii
import quopri
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from message import transfer
from message.content import FileContent
from message.parts import Part, scan
from message.transfer import decoded_blocks, known_encoding


def part(encoding: str, octets: bytes) -> tuple[bytes, Part]:
    whole = b"Content-Type: application/x\r\nContent-Transfer-Encoding: " + encoding.encode() + b"\r\n\r\n" + octets
    return whole, scan(whole)


def decoded(encoding: str, octets: bytes, block: int) -> bytes:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transfer, "BLOCK", block)
        return b"".join(decoded_blocks(*part(encoding, octets)))


@given(st.binary(max_size=300), st.integers(1, 50))
def test_base64(octets: bytes, block: int) -> None:
    lines = base64.encodebytes(octets).replace(b"\n", b"\r\n")
    assert decoded("base64", lines, block) == octets
    # Without padding, and with what is no base64 among it.
    assert decoded("base64", lines.replace(b"=", b"").replace(b"\r\n", b" !\r\n"), block) == octets


@given(st.binary(max_size=300), st.integers(1, 50))
def test_quoted_printable(octets: bytes, block: int) -> None:
    assert decoded("quoted-printable", quopri.encodestring(octets, quotetabs=True), block) == octets


@given(st.integers(1, 40))
def test_blanks_at_the_end_of_a_line_are_none_of_quoted_printable(block: int) -> None:
    octets = b"hello  \r\nbar=\r\n\r\nfoo\t= \t\r\nbar\r\na \t b = \r\n=62=20\t\r\nend \t"
    assert decoded("quoted-printable", octets, block) == b"hello\r\nbar\r\nfoo\tbar\r\na \t b b \r\nend"


@given(st.text("=4aF \t\r\n", max_size=80).map(str.encode), st.integers(1, 20))
def test_cuts_never_matter(octets: bytes, block: int) -> None:
    assert decoded("base64", octets, block) == decoded("base64", octets, 1000)
    valid = quopri.encodestring(octets).replace(b"\n", b"\r\n")
    assert decoded("quoted-printable", valid, block) == binascii.a2b_qp(valid)


def test_what_has_no_encoding() -> None:
    for encoding in ("7bit", "8BIT", "binary"):
        assert decoded(encoding, b"=41\r\n", 3) == b"=41\r\n"
    assert known_encoding(part("base64", b"")[1])
    assert not known_encoding(part("x-uuencode", b"")[1])
    whole = (
        b"Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: base64\r\n\r\n--b\r\n\r\nx\r\n--b--"
    )
    assert b"".join(decoded_blocks(whole, scan(whole))).startswith(b"--b")


def test_memory_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "big"
    line = base64.b64encode(bytes(57)) + b"\r\n"
    path.write_bytes(b"Content-Transfer-Encoding: base64\r\n\r\n" + line * 200_000)
    content = FileContent(path)
    buffer = content.buffer()
    root = scan(buffer)
    tracemalloc.start()
    size = sum(len(block) for block in decoded_blocks(buffer, root))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    content.close()
    assert size == 57 * 200_000
    assert peak < 4 * 1024 * 1024
