"""The MIME tree of a message as byte offsets (RFC 2045, RFC 2046): what FETCH, the index and the spam filter stand on.

One pass over the octets, with an explicit stack: linear in the size, bounded in depth and number of parts, never
raising, never recursing. A delimiter is looked up among the open boundaries in one step, so neither deep nesting nor
many parts cost more than their octets.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from message.content import BLOCK, Buffer
from message.headers import HeaderBlock, blank_line_end, header_lines, parse_headers
from message.words import decode_parameters, raw_parameters

RawParameters = tuple[tuple[bytes, bytes], ...]

_MEDIA_TYPE = re.compile(rb"\s*([!#$%&'*+.^_`{|}~0-9A-Za-z-]{1,127})\s*/\s*([!#$%&'*+.^_`{|}~0-9A-Za-z-]{1,127})")
_TOKEN = re.compile(rb"\s*\"?([!#$%&'*+.^_`{|}~0-9A-Za-z-]{1,127})")
_DELIMITER = re.compile(rb"\n--([^\n]*+)")
#: Longest boundary taken; RFC 2046 section 5.1.1 allows 70.
BOUNDARY_LIMIT = 2048
_FIELDS_PER_PART = 1000
_US_ASCII: RawParameters = ((b"charset", b"us-ascii"),)


class Part(NamedTuple):
    """One part: its header is at ``header_start``..``body_start``, its body at ``body_start``..``end``.

    ``end`` leaves out the line end before the next delimiter, which belongs to that (RFC 2046 section 5.1.1). ``main``
    and ``sub`` are in lower case; a type that is no valid one, or a multipart without boundary, is text/plain (RFC 2045
    section 5.2); a container beyond the limits of the scan is application/octet-stream. ``params`` are decoded
    (RFC 2231) with names in lower case, ``raw_params`` as written. ``lines`` counts line ends in the bodies of text and
    message parts and is 0 for others. A multipart has at least one child: where there is none in the octets, an empty
    text/plain. ``message`` is the root of the message in a message/rfc822 part.
    """

    header_start: int
    body_start: int
    end: int
    main: str = "text"
    sub: str = "plain"
    params: tuple[tuple[str, str], ...] = ()
    encoding: str = "7bit"
    disposition: str | None = None
    disposition_params: tuple[tuple[str, str], ...] = ()
    lines: int = 0
    children: tuple[Part, ...] = ()
    message: Part | None = None
    raw_params: RawParameters = ()
    raw_disposition_params: RawParameters = ()
    id: bytes | None = None
    description: bytes | None = None
    md5: bytes | None = None
    language: bytes | None = None
    location: bytes | None = None

    def param(self, name: str) -> str | None:
        """A parameter of the Content-Type by its name in lower case, decoded."""
        return next((value for key, value in self.params if key == name), None)

    @property
    def filename(self) -> str | None:
        """The name given to the part, decoded: ``filename`` of the disposition, else ``name`` of the type.

        It is the sender's word: never to be used as a path.
        """
        named = next((value for key, value in self.disposition_params if key == "filename"), None)
        return named if named is not None else self.param("name")

    @property
    def size(self) -> int:
        """Octets of the body as encoded."""
        return self.end - self.body_start


@dataclass(slots=True)
class _Open:
    """A part whose end is not known yet."""

    headers: HeaderBlock
    main: str
    sub: str
    raw_params: RawParameters
    encoding: str
    boundary: bytes | None  # of a multipart whose closing delimiter has not been seen
    is_message: bool
    lines_before: int = 0
    inner: list[Part] = field(default_factory=list)


def scan(buffer: Buffer, headers: HeaderBlock | None = None, *, max_depth: int = 100, max_parts: int = 1000) -> Part:
    """The MIME tree of a whole message. Never raises.

    A container nested deeper than ``max_depth`` is one application/octet-stream leaf. When there are ``max_parts``
    parts, the rest of the message belongs to the last of them.
    """
    return _Scan(buffer, max_depth, max_parts).run(headers or parse_headers(buffer))


class _Scan:
    """One pass: the stack of open parts, the open boundaries, and how far delimiters and lines are read."""

    def __init__(self, buffer: Buffer, max_depth: int, max_parts: int) -> None:
        self._buffer = buffer
        self._size = len(buffer)
        self._max_depth = max_depth
        self._parts_left = max_parts
        self._stack: list[_Open] = []
        self._levels: dict[bytes, list[int]] = {}  # open boundary -> where in the stack its multiparts are
        self._blank = (-1, -1)
        self._counted = (0, 0)  # octets and line ends in them

    def run(self, headers: HeaderBlock) -> Part:
        self._delimiters = _DELIMITER.finditer(self._buffer, max(headers.body_start - 1, 0))
        self._delimiter: re.Match[bytes] | None = None
        self._open(headers, in_digest=False)
        if self._stack[0].boundary or self._stack[0].is_message:
            self._advance()
            self._open_message()
            self._follow_delimiters()
        return self._close(0, self._size)

    def _advance(self) -> None:
        self._delimiter = next(self._delimiters, None)

    def _follow_delimiters(self) -> None:
        while self._levels and self._parts_left > 0 and self._delimiter is not None:
            line = self._delimiter
            found = self._delimited(line)
            self._advance()
            if found is None:
                continue
            level, closing = found
            if level + 1 < len(self._stack):
                self._stack[level].inner.append(self._close(level + 1, self._before(line)))
            if closing:
                self._forget_boundary(self._stack[level])
            else:
                self._open_at(min(line.end() + 1, self._size), in_digest=self._stack[level].sub == "digest")
                self._open_message()

    def _delimited(self, line: re.Match[bytes]) -> tuple[int, bool] | None:
        """Which open multipart the line delimits, by its place in the stack, and whether it closes it."""
        if line.end() - line.start() > BOUNDARY_LIMIT + 8:
            return None
        text = line[1].rstrip(b" \t\r")
        if levels := self._levels.get(text):
            return levels[-1], False
        if text.endswith(b"--") and (levels := self._levels.get(text[:-2])):
            return levels[-1], True
        return None

    def _before(self, line: re.Match[bytes]) -> int:
        """Where the line end begins that belongs to the delimiter."""
        start = line.start()
        return start - 1 if start and self._buffer[start - 1 : start] == b"\r" else start

    def _open_at(self, start: int, *, in_digest: bool) -> None:
        blank, body_start = self._blank_line(start)
        # A delimiter may come before the blank line: then the header ends with it and there is no body.
        while self._delimiter is not None and self._delimiter.start() + 1 < blank:
            if self._delimited(self._delimiter):
                blank = body_start = max(self._delimiter.start() + 1, start)
                break
            self._advance()
        self._open(header_lines(self._buffer, start, blank, body_start, _FIELDS_PER_PART), in_digest=in_digest)

    def _open_message(self) -> None:
        """Go into message/rfc822 parts, as long as the innermost open part is one."""
        while self._stack[-1].is_message:
            self._open_at(self._stack[-1].headers.body_start, in_digest=False)

    def _blank_line(self, start: int) -> tuple[int, int]:
        # The last one found is still the first after a later start; otherwise each part would search the whole rest.
        if self._blank[0] < start:
            self._blank = blank_line_end(self._buffer, start, self._size)
        return self._blank

    def _open(self, headers: HeaderBlock, *, in_digest: bool) -> None:
        self._parts_left -= 1
        main, sub, raw_params = _content_type(headers, in_digest)
        encoding = _token(headers.first(b"content-transfer-encoding")) or "7bit"
        boundary = None
        is_message = main == "message" and sub == "rfc822" and encoding in ("7bit", "8bit", "binary")
        if main == "multipart":
            boundary = _boundary(raw_params)
            if boundary is None:
                main, sub = "text", "plain"
        if (boundary or is_message) and (len(self._stack) >= self._max_depth or self._parts_left <= 0):
            main, sub, boundary, is_message = "application", "octet-stream", None, False
        part = _Open(headers, main, sub, raw_params, encoding, boundary, is_message)
        if boundary:
            self._levels.setdefault(boundary, []).append(len(self._stack))
        elif is_message:
            part.lines_before = self._lines_until(headers.body_start)
        self._stack.append(part)

    def _forget_boundary(self, part: _Open) -> None:
        if part.boundary is not None:
            levels = self._levels[part.boundary]
            levels.pop()
            if not levels:
                del self._levels[part.boundary]
            part.boundary = None

    def _close(self, level: int, end: int) -> Part:
        """End the parts from the innermost to the one at ``level`` of the stack, which is returned."""
        while True:
            part = self._stack.pop()
            self._forget_boundary(part)
            # A delimiter right after the blank line has its line end in common with it: bodies are empty, not negative.
            end = max(end, part.headers.body_start)
            closed = self._finish(part, end)
            if len(self._stack) == level:
                return closed
            self._stack[-1].inner.append(closed)

    def _finish(self, part: _Open, end: int) -> Part:
        first = part.headers.first
        body_start = part.headers.body_start
        lines = 0
        if part.main == "text":
            lines = _count_lines(self._buffer, body_start, end)
        elif part.is_message:
            lines = self._lines_until(end) - part.lines_before
        disposition = first(b"content-disposition")
        raw_disposition_params = raw_parameters(disposition) if disposition else ()
        children = tuple(part.inner) if part.main == "multipart" else ()
        if part.main == "multipart" and not children:
            children = (Part(end, end, end),)
        return Part(
            part.headers.start, body_start, end, part.main, part.sub,
            decode_parameters(part.raw_params), part.encoding, _token(disposition),
            decode_parameters(raw_disposition_params), lines, children,
            part.inner[0] if part.is_message else None,
            part.raw_params, raw_disposition_params,
            first(b"content-id"), first(b"content-description"), first(b"content-md5"),
            first(b"content-language"), first(b"content-location"),
        )  # fmt: skip

    def _lines_until(self, offset: int) -> int:
        """Line ends before the offset. Offsets asked for hardly ever go back, so each octet is counted once."""
        counted, lines = self._counted
        if offset >= counted:
            lines += _count_lines(self._buffer, counted, offset)
        else:
            lines -= _count_lines(self._buffer, offset, counted)
        self._counted = (offset, lines)
        return lines


def _count_lines(buffer: Buffer, start: int, end: int) -> int:
    if isinstance(buffer, bytes):
        return buffer.count(b"\n", start, end)
    return sum(buffer[at : min(at + BLOCK, end)].count(b"\n") for at in range(start, end, BLOCK))


def _content_type(headers: HeaderBlock, in_digest: bool) -> tuple[str, str, RawParameters]:
    value = headers.first(b"content-type")
    if value is None:
        return ("message", "rfc822", ()) if in_digest else ("text", "plain", _US_ASCII)
    media = _MEDIA_TYPE.match(value)
    if media is None:
        return "text", "plain", raw_parameters(value) or _US_ASCII
    return media[1].decode("ascii").lower(), media[2].decode("ascii").lower(), raw_parameters(value)


def _boundary(raw_params: RawParameters) -> bytes | None:
    written = next((value for name, value in raw_params if name.lower() == b"boundary"), None)
    if written is None:
        written = dict(decode_parameters(raw_params)).get("boundary", "").encode("utf-8", "replace")
    boundary = written.rstrip()
    return boundary if 0 < len(boundary) <= BOUNDARY_LIMIT else None


def _token(value: bytes | None) -> str | None:
    match = _TOKEN.match(value) if value else None
    return match[1].decode("ascii").lower() if match else None


def walk(root: Part) -> Iterator[Part]:
    """The part and all parts in it, depth first; parts of messages in message/rfc822 parts included."""
    waiting = [root]
    while waiting:
        part = waiting.pop()
        yield part
        waiting.extend(reversed(part.children))
        if part.message is not None:
            waiting.append(part.message)


def find(root: Part, numbers: tuple[int, ...]) -> Part | None:
    """The part that IMAP part numbers name (RFC 9051 section 6.4.5), None when there is no such part.

    No numbers name the root. Part 1 of a message that is no multipart is its body; below a message/rfc822 part the
    numbers run on into the message.
    """
    part = root
    in_message = True
    for number in numbers:
        container = part if in_message else part.message or part
        if container.children:
            if not 1 <= number <= len(container.children):
                return None
            part = container.children[number - 1]
        elif number == 1 and (in_message or part.message is not None):
            part = container
        else:
            return None
        in_message = False
    return part


def dump(root: Part) -> bytes:
    """The tree as octets for the index: a JSON list of parts, depth first, each with the number of parts in it."""
    return json.dumps([_record(part) for part in walk(root)], separators=(",", ":")).encode("ascii")


def _record(part: Part) -> list[object]:
    return [
        part.header_start,
        part.body_start,
        part.end,
        part.lines,
        -1 if part.message is not None else len(part.children),
        part.main,
        part.sub,
        part.encoding,
        part.disposition,
        [text.decode("latin-1") for pair in part.raw_params for text in pair],
        [text.decode("latin-1") for pair in part.raw_disposition_params for text in pair],
        *(
            value and value.decode("latin-1")
            for value in (part.id, part.description, part.md5, part.language, part.location)
        ),
    ]


def load(octets: bytes) -> Part:
    """The tree that ``dump`` wrote. Raises ValueError when the octets are not of that form."""
    built: list[Part] = []
    # Backwards, a container comes after its parts, which are then the last ones built.
    for record in reversed(json.loads(octets)):
        inner = record[4]
        count = abs(inner)
        parts = built[len(built) - count :][::-1]
        del built[len(built) - count :]
        built.append(_from_record(record, () if inner < 0 else tuple(parts), parts[0] if inner < 0 else None))
    (root,) = built
    return root


def _from_record(record: list[Any], children: tuple[Part, ...], message: Part | None) -> Part:
    header_start, body_start, end, lines, _, main, sub, encoding, disposition, *texts = record
    raw_params, raw_disposition_params = (_pairs(flat) for flat in texts[:2])
    id_, description, md5, language, location = (text and text.encode("latin-1") for text in texts[2:])
    return Part(
        header_start, body_start, end, main, sub, decode_parameters(raw_params), encoding, disposition,
        decode_parameters(raw_disposition_params), lines, children, message, raw_params, raw_disposition_params,
        id_, description, md5, language, location,
    )  # fmt: skip


def _pairs(flat: list[str]) -> RawParameters:
    octets = [text.encode("latin-1") for text in flat]
    return tuple(zip(octets[::2], octets[1::2], strict=True))
