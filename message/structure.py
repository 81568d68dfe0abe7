"""ENVELOPE and BODYSTRUCTURE as ready octets (RFC 9051 section 7.5.2, RFC 3501 section 7.4.2).

They are built once, when a message is filed, and sent as they are. Whatever the message holds, the octets follow the
IMAP grammar: strings are quoted when they are short and 7-bit, literals otherwise, and lists are never empty.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice

from message.address import Entry, entries
from message.content import Buffer
from message.headers import HeaderBlock, parse_headers
from message.parts import Part, RawParameters
from message.words import joined_parameters

#: Addresses shown in one ENVELOPE; the octets of the message keep the others.
ADDRESS_LIMIT = 10_000

_QUOTABLE = re.compile(rb"[\x01-\x09\x0b\x0c\x0e-\x7f]{0,1000}")
_SPECIAL = re.compile(rb'(["\\])')
_LANGUAGE = re.compile(rb"[A-Za-z0-9-]{1,64}")
# A NIL host would make the entry a group's marker: an address without domain gets a name that says so, as in Dovecot.
_NO_DOMAIN = b"MISSING_DOMAIN"
_NO_LOCAL = b"MISSING_MAILBOX"


def string(octets: bytes) -> bytes:
    """The octets as IMAP string: quoted if they may be, else a literal; NUL, which neither can hold, is left out."""
    octets = octets.replace(b"\x00", b"")
    if _QUOTABLE.fullmatch(octets):
        return b'"' + (_SPECIAL.sub(rb"\\\1", octets) if b'"' in octets or b"\\" in octets else octets) + b'"'
    return b"{%d}\r\n%b" % (len(octets), octets)


def nstring(octets: bytes | None) -> bytes:
    """``string``, or NIL for None."""
    return b"NIL" if octets is None else string(octets)


def envelope(headers: HeaderBlock) -> bytes:
    """The ENVELOPE of a header. A missing field is NIL, an empty one ``""``; Sender and Reply-To default to From."""
    budget = ADDRESS_LIMIT
    lists: dict[bytes, bytes] = {}
    for name in (b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc"):
        found = list(islice(_entries(headers, name), budget))
        budget -= len(found)
        lists[name] = b"(" + b"".join(map(_address, found)) + b")" if found else b"NIL"
    for name in (b"sender", b"reply-to"):
        if lists[name] == b"NIL":
            lists[name] = lists[b"from"]
    pieces = [nstring(headers.first(b"date")), nstring(headers.first(b"subject")), *lists.values()]
    pieces += [nstring(headers.first(b"in-reply-to")), nstring(headers.first(b"message-id"))]
    return b"(" + b" ".join(pieces) + b")"


def _entries(headers: HeaderBlock, name: bytes) -> Iterator[Entry]:
    for value in headers.all(name):
        yield from entries(value, ADDRESS_LIMIT)


def _address(entry: Entry) -> bytes:
    local, domain = entry.local, entry.domain
    if domain is not None:
        local, domain = local or _NO_LOCAL, domain or _NO_DOMAIN
    names = (nstring(entry.name or None), nstring(entry.route or None), nstring(local), nstring(domain))
    return b"(%b %b %b %b)" % names


def bodystructure(buffer: Buffer, root: Part, *, extended: bool = True) -> bytes:
    """The BODYSTRUCTURE of a message, or its BODY without extension data. Iterative, so depth costs no stack."""
    out: list[bytes] = []
    waiting: list[bytes | Part] = [root]
    while waiting:
        item = waiting.pop()
        if isinstance(item, bytes):
            out.append(item)
        elif item.children:
            waiting.append(_multipart_end(item, extended))
            waiting.extend(reversed(item.children))
            out.append(b"(")
        elif item.message is not None:
            inner = parse_headers(buffer, item.message.header_start, item.message.body_start)
            waiting += [b" %d%b)" % (item.lines, _extension(item, extended)), item.message]
            out.append(b"%b %b " % (_basic(item, b"message", b"rfc822"), envelope(inner)))
        else:
            out.append(_leaf(item, extended))
    return b"".join(out)


def _multipart_end(part: Part, extended: bool) -> bytes:
    rest = b" %b %b" % (_parameters(part.raw_params), _trailer(part)) if extended else b""
    return b" %b%b)" % (string(part.sub.encode("ascii")), rest)


def _leaf(part: Part, extended: bool) -> bytes:
    main, sub = part.main.encode("ascii"), part.sub.encode("ascii")
    if main == b"multipart" or (main == b"message" and sub == b"rfc822"):
        # The grammar wants the parts of these, and they were not looked into: encoded, or beyond the limits.
        main, sub = b"application", b"octet-stream"
    lines = b" %d" % part.lines if main == b"text" else b""
    return b"%b%b%b)" % (_basic(part, main, sub), lines, _extension(part, extended))


def _basic(part: Part, main: bytes, sub: bytes) -> bytes:
    return b"(%b %b %b %b %b %b %d" % (
        string(main),
        string(sub),
        _parameters(part.raw_params),
        nstring(part.id),
        nstring(part.description),
        string(part.encoding.encode("ascii")),
        part.size,
    )


def _extension(part: Part, extended: bool) -> bytes:
    return b" %b %b" % (nstring(part.md5), _trailer(part)) if extended else b""


def _trailer(part: Part) -> bytes:
    disposition = b"NIL"
    if part.disposition is not None:
        name = string(part.disposition.encode("ascii"))
        disposition = b"(%b %b)" % (name, _parameters(part.raw_disposition_params))
    return b"%b %b %b" % (disposition, _language(part.language), nstring(part.location))


def _parameters(raw: RawParameters) -> bytes:
    """Parameters as the message has them, which mail programs decode, continued ones in one piece; never ``()``."""
    return _list(octets for pair in joined_parameters(raw) for octets in pair)


def _language(value: bytes | None) -> bytes:
    return _list(_LANGUAGE.findall(value)) if value else b"NIL"


def _list(octets: Iterable[bytes]) -> bytes:
    strings = b" ".join(map(string, octets))
    return b"(%b)" % strings if strings else b"NIL"
