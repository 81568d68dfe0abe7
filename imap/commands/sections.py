"""Sections of a message: from what offsets of the stored octets they come (RFC 3501 section 6.4.5)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from types import TracebackType

from imap.wire.commands import Binary, Item, Section
from message.content import Buffer, Content
from message.headers import parse_headers
from message.parts import Part, find, load, scan
from message.preview import preview
from message.structure import bodystructure
from message.summary import LIST_FIELDS
from message.transfer import decoded_blocks, known_encoding


def served_by_fields(section: Section) -> bool:
    """True when the column of list fields has all that the section asks for."""
    return section.text == "HEADER.FIELDS" and not section.numbers and LIST_FIELDS.issuperset(section.fields)


def is_whole(item: Item) -> bool:
    """True for the message from its first octet to its last, which takes no knowledge of its parts."""
    return (isinstance(item, Section) and not item.numbers and not item.text) or (
        isinstance(item, Binary) and not item.numbers
    )


@lru_cache(maxsize=256)
def _field_pattern(names: tuple[bytes, ...]) -> re.Pattern[bytes]:
    alternatives = b"|".join(map(re.escape, names))
    return re.compile(rb"^(?:" + alternatives + rb")[ \t]*:.*\n(?:[ \t].*\n)*", re.IGNORECASE | re.MULTILINE)


def listed_fields(fields: bytes, names: tuple[bytes, ...]) -> bytes:
    """The named ones of ready header lines, and the blank line that always ends them."""
    return b"".join((*_field_pattern(names).findall(fields), b"\r\n"))


def label(section: Section | Binary) -> bytes:
    """The item's name in the answer, with the origin of a partial (RFC 3501 section 7.4.2)."""
    return section.label + (b"<%d> " % section.partial[0] if section.partial else b" ")


def partial_of(section: Section, octets: bytes) -> bytes:
    """A whole item: its name and the octets asked for as a literal."""
    if section.partial:
        origin, count = section.partial
        octets = octets[origin : origin + count]
    return b"%b{%d}\r\n%b" % (label(section), len(octets), octets)


class UnknownEncoding(Exception):
    """A part's transfer encoding can't be undone."""


#: Encoded octets from which on a part is decoded twice, to know its length, instead of being held decoded.
_HELD = 1024 * 1024


class Body:
    """The opened octets of a message, cut by its MIME tree. Close it after use."""

    def __init__(self, content: Content, parts: bytes) -> None:
        self._content = content
        self._parts = parts
        self._root: Part | None = None

    def __enter__(self) -> Body:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._content.close()

    @property
    def _buffer(self) -> Buffer:
        return self._content.buffer()

    @property
    def root(self) -> Part:
        if self._root is None:
            self._root = load(self._parts) if self._parts else scan(self._buffer)
        return self._root

    def plain_structure(self) -> bytes:
        """BODY without extension data."""
        return bodystructure(self._buffer, self.root, extended=False)

    def preview(self) -> str:
        """The first words."""
        return preview(self._buffer, self.root)

    def section(self, section: Section) -> memoryview | None:
        """The octets of a section, no others are read; None when there is no such part.

        Raises Unreadable.
        """
        span = self._span(section)
        if span is None:
            return None
        fields = self._fields(section, *span) if section.text.startswith("HEADER.FIELDS") else None
        start, end = span if fields is None else (0, len(fields))
        if section.partial:
            start = min(start + section.partial[0], end)
            end = min(start + section.partial[1], end)
        return memoryview(self._content.cut(start, end) if fields is None else fields[start:end])

    def binary(self, item: Binary) -> tuple[int, bool, Iterator[bytes]] | None:
        """Length of a part's decoded octets or of what was asked of them, whether NUL is among them, and the octets.

        None when there is no such part. Raises UnknownEncoding.
        """
        start, count = item.partial or (0, None)
        if not item.numbers:
            # The message itself has no encoding: its parts have.
            end = self._content.size if count is None else min(self._content.size, start + count)
            return _measured(lambda: self._blocks(start, end), held=False)
        part = find(self.root, item.numbers)
        if part is None:
            return None
        if not known_encoding(part):
            raise UnknownEncoding
        return _measured(lambda: _cut(decoded_blocks(self._buffer, part), start, count), held=part.size <= _HELD)

    def _blocks(self, start: int, end: int) -> Iterator[bytes]:
        octets = self._buffer
        return (octets[at : min(at + _HELD, end)] for at in range(start, end, _HELD))

    def _span(self, section: Section) -> tuple[int, int] | None:
        if not section.numbers:
            return self._message_span(section.text)
        part = find(self.root, section.numbers)
        if part is None:
            return None
        if section.text == "":
            return part.body_start, part.end
        if section.text == "MIME":
            return part.header_start, part.body_start
        # HEADER and TEXT of a part are those of the message in it.
        inner = part.message
        if inner is None:
            return None
        return (inner.body_start, inner.end) if section.text == "TEXT" else (inner.header_start, inner.body_start)

    def _message_span(self, text: str) -> tuple[int, int]:
        size = self._content.size
        if text == "":
            return 0, size
        return (self.root.body_start, size) if text == "TEXT" else (0, self.root.body_start)

    def _fields(self, section: Section, start: int, end: int) -> bytes:
        """Whole fields in the order of the message, and a blank line even when none matched."""
        excluded = section.text.endswith(".NOT")
        octets = self._content.cut(start, end)
        block = parse_headers(octets, 0, end - start)
        wanted = set(section.fields)
        lines = [
            octets[field.start : field.end] for field in block.fields if (field.name.lower() in wanted) is not excluded
        ]
        return b"".join((*lines, b"\r\n"))


def _cut(blocks: Iterator[bytes], start: int, count: int | None) -> Iterator[bytes]:
    """``count`` octets (None: all) from ``start`` on."""
    for block in blocks:
        piece = block[start:] if start else block
        start = max(0, start - len(block))
        if count is not None:
            piece, count = piece[:count], count - min(count, len(piece))
        if piece:
            yield piece
        if count == 0:
            return


def _measured(blocks: Callable[[], Iterator[bytes]], *, held: bool) -> tuple[int, bool, Iterator[bytes]]:
    """Length and octets; ``held`` when they are few enough to be kept between measuring and sending."""
    first = list(blocks()) if held else blocks()
    size, nul = 0, False
    for block in first:
        size += len(block)
        nul = nul or b"\0" in block
    return size, nul, iter(first) if isinstance(first, list) else blocks()
