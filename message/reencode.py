"""Binary content made fit for the mail store: parts with NUL get base64 (RFC 3516 section 4.4)."""

from __future__ import annotations

import binascii
from collections.abc import Iterator

from message.content import BLOCK, Buffer
from message.headers import parse_headers
from message.parts import Part, scan, walk

_FIELD = b"Content-Transfer-Encoding: base64\r\n"

#: Octets of a line before they are encoded (RFC 2045 section 6.8: 76 characters), and of a piece of whole lines.
_LINE = 57
_PIECE = _LINE * 1000


class NotEncodable(Exception):
    """There is NUL where no transfer encoding can help: in a header, or between parts."""


def without_nul(buffer: Buffer) -> Iterator[bytes]:
    """The message with each part that has NUL in base64, in pieces; all other octets as they are.

    Raises NotEncodable before the first piece.
    """
    leaves = (part for part in walk(scan(buffer)) if not part.children and part.message is None)
    parts = [part for part in leaves if buffer.find(b"\0", part.body_start, part.end) >= 0]
    _check_rest(buffer, parts)
    return _pieces(buffer, parts)


def _check_rest(buffer: Buffer, parts: list[Part]) -> None:
    place = 0
    for part in parts:
        if buffer.find(b"\0", place, part.body_start) >= 0 or part.header_start == part.body_start:
            raise NotEncodable
        place = part.end
    if buffer.find(b"\0", place) >= 0:
        raise NotEncodable


def _pieces(buffer: Buffer, parts: list[Part]) -> Iterator[bytes]:
    place = 0
    for part in parts:
        header = parse_headers(buffer, part.header_start, part.body_start)
        fields = [field for field in header.fields if field.name.lower() == b"content-transfer-encoding"]
        yield from _copied(buffer, place, part.header_start)
        yield _FIELD
        place = part.header_start
        for field in fields:
            yield from _copied(buffer, place, field.start)
            place = field.end
        yield from _copied(buffer, place, part.body_start)
        yield from _encoded(buffer, part.body_start, part.end)
        place = part.end
    yield from _copied(buffer, place, len(buffer))


def _copied(buffer: Buffer, start: int, end: int) -> Iterator[bytes]:
    return (buffer[at : min(at + BLOCK, end)] for at in range(start, end, BLOCK))


def _encoded(buffer: Buffer, start: int, end: int) -> Iterator[bytes]:
    for at in range(start, end, _PIECE):
        piece = buffer[at : min(at + _PIECE, end)]
        lines = (piece[line : line + _LINE] for line in range(0, len(piece), _LINE))
        yield b"".join(binascii.b2a_base64(line, newline=False) + b"\r\n" for line in lines)
