"""What TEXT and BODY look at in a message: header fields and text parts, decoded and folded."""

from __future__ import annotations

from typing import NamedTuple

from message.collation import casemap
from message.content import Buffer
from message.headers import parse_headers
from message.parts import load, scan
from message.text import decode_words, searchable

#: Octets of decoded text looked at in one message.
TEXT_LIMIT = 16 * 1024 * 1024

#: Stands between texts that belong to different fields or parts: no needle has it, so none is found across.
BETWEEN = b"\0"


class Document(NamedTuple):
    """The folded texts of a message: ``name: value`` of all header fields, and all text parts."""

    header: bytes
    body: bytes


def document(buffer: Buffer, parts: bytes | None) -> Document:
    """Read a message; ``parts`` is its MIME tree as ``message.parts.dump`` writes it, if that is at hand."""
    return Document(header_text(buffer), body_text(buffer, parts))


def header_text(buffer: Buffer) -> bytes:
    """All header fields, folded."""
    block = parse_headers(buffer)
    lines = [f"{one.name.decode('latin-1')}: {decode_words(block.value(one))}" for one in block.fields]
    return casemap(BETWEEN.decode().join(lines))


def body_text(buffer: Buffer, parts: bytes | None) -> bytes:
    """All text parts, those of attached messages too, folded."""
    root = load(parts) if parts else scan(buffer)
    return BETWEEN.join(map(casemap, searchable(buffer, root, TEXT_LIMIT)))
