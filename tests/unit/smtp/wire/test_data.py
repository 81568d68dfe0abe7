from __future__ import annotations

import pytest

from smtp.wire.data import DotReader, LineEnds


def read(blocks):
    reader, ends = DotReader(), LineEnds()
    plain = b""
    for block in blocks:
        if reader.rest is not None:
            reader.rest += block
            continue
        raw, more = reader.feed(block)
        ends.feed(raw)
        plain += more
    ends.end()
    return plain, reader.rest, ends.bare, ends.nul


@pytest.mark.parametrize(
    ("octets", "plain", "rest"),
    [
        (b".\r\n", b"", b""),
        (b"a\r\n.\r\n", b"a\r\n", b""),
        (b"a\r\n.\r\nQUIT\r\n", b"a\r\n", b"QUIT\r\n"),
        (b"..\r\n.\r\n", b".\r\n", b""),
        (b"...a\r\n..\r\n.\r\n", b"..a\r\n.\r\n", b""),
        (b".a\r\n.\r\n", b"a\r\n", b""),
        (b"a\r\n\r\n..\r\n\r\n.\r\n", b"a\r\n\r\n.\r\n\r\n", b""),
        (b"a.\r\n.\r\n", b"a.\r\n", b""),
        (b"x" * 100_000 + b"\r\n.\r\n", b"x" * 100_000 + b"\r\n", b""),
    ],
)
def test_end_and_dots_however_the_octets_arrive(octets, plain, rest):
    whole = read([octets])
    assert whole == (plain, rest, False, False)
    for size in (1, 2, 3, 4, 5, 7):
        if len(octets) < 1000:
            assert read([octets[i : i + size] for i in range(0, len(octets), size)]) == whole


@pytest.mark.parametrize(
    "end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\n\n.\r\n", b"\r\r\n.\r\r\n"]
)
def test_nothing_else_ends_a_message(end):
    octets = b"a" + end + b"MAIL FROM:<x@y.example>\r\n.\r\n"
    whole = read([octets])
    assert whole[1] == b""
    assert whole[2], "a bare CR or LF was not seen"
    assert whole[0].endswith(b"MAIL FROM:<x@y.example>\r\n")
    assert read([octets[i : i + 1] for i in range(len(octets))]) == whole


@pytest.mark.parametrize(
    ("blocks", "bare", "nul"),
    [
        ([b"a\r\n"], False, False),
        ([b"a\r", b"\nb\r\n"], False, False),
        ([b"a\n"], True, False),
        ([b"a\r"], True, False),
        ([b"a\r", b"b"], True, False),
        ([b"a", b"\nb"], True, False),
        ([b"\r\r\n"], True, False),
        ([b"\r", b"\r", b"\n"], True, False),
        ([b"\n\r\n"], True, False),
        ([b"\n\r"], True, False),
        ([b"a\0"], False, True),
        ([b"", b"a\r", b"", b"\n"], False, False),
    ],
)
def test_line_ends(blocks, bare, nul):
    ends = LineEnds()
    for block in blocks:
        ends.feed(block)
    ends.end()
    assert (ends.bare, ends.nul) == (bare, nul)
