"""Entries of annotations, and the commands that name them, by the grammar of RFC 5464 section 5."""

from __future__ import annotations

import re

from imap.wire import commands as c
from imap.wire.errors import ParseError
from imap.wire.lexer import Lexer, T

#: Entries of one command, and octets of an entry's name.
_MOST_NAMED = 100
_NAME = 256

_SCOPE = re.compile(r"/(?:private|shared)(?:/[^/*%]+)*", re.IGNORECASE)
_VENDOR = re.compile(r"/[^/]+/vendor(?:/[^/]+)?", re.IGNORECASE)


def get_metadata(p: Lexer) -> c.Command:
    """Options stand before the mailbox in the grammar and after it in the examples: both are taken."""
    p.space()
    max_size: int | None = None
    depth: int | None = 0
    if p.next == b"(":
        max_size, depth = _options(p)
        p.space()
        mailbox = p.mailbox()
    else:
        mailbox = p.mailbox()
        if _OPTION.match(p.text, p.place):
            p.space()
            max_size, depth = _options(p)
    p.space()
    if p.next == b"(":
        entries = p.listed(lambda: entry(p))
    else:
        entries = [entry(p)]
        while p.take(b" "):
            entries.append(entry(p))
    return c.GetMetadata(mailbox, _few(entries), max_size, depth)


_OPTION = re.compile(rb" \((?:MAXSIZE|DEPTH) ", re.IGNORECASE)


def _options(p: Lexer) -> tuple[int | None, int | None]:
    max_size: int | None = None
    depth: int | None = 0

    def option() -> None:
        nonlocal max_size, depth
        if p.take_word(b"MAXSIZE"):
            p.space()
            max_size = p.number()
        elif p.take_word(b"DEPTH"):
            p.space()
            depth = None if p.take_word(b"INFINITY") else p.number(1)
        else:
            raise ParseError("there is no such option of GETMETADATA")

    p.listed(option)
    return max_size, depth


def set_metadata(p: Lexer) -> c.Command:
    """Values may hold NUL (literal8)."""
    p.space()
    mailbox = p.mailbox()
    p.space()

    def pair() -> tuple[str, bytes | None]:
        name = entry(p).lower()
        if _VENDOR.fullmatch(name) or name.count("/") < 2:
            raise ParseError("the name of an entry has more components")
        p.space()
        return name, _value(p)

    return c.SetMetadata(mailbox, _few(p.listed(pair)))


def _value(p: Lexer) -> bytes | None:
    if p.at_literal or p.next == b"~":
        value = p.literal8()
        if not isinstance(value, bytes):
            raise ParseError("a message is not expected here")
        return value
    return p.nstring()


def entry(p: Lexer) -> str:
    """The name of an entry as it was written. Raises ParseError for one that can't be (RFC 5464 section 3.2)."""
    octets = p.astring()
    if any(octet < 0x20 or octet > 0x7E for octet in octets) or len(octets) > _NAME:
        raise ParseError(f"the name of an entry is ASCII of up to {_NAME} octets")
    name = octets.decode("ascii")
    if not _SCOPE.fullmatch(name):
        raise ParseError("the name of an entry begins with /private/ or /shared/ and has no *, % or empty component")
    return name


def entries(p: Lexer) -> tuple[str, ...]:
    """One entry, or several in parentheses."""
    return _few(p.listed(lambda: entry(p)) if p.next == b"(" else [entry(p)])


def _few(named: list[T]) -> tuple[T, ...]:
    if len(named) > _MOST_NAMED:
        raise ParseError(f"a command names up to {_MOST_NAMED} entries")
    return tuple(named)
