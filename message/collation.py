"""Comparison of texts without case: i;unicode-casemap (RFC 5051), and a looser one that also drops accents.

A folded text is octets: what is equal under the collation has equal octets, substrings of a text are substrings of its
octets (UTF-8 sees to that), and the order of octets is the order of the collation.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

_FOREIGN = re.compile("([^\x00-\x7f]+)")
#: Runs that are remembered, and characters of the longest of them.
_REMEMBERED = 50_000
_RUN = 8

#: Letters and marks that Unicode does not take apart, but people type without.
_PLAIN = {"Œ": "OE", "Æ": "AE", "ß": "SS", "Ø": "O", "Đ": "D", "Ł": "L", "’": "'", "‘": "'"}


def casemap(text: str) -> bytes:
    """The text under i;unicode-casemap (RFC 5051 section 2): each character in its simple titlecase, decomposed.

    Decomposition separates accents, which stay: ``é`` in one or two characters is the same, ``e`` is another. Letters
    that come out of a decomposition (the ``fi`` of a ligature) are mapped as well.
    """
    if text.isascii():
        return text.upper().encode()
    return _each_run(text, _mapped).encode("utf-8", "replace").upper()


def bare(folded: bytes) -> bytes:
    """A folded text without accents and ligatures. What is a substring before is one after."""
    if folded.isascii():
        return folded
    return _each_run(folded.decode("utf-8", "replace"), _bared).encode()


def loose_words(text: str) -> list[bytes]:
    """The words of a text without case and accents, as people type what they look for."""
    return bare(casemap(text)).split()


def _each_run(text: str, mapped: _Runs) -> str:
    """The text with every run of letters that are not ASCII mapped."""
    pieces = _FOREIGN.split(text)
    pieces[1::2] = map(mapped.__getitem__, pieces[1::2])
    return "".join(pieces)


class _Runs(dict[str, str]):
    """What runs of characters become, remembered: texts have the same few, often one accented letter, again and
    again."""

    def __init__(self, one: Callable[[str], str]) -> None:
        self._one = one

    def __missing__(self, run: str) -> str:
        mapped = "".join(map(self._one, run))
        if len(self) < _REMEMBERED and len(run) <= _RUN:
            self[run] = mapped
        return mapped


def _map(one: str) -> str:
    """The mapping of one character."""
    title = one.title()
    return unicodedata.normalize("NFKD", title if len(title) == 1 else one)


def _bare(one: str) -> str:
    return _PLAIN.get(one, "" if unicodedata.combining(one) else one)


_mapped = _Runs(_map)
_bared = _Runs(_bare)
