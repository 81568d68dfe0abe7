"""New octets before a message's own."""

from __future__ import annotations

import mmap
import re
from pathlib import Path

import pytest

from message.content import BLOCK, Content, FileContent, MemoryContent, PrefixedContent

OCTETS = bytes(range(256)) * 3000


def contents(tmp_path: Path, octets: bytes) -> list[Content]:
    path = tmp_path / "octets"
    path.write_bytes(octets)
    return [MemoryContent(octets), FileContent(path)]


@pytest.mark.parametrize("head", [b"", b"head\r\n", b"h" * (BLOCK + 5)])
@pytest.mark.parametrize("size", [0, 10, BLOCK, BLOCK + 1, len(OCTETS)])
@pytest.mark.parametrize("skip", [0, 3, BLOCK, BLOCK + 7])
def test_size_blocks_and_buffer_agree(tmp_path: Path, head: bytes, size: int, skip: int):
    octets = OCTETS[:size]
    for rest in contents(tmp_path, octets):
        if skip > size:
            continue
        content = PrefixedContent(head, rest, skip)
        expected = head + octets[skip:]
        assert content.size == len(expected)
        assert b"".join(content.blocks()) == expected
        assert all(0 < len(block) <= BLOCK for block in content.blocks())
        if expected:
            assert content.buffer()[:] == expected
        content.close()
        rest.close()


def test_a_map_in_use_is_closed_by_its_last_user(tmp_path: Path):
    _, file = contents(tmp_path, OCTETS)
    prefixed = PrefixedContent(b"x", file)
    for content in (file, prefixed):
        buffer = content.buffer()
        assert isinstance(buffer, mmap.mmap)
        matches = re.compile(rb"\x00\x01").finditer(buffer)
        assert next(matches)
        content.close()
        assert next(matches)
