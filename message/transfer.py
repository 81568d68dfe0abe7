"""Transfer encodings undone in a stream (RFC 2045 section 6): memory is bounded whatever the size of the part."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator

from message.content import BLOCK, Buffer
from message.parts import Part

_NOT_BASE64 = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="))
_IDENTITY = ("", "7bit", "8bit", "binary")
#: Where a block of quoted-printable must not be cut: within an escape, a soft line break, or spaces before one.
_QP_TAIL = re.compile(rb"(?:=[0-9A-Fa-f]?|=?[ \t\r]+)\Z")
_QP_TAIL_LENGTH = 1000
#: Blanks at the end of a line were added on the way (RFC 2045 section 6.7, rule 3): "= " ends a line softly too.
_QP_BLANKS = re.compile(rb"(?<![ \t])[ \t]++(?=\r?\n)")


def known_encoding(part: Part) -> bool:
    """True when the part's transfer encoding can be undone."""
    return part.encoding in (*_IDENTITY, "base64", "quoted-printable") or _is_container(part)


def decoded_blocks(buffer: Buffer, part: Part) -> Iterator[bytes]:
    """The body of a part with its encoding undone, in blocks. Broken input is read as far as it goes, never refused.

    A multipart or a message in a part has no encoding of its own (RFC 2045 section 6.4).
    """
    blocks = (buffer[at : min(at + BLOCK, part.end)] for at in range(part.body_start, part.end, BLOCK))
    if _is_container(part) or part.encoding in _IDENTITY:
        return blocks
    return _base64(blocks) if part.encoding == "base64" else _quoted_printable(blocks)


def _is_container(part: Part) -> bool:
    return part.main == "multipart" or part.message is not None


def _base64(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Letters up to the first padding; what is no base64 is passed over, a lonely last letter too."""
    rest = b""
    for block in blocks:
        letters, padding, _ = (rest + block.translate(None, _NOT_BASE64)).partition(b"=")
        whole = len(letters) // 4 * 4
        if whole:
            yield binascii.a2b_base64(letters[:whole])
        rest = letters[whole:]
        if padding:
            break
    if len(rest) > 1:
        yield binascii.a2b_base64(rest + b"=" * (4 - len(rest)))


def _quoted_printable(blocks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for block in blocks:
        octets = rest + block
        tail = _QP_TAIL.search(octets, max(0, len(octets) - _QP_TAIL_LENGTH))
        cut = tail.start() if tail else len(octets)
        rest = octets[cut:]
        yield _qp_decoded(octets[:cut])
    if rest:
        yield _qp_decoded(rest.rstrip(b" \t"))


def _qp_decoded(octets: bytes) -> bytes:
    return binascii.a2b_qp(_QP_BLANKS.sub(b"", octets))
