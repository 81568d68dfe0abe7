"""Comparison of texts without case: i;unicode-casemap (RFC 5051), and a looser one that also drops accents.

A folded text is octets: what is equal under the collation has equal octets, substrings of a text are substrings of its
octets (UTF-8 sees to that), and the order of octets is the order of the collation.
"""

from __future__ import annotations

import re
import unicodedata

_FOREIGN = re.compile("[^\x00-\x7f]+")
_REMEMBERED = 100_000
_mapped: dict[str, str] = {}
_bared: dict[str, str] = {}

#: Letters and marks that Unicode does not take apart, but people type without.
_PLAIN = {"Œ": "OE", "Æ": "AE", "ß": "SS", "Ø": "O", "Đ": "D", "Ł": "L", "’": "'", "‘": "'"}


def casemap(text: str) -> bytes:
    """The text under i;unicode-casemap (RFC 5051 section 2): each character in its simple titlecase, decomposed.

    Decomposition separates accents, which stay: ``é`` in one or two characters is the same, ``e`` is another. Letters
    that come out of a decomposition (the ``fi`` of a ligature) are mapped as well.
    """
    if text.isascii():
        return text.upper().encode()
    mapped = _FOREIGN.sub(lambda run: "".join([_mapped.get(one) or _map(one) for one in run[0]]), text)
    return mapped.encode("utf-8", "replace").upper()


def bare(folded: bytes) -> bytes:
    """A folded text without accents and ligatures. What is a substring before is one after."""
    if folded.isascii():
        return folded
    text = folded.decode("utf-8", "replace")
    return _FOREIGN.sub(
        lambda run: "".join([_bare(one) if (known := _bared.get(one)) is None else known for one in run[0]]), text
    ).encode()


def loose_words(text: str) -> list[bytes]:
    """The words of a text without case and accents, as people type what they look for."""
    return bare(casemap(text)).split()


def _map(one: str) -> str:
    """The mapping of one character, remembered; there are about as many as letters in use."""
    title = one.title()
    mapped = unicodedata.normalize("NFKD", title if len(title) == 1 else one)
    if len(_mapped) < _REMEMBERED:
        _mapped[one] = mapped
    return mapped


def _bare(one: str) -> str:
    bared = _PLAIN.get(one, "" if unicodedata.combining(one) else one)
    if len(_bared) < _REMEMBERED:
        _bared[one] = bared
    return bared
