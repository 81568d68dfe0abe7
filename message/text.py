"""The decoded text of a message: for the spam filter, for SEARCH, for people. Tolerant, bounded, never raising."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator

from message.content import Buffer
from message.markup import Html, read_html
from message.office import LARGEST, document_kind, document_text
from message.parts import Part, walk
from message.words import codec, decode_base64, decode_charset, decode_words

__all__ = ["Html", "codec", "decode_charset", "decode_words", "decoded", "part_text", "read_html", "searchable"]

_META_CHARSET = re.compile(rb"""<meta\s[^>]{0,200}?charset\s*=\s*["']?([\w-]{1,40})""", re.IGNORECASE)
_META_WITHIN = 2048
# Encoded octets read for one decoded octet at most: three for quoted-printable and line ends on top.
_EXPANSION = 4


def decoded(buffer: Buffer, part: Part, limit: int | None = None) -> bytes:
    """The body of a part with its transfer encoding undone (RFC 2045 section 6), at most ``limit`` octets.

    An encoding that is not known leaves the octets as they are.
    """
    end = part.end if limit is None else min(part.end, part.body_start + _EXPANSION * limit)
    octets = buffer[part.body_start : end]
    if part.encoding == "base64":
        octets = decode_base64(octets)
    elif part.encoding == "quoted-printable":
        octets = binascii.a2b_qp(octets)
    return octets[:limit]


def part_text(buffer: Buffer, part: Part, limit: int) -> str:
    """The text of a text part, HTML as source, of at most ``limit`` decoded octets.

    Without a charset parameter, HTML may name one itself (HTML standard, section 13.2.3.2).
    """
    octets = decoded(buffer, part, limit)
    charset = part.param("charset")
    if part.sub == "html" and (not charset or charset.lower() == "us-ascii"):
        named = _META_CHARSET.search(octets[:_META_WITHIN])
        charset = named[1].decode("ascii") if named else charset
    return decode_charset(octets, charset or "us-ascii")


def searchable(buffer: Buffer, root: Part, limit: int) -> Iterator[str]:
    """The text of every text part as a reader sees it, those of attached messages and of office documents too.

    ``limit`` octets in all.
    """
    for part in walk(root):
        if limit <= 0:
            return
        if part.main == "text":
            source = part_text(buffer, part, limit)
            limit -= min(part.size, limit)
            yield read_html(source, len(source)).text if part.sub == "html" else source
        elif part.main == "application" and (kind := document_kind(part.sub, part.filename)) is not None:
            text = document_text(decoded(buffer, part, LARGEST + 1), kind, limit)
            limit -= len(text)
            if text:
                yield text
