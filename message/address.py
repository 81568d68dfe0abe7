"""Mail addresses: header lists (RFC 5322 section 3.4), normal forms, sub-addresses.

The list parser is tolerant and linear; it works on octets so that ENVELOPE can show what was written, with the markers
of groups. ``parse_addresses`` gives the same list decoded and flattened.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import idna

from message.words import FIELD_LIMIT, decode_raw, decode_words, printable

_TOKEN = re.compile(
    rb"""
      "((?:[^"\\]++|\\.?)*+)"?                                  # 1 quoted string, its end may be missing
    | <((?:[^<>"]++|"(?:[^"\\]++|\\.?)*+"?)*+)>?                # 2 angle address
    | ([,;:])                                                   # 3 separators
    | (\()                                                      # 4 comment
    | (\s++)                                                    # 5 white space
    | ((?:[^\s"(),:;<>\[]++|\[[^\]\s"(),;<>]*+\]?)++)           # 6 atoms and domain literals
    | [)>]                                                      #   strays
    """,
    re.DOTALL | re.VERBOSE,
)
_QUOTED, _ANGLE, _SEPARATOR, _COMMENT, _SPACE, _ATOM = range(1, 7)
_COMMENT_MARK = re.compile(rb"\\.?|[()]", re.DOTALL)
_QUOTED_STRING = re.compile(rb'"((?:[^"\\]++|\\.?)*+)"?', re.DOTALL)
_QUOTED_OR_COMMENT = re.compile(_QUOTED_STRING.pattern + rb"|\(", re.DOTALL)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_WHITE = re.compile(rb"\s+")
_DOMAIN_LENGTH = 255  # RFC 1035 section 2.3.4; longer ones are not worth an IDNA look


class Entry(NamedTuple):
    """One element of an address list, octets as written with quoting removed.

    A group begins with an entry that has its name as ``local`` and no ``domain``, and ends with one that has neither
    (RFC 9051 section 7.5.2). A mailbox without a domain has ``b""`` for it. ``route`` is the obsolete source route that
    an address in angle brackets may begin with, without its colon (RFC 5322 section 4.4).
    """

    name: bytes
    local: bytes | None
    domain: bytes | None
    route: bytes = b""


@dataclass(frozen=True, slots=True)
class Address:
    """A mailbox: display name (decoded, no controls), local part as written, domain in lower case."""

    name: str
    local: str
    domain: str

    @property
    def spec(self) -> str:
        """``local@domain``, or the local part alone when there is no domain."""
        return f"{self.local}@{self.domain}" if self.domain else self.local


def parse_addresses(value: bytes | str, limit: int = 10_000) -> list[Address]:
    """The mailboxes of a header value, groups flattened, of at most ``limit`` elements and 64 KiB. Never raises."""
    octets = value.encode("utf-8", "replace") if isinstance(value, str) else value
    return [address(entry) for entry in entries(octets[:FIELD_LIMIT], limit) if entry.domain is not None]


def address(entry: Entry) -> Address:
    """An entry that is a mailbox, decoded."""
    local = printable(decode_raw(entry.local or b""))
    domain = printable(decode_raw(entry.domain or b"")).lower()
    return Address(decode_words(entry.name) if entry.name else "", local, domain)


def entries(value: bytes, limit: int) -> Iterator[Entry]:
    """The elements of an address list in order, at most ``limit``."""
    for count, entry in enumerate(_elements(value)):
        if count == limit:
            return
        yield entry


@dataclass(slots=True)
class _Element:
    """What was read since the last separator."""

    words: list[tuple[bytes, bool, bool]]  # text, was it quoted, does it touch the word before
    angle: bytes | None = None
    comment: bytes = b""
    touching: bool = False

    def add(self, text: bytes, quoted: bool) -> None:
        self.words.append((text, quoted, self.touching))
        self.touching = True

    def phrase(self, end: int | None = None) -> bytes:
        joined = b"".join(text if glued else b" " + text for text, _, glued in self.words[:end])
        return joined.strip()


def _elements(value: bytes) -> Iterator[Entry]:
    element = _Element([])
    in_group = False
    position = 0
    while match := _TOKEN.match(value, position):
        position = match.end()
        kind = match.lastindex
        if kind == _ATOM:
            element.add(match[_ATOM], False)
        elif kind == _SPACE:
            element.touching = False
        elif kind == _ANGLE:
            element.angle = match[_ANGLE]
        elif kind == _QUOTED:
            element.add(_unescape(match[_QUOTED]), True)
        elif kind == _COMMENT:
            position = _comment_end(value, position)
            element.comment = element.comment or value[match.end() : position].removesuffix(b")")
            element.touching = False
        elif kind == _SEPARATOR:
            separator = match[_SEPARATOR]
            if separator == b":":
                if in_group:
                    continue  # a group in a group does not exist; the colon is a stray
                in_group = True
                yield Entry(b"", element.phrase(), None)
            else:
                yield from _finish(element)
                if in_group and separator == b";":
                    in_group = False
                    yield Entry(b"", None, None)
            element = _Element([])
    yield from _finish(element)
    if in_group:
        yield Entry(b"", None, None)


def _comment_end(value: bytes, start: int) -> int:
    """Where the comment whose parenthesis opened before ``start`` ends; comments nest (RFC 5322 section 3.2.2)."""
    depth = 1
    for mark in _COMMENT_MARK.finditer(value, start):
        if mark[0] == b"(":
            depth += 1
        elif mark[0] == b")":
            depth -= 1
            if not depth:
                return mark.end()
    return len(value)


def _finish(element: _Element) -> Iterator[Entry]:
    if element.angle is not None:
        route, local, domain = _angle(element.angle)
        name = element.phrase() or element.comment
        if local or domain or name:
            yield Entry(name, local, domain, route)
    elif element.words:
        yield _bare(element)


def _angle(content: bytes) -> tuple[bytes, bytes, bytes]:
    """Route, local part and domain of what stands between angle brackets."""
    if b"(" in content:
        content = b"".join(_without_comments(content))
    spec = _WHITE.sub(b"", content) if b'"' not in content else content.strip()
    route = b""
    if spec.startswith(b"@") and b":" in spec:
        route, _, spec = spec.partition(b":")
    at = spec.rfind(b"@")
    if at < 0 or spec.rfind(b'"') > at:
        return route, _unquote(spec), b""
    return route, _unquote(spec[:at]), spec[at + 1 :]


def _without_comments(content: bytes) -> Iterator[bytes]:
    """The pieces between comments; a parenthesis in a quoted string opens none."""
    position = 0
    for mark in _QUOTED_OR_COMMENT.finditer(content):
        if mark.start() >= position and mark[0] == b"(":
            yield content[position : mark.start()]
            position = _comment_end(content, mark.end())
    yield content[position:]


def _bare(element: _Element) -> Entry:
    """An address without angle brackets: what touches the last ``@``, blanks about the sign itself allowed."""
    words = element.words
    middle = next((i for i in range(len(words) - 1, -1, -1) if not words[i][1] and b"@" in words[i][0]), None)
    if middle is None:
        return Entry(element.comment, element.phrase(), b"")
    local, _, domain = words[middle][0].rpartition(b"@")
    first, last = middle, middle
    while first > 0 and (words[first][2] or (first == middle and not local)):
        first -= 1
        local = words[first][0] + local
    while last + 1 < len(words) and (words[last + 1][2] or (last == middle and not domain)):
        last += 1
        domain += words[last][0]
    return Entry(element.phrase(first) or element.comment, local, domain)


def _unquote(local: bytes) -> bytes:
    return _QUOTED_STRING.sub(lambda quoted: _unescape(quoted[1]), local) if b'"' in local else local


def _unescape(text: bytes) -> bytes:
    return _ESCAPED.sub(rb"\1", text) if b"\\" in text else text


def split(address: str) -> tuple[str, str]:
    """Local part and domain, cut at the last ``@``; the domain is ``""`` when there is none."""
    local, at, domain = address.rpartition("@")
    return (local, domain) if at else (address, "")


def ascii_domain(domain: str) -> str:
    """A domain in lower-case A-labels; what is not valid under IDNA 2008 is only put into lower case."""
    if domain.isascii() or len(domain) > _DOMAIN_LENGTH:
        return domain.lower()
    try:
        return idna.encode(domain, uts46=True).decode("ascii").lower()
    except UnicodeError:
        return domain.lower()


def without_detail(local: str) -> str:
    """The local part without its ``+detail`` (RFC 5233): ``marie+ecole`` is delivered to ``marie``."""
    return local.partition("+")[0] or local
