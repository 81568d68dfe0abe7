"""Line ends of what leaves this server."""

from __future__ import annotations

import pytest

from delivery.lines import has_bare_ends, with_line_ends
from message.content import BLOCK, MemoryContent


@pytest.mark.parametrize(
    ("octets", "bare"),
    [
        (b"", False),
        (b"a\r\nb\r\n", False),
        (b"a\nb\r\n", True),
        (b"a\rb\r\n", True),
        (b"a\r\r\nb", True),
        (b"a\n\r\nb", True),
        (b"a\n\rb", True),
        (b"x" * (BLOCK - 1) + b"\r\n", False),
        (b"x" * (BLOCK - 1) + b"\ry", True),
        (b"x" * BLOCK + b"\n", True),
    ],
)
def test_bare_ends_are_seen_across_blocks(octets: bytes, bare: bool):
    assert has_bare_ends(MemoryContent(octets)) is bare


def test_they_are_put_right():
    content = with_line_ends(MemoryContent(b"a\n.\nb\r.\rc\r\r\nd\r\n\n"))
    assert content.buffer() == b"a\r\n.\r\nb\r\n.\r\nc\r\n\r\nd\r\n\r\n"
    assert not has_bare_ends(content)


def test_what_is_right_stays_the_same_object():
    content = MemoryContent(b"a\r\n")
    assert with_line_ends(content) is content
