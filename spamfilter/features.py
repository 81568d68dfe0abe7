"""A message as numbered features for both learners. Pure and deterministic.

The linear learner reads four groups, each normalised by itself so that a long text does not drown a short header:

- the tokens, which the Bayesian classifier counts as well,
- 4-grams of octets of the header as it came: programs that make mail differ in order, case and spacing of fields,
- 4-grams of the text as people read it, lower case and without accents: what words share when they are varied,
- the symbols of the rules that hit.

A fifth, tokens of the way that the message came, is for the Bayesian classifier alone.

A feature is known by the low bits of a hash only; features that fall on one number share what is learnt of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple, TypeVar
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from spamfilter.bayes.header_tokens import ADDED_ON_THE_WAY_IN, way_tokens
from spamfilter.bayes.tokenize import tokens
from spamfilter.views import Views
from spamfilter.words import unaccented

#: Rises with every change of what features a message gives; lessons of another version are not taken back.
VERSION = 3

BITS = 21
COUNT = 1 << BITS
_MASK = COUNT - 1

#: Octets of the header and of one field, and characters of the text, that are cut into 4-grams.
HEADER_READ, FIELD_READ, TEXT_READ = 1500, 240, 2000

# Knuth's multiplicative hashing (The Art of Computer Programming 6.4), another multiplier for each kind of 4-gram.
_HEADER_MULTIPLIER, _TEXT_MULTIPLIER = np.uint32(2654435761), np.uint32(2246822519)
_SHIFT = np.uint32(32 - BITS)
# Numbers in a header tell the day and the message; that there is a number tells the program.
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_NOT_CUT = ADDED_ON_THE_WAY_IN | {b"date"}

_Number = TypeVar("_Number", np.int64, np.uint32)

#: Distinct feature numbers, rising.
Numbers = NDArray[np.int64]


class Features(NamedTuple):
    """The features of a message, by group."""

    tokens: Numbers
    header: Numbers
    text: Numbers
    rules: Numbers
    way: Numbers

    @property
    def counted(self) -> Numbers:
        """What the Bayesian classifier counts."""
        return _once(np.concatenate((self.tokens, self.way)))


def features(views: Views, symbols: Iterable[str]) -> Features:
    """The features of a message for which rules hit with these symbols."""
    return features_of(numbered(tokens(views)), views, symbols)


def features_of(tokens: Mapping[str, int], views: Views, symbols: Iterable[str]) -> Features:
    """The same for a message with these tokens and their numbers."""
    return Features(
        _distinct(tokens.values()),
        _grams(_header(views), _HEADER_MULTIPLIER),
        _grams(_text(views), _TEXT_MULTIPLIER),
        _distinct([_BIAS, *map(rule_number, symbols)]),
        _distinct(map(_number, way_tokens(views))),
    )


def numbered(tokens: Collection[str]) -> dict[str, int]:
    """The number of each token."""
    try:
        return {token: crc32(token.encode()) & _MASK for token in tokens}
    except UnicodeEncodeError:
        return {token: _number(token) for token in tokens}


def rule_number(symbol: str) -> int:
    """The number of the feature that a rule's symbol is."""
    return _number("R:" + symbol)


def _number(name: str) -> int:
    # The polynomial of CRC spreads short texts evenly over its low bits, in a tenth of a cryptographic hash's time.
    return crc32(name.encode("utf-8", "surrogatepass")) & _MASK


_BIAS = _number("bias")


def _distinct(numbers: Iterable[int]) -> Numbers:
    return _once(np.fromiter(numbers, np.int64))


def _header(views: Views) -> bytes:
    buffer, pieces, left = views.evidence.buffer, [], HEADER_READ
    for field in views.headers.fields:
        if left <= 0:
            break
        if field.name.lower() not in _NOT_CUT:
            # Line ends depend on who stored the message.
            piece = bytes(buffer[field.start : min(field.end, field.start + FIELD_READ)]).replace(b"\r", b"").rstrip()
            pieces.append(piece)
            left -= len(piece) + 1
    return b"\n".join(pieces)[:HEADER_READ].translate(_DIGITS)


def _text(views: Views) -> bytes:
    shown = unaccented(f"{views.subject[:TEXT_READ]} {views.body[:TEXT_READ]}")
    return " ".join(shown.split()).encode("utf-8", "replace")[: 2 * TEXT_READ]


def _grams(octets: bytes, multiplier: np.uint32) -> Numbers:
    """The numbers of all runs of four octets: read as an integer at each octet."""
    if len(octets) < 4:
        return np.empty(0, np.int64)
    runs: NDArray[np.uint32] = np.ndarray((len(octets) - 3,), "<u4", octets, strides=(1,))
    numbers = runs * multiplier
    numbers >>= _SHIFT
    return _once(numbers).astype(np.int64)


def _once(numbers: NDArray[_Number]) -> NDArray[_Number]:
    """The distinct numbers, rising; sorts in place. Half the time of np.unique."""
    numbers.sort()
    first = np.empty(len(numbers), np.bool_)
    first[:1] = True
    np.not_equal(numbers[1:], numbers[:-1], out=first[1:])
    return numbers[first]
