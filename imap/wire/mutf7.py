"""Mailbox names in modified UTF-7 (RFC 3501 section 5.1.3), strict in both directions."""

from __future__ import annotations

import binascii
import re

from imap.wire.errors import BadName

_PRINTABLE = re.compile(rb"[\x20-\x25\x27-\x7e]+")
_SHIFTED = re.compile(rb"&([A-Za-z0-9+,]*)-")
_RUNS = re.compile(r"[\x20-\x25\x27-\x7e]+|&|[^\x20-\x7e]+")
_PLAIN = re.compile(rb"[\x20-\x25\x27-\x7e]*\Z")


def decode(name: bytes) -> str:
    """The Unicode name. Raises BadName for anything that ``encode`` would have written in another way."""
    if _PLAIN.match(name):
        return name.decode("ascii")
    pieces: list[str] = []
    place = 0
    shifted_before = False
    while place < len(name):
        plain = _PRINTABLE.match(name, place)
        if plain:
            pieces.append(plain[0].decode("ascii"))
            place, shifted_before = plain.end(), False
            continue
        shifted = _SHIFTED.match(name, place)
        if not shifted:
            raise BadName("the mailbox name is not modified UTF-7")
        if shifted[1]:
            if shifted_before:
                raise BadName("the mailbox name leaves and enters base64 for nothing")
            pieces.append(_decode_shifted(shifted[1]))
        else:
            pieces.append("&")
        place, shifted_before = shifted.end(), bool(shifted[1])
    return "".join(pieces)


def _decode_shifted(digits: bytes) -> str:
    padded = digits.replace(b",", b"/") + b"=" * (-len(digits) % 4)
    try:
        octets = binascii.a2b_base64(padded, strict_mode=True)
        text = octets.decode("utf-16-be")
    except (binascii.Error, ValueError):
        raise BadName("the mailbox name is not modified UTF-7") from None
    if any("\x20" <= character <= "\x7e" for character in text) or _encode_shifted(text) != digits:
        raise BadName("the mailbox name is not in its shortest form")
    return text


def _encode_shifted(text: str) -> bytes:
    octets = text.encode("utf-16-be", "surrogatepass")
    return binascii.b2a_base64(octets, newline=False).rstrip(b"=").replace(b"/", b",")


def encode(name: str) -> bytes:
    """The octets for the wire."""
    if name.isascii() and name.isprintable() and "&" not in name:
        return name.encode("ascii")
    pieces: list[bytes] = []
    for run in _RUNS.findall(name):
        if run == "&":
            pieces.append(b"&-")
        elif "\x20" <= run[0] <= "\x7e":
            pieces.append(run.encode("ascii"))
        else:
            pieces.append(b"&" + _encode_shifted(run) + b"-")
    return b"".join(pieces)
