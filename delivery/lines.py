"""Line ends: what leaves this server has CRLF and neither octet alone (RFC 5321 section 2.3.8).

A far server that takes a bare LF for a line end could be made to see commands in a body of ours (CVE-2023-51764).
"""

from __future__ import annotations

import re

from message.content import Content, MemoryContent

_BARE = re.compile(rb"(?<!\r)\n|\r(?!\n)")


def has_bare_ends(content: Content) -> bool:
    """True when a CR or LF stands alone. Counts block by block, without a copy."""
    pairs = feeds = returns = 0
    last = b""
    for block in content.blocks():
        pairs += block.count(b"\r\n") + (last == b"\r" and block.startswith(b"\n"))
        feeds += block.count(b"\n")
        returns += block.count(b"\r")
        last = block[-1:]
    return not pairs == feeds == returns


def with_line_ends(content: Content) -> Content:
    """The content itself when all its lines end with CRLF, else one in which they do."""
    if not has_bare_ends(content):
        return content
    return MemoryContent(_BARE.sub(b"\r\n", b"".join(content.blocks())))
