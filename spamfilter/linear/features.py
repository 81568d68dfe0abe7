"""A message as numbered features for the linear learner. Pure and deterministic.

Four groups, each normalised by itself so that a long text does not drown a short header:

- the tokens that the Bayesian classifier counts,
- 4-grams of octets of the header as it came: programs that make mail differ in order, case and spacing of fields,
- 4-grams of the text as people read it, lower case and without accents: what words share when they are varied,
- the symbols of the rules that hit.

A feature is known by the low bits of a hash only; features that fall on one number share a weight.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import NamedTuple

from spamfilter.bayes.header_tokens import ADDED_ON_THE_WAY_IN
from spamfilter.bayes.tokenize import fingerprint
from spamfilter.views import Views
from spamfilter.words import unaccented

#: Rises with every change of what features a message gives; lessons of another version are not taken back.
VERSION = 1

BITS = 21
COUNT = 1 << BITS
_MASK = COUNT - 1

#: Octets of header and of one field, and characters of text, that are cut into 4-grams.
HEADER_READ, FIELD_READ, TEXT_READ = 2500, 240, 4000

# Knuth's multiplicative hashing (The Art of Computer Programming 6.4), another multiplier for each kind of 4-gram.
_HEADER_MULTIPLIER, _TEXT_MULTIPLIER = 2654435761, 2246822519
_SHIFT = 32 - BITS
_BIAS = fingerprint("bias") & _MASK


class Features(NamedTuple):
    """The distinct feature numbers of a message, by group."""

    tokens: frozenset[int]
    header: frozenset[int]
    text: frozenset[int]
    rules: frozenset[int]


def features(views: Views, tokens: Iterable[int], symbols: Iterable[str]) -> Features:
    """The features of a message with these tokens (their fingerprints), for which rules hit with these symbols."""
    return Features(
        frozenset([token & _MASK for token in tokens]),
        _grams(_header(views), _HEADER_MULTIPLIER),
        _grams(_text(views), _TEXT_MULTIPLIER),
        frozenset(rule_feature(symbol) for symbol in symbols) | {_BIAS},
    )


def rule_feature(symbol: str) -> int:
    """The number of the feature that a rule's symbol is."""
    return fingerprint("R:" + symbol) & _MASK


def _header(views: Views) -> bytes:
    buffer, pieces, left = views.evidence.buffer, [], HEADER_READ
    for field in views.headers.fields:
        if left <= 0:
            break
        if field.name.lower() not in ADDED_ON_THE_WAY_IN:
            # Line ends depend on who stored the message.
            piece = bytes(buffer[field.start : min(field.end, field.start + FIELD_READ)]).replace(b"\r", b"").rstrip()
            pieces.append(piece)
            left -= len(piece) + 1
    return b"\n".join(pieces)[:HEADER_READ]


def _text(views: Views) -> bytes:
    shown = unaccented(f"{views.subject[:1000]} {views.body[:TEXT_READ]}")
    return " ".join(shown.split()).encode("utf-8", "replace")


def _grams(octets: bytes, multiplier: int) -> frozenset[int]:
    """The numbers of all runs of four octets: unpacked as integers at each of the four offsets."""
    found: set[int] = set()
    for offset in range(min(4, len(octets) - 3)):
        found.update(struct.unpack_from(f"<{(len(octets) - offset) // 4}I", octets, offset))
    return frozenset([(gram * multiplier >> _SHIFT) & _MASK for gram in found])
