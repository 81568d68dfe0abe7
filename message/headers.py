"""The header block of a message or part, as offsets over the octets: read, never written again.

What is stored, signed or sent again uses these offsets on the original octets, so no field is ever re-folded.
RFC 5322 section 2.2, tolerant of LF line ends and of lines that are no fields.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from message.content import Buffer
from message.words import FIELD_LIMIT, decode_words

# One logical line each: a field with its folded lines, or anything else. Possessive, so linear on any input.
_LINE = re.compile(rb"([!-9;-~]++)[ \t]*+:([^\n]*+\n?(?:[ \t][^\n]*+\n?)*+)|[^\n]*+\n|[^\n]++")
_BLANK_LINE = re.compile(rb"\n\r?\n")
# Lines that are no fields are not counted against the limit of fields, but may not be without end either.
_LINES_PER_FIELD = 4


class HeaderField(NamedTuple):
    """One field: ``name`` as written, offsets into the buffer; ``end`` is past the line end of the last folded line."""

    name: bytes
    start: int
    value_start: int
    end: int


@dataclass(frozen=True, slots=True)
class HeaderBlock:
    """The fields from ``start`` on; ``body_start`` is the offset after the blank line.

    ``complete`` is false when there were more fields than were to be read.
    """

    buffer: Buffer
    start: int
    body_start: int
    fields: tuple[HeaderField, ...]
    complete: bool
    _by_name: dict[bytes, list[HeaderField]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_name: dict[bytes, list[HeaderField]] = {}
        for entry in self.fields:
            by_name.setdefault(entry.name.lower(), []).append(entry)
        object.__setattr__(self, "_by_name", by_name)

    def first(self, name: bytes) -> bytes | None:
        """The raw value of the first field of that name (compared without case), unfolded and stripped; None if absent.

        Unfolding takes line ends out and leaves the white space (RFC 5322 section 2.2.3). At most 64 KiB are returned.
        """
        found = self._by_name.get(name.lower())
        return self.value(found[0]) if found else None

    def count(self, name: bytes) -> int:
        """How many fields of that name there are (compared without case)."""
        return len(self._by_name.get(name.lower(), ()))

    def all(self, name: bytes) -> list[bytes]:
        """The raw values of all fields of that name in message order, as ``first`` gives them."""
        return [self.value(entry) for entry in self._by_name.get(name.lower(), ())]

    def text(self, name: bytes) -> str:
        """The first field of that name decoded (RFC 2047), controls stripped; ``""`` when it is absent."""
        value = self.first(name)
        return decode_words(value) if value else ""

    def named(self, *names: bytes) -> list[HeaderField]:
        """The fields with any of these names, in message order."""
        wanted = {name.lower() for name in names}
        return [entry for entry in self.fields if entry.name.lower() in wanted]

    def value(self, entry: HeaderField) -> bytes:
        """The raw value of a field of this block, unfolded and stripped, at most 64 KiB."""
        raw = self.buffer[entry.value_start : min(entry.end, entry.value_start + FIELD_LIMIT)]
        return raw.replace(b"\r\n", b"").replace(b"\n", b"").strip(b" \t\r")


def blank_line_end(buffer: Buffer, start: int, end: int) -> tuple[int, int]:
    """Begin and end of the first blank line at or after the line start ``start``; ``end`` twice if there is none."""
    if start == 0:
        for ending in (b"\r\n", b"\n"):
            if buffer[: len(ending)] == ending:
                return 0, len(ending)
    match = _BLANK_LINE.search(buffer, max(start - 1, 0), end)
    return (match.start() + 1, match.end()) if match else (end, end)


def parse_headers(buffer: Buffer, start: int = 0, end: int | None = None, *, max_fields: int = 1000) -> HeaderBlock:
    """Read the header block that begins at ``start``; it ends at the first blank line, or at ``end``. Never raises."""
    limit = len(buffer) if end is None else end
    blank, body_start = blank_line_end(buffer, start, limit)
    return header_lines(buffer, start, blank, body_start, max_fields)


def header_lines(buffer: Buffer, start: int, blank: int, body_start: int, max_fields: int) -> HeaderBlock:
    """Read the fields in the lines from ``start`` to the blank line at ``blank``."""
    fields: list[HeaderField] = []
    read = start
    for match in islice(_LINE.finditer(buffer, start, blank), _LINES_PER_FIELD * max_fields):
        if match.lastindex:
            if len(fields) == max_fields:
                break
            fields.append(HeaderField(match[1], match.start(), match.start(2), match.end()))
        read = match.end()
    return HeaderBlock(buffer, start, body_start, tuple(fields), read == blank)
