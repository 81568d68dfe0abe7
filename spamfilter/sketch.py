"""What two messages have in common when one was made from the other: a sketch of the text, digests of the files. Pure.

The sketch is a MinHash (Broder, "On the resemblance and containment of documents", 1997) over pairs of neighbouring
words: the share of equal octets of two sketches estimates the share of pairs that the texts have in common. Names,
amounts, links, invisible characters and a greeting elsewhere change few pairs; another letter of the same school has
few in common, even with the same vocabulary.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import sha256
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from spamfilter.signatures import Kind
from spamfilter.views import Attachment, Views
from spamfilter.words import folded, lower

#: Octets of a sketch. It rises with no version: sketches of another making are near to nothing, and are soon forgotten.
SIZE = 64
#: Equal octets from which on two texts are of one making: two fifths of the pairs.
NEAR = 26
#: Characters looked at, and pairs of words below which a text is too short to be told from others.
READ, FEWEST = 4096, 20
#: Digests of files that are kept of a message, their length in octets, and the smallest file worth one.
FILES, DIGEST, SMALLEST = 8, 16, 256

_NOT_LETTERS = bytes(c if chr(c).isalpha() or c >= 128 else 32 for c in range(256))
_PARAGRAPH = re.compile(r"\n\s*\n")
_SIGNATURE = re.compile(r"(?m)^-- ?$|^_{5,}\s*$")
# Under every letter of an organisation stands the same paragraph.
_NOTICE = re.compile(r"(?i)confiden(?:tiel|tial)")
_NOTICE_TOO = re.compile(r"(?i)destinataire|recipient|addressee|par erreur|in error")
_WORD = 3

_chance = np.random.Generator(np.random.PCG64(19970611))
_FACTORS = _chance.integers(0, 1 << 32, SIZE, dtype=np.uint32) | np.uint32(1)
_TERMS = _chance.integers(0, 1 << 32, SIZE, dtype=np.uint32)
del _chance

Sketches = NDArray[np.uint8]


def sketch(views: Views) -> bytes:
    """The sketch of what a message says, ``b""`` when it says too little."""
    return sketch_of(f"{views.subject}\n\n{views.body[:READ]}")


def sketch_of(text: str) -> bytes:
    """The sketch of a text without the signature and the notices under it."""
    octets = folded(_said(text[:READ])).encode("utf-8", "replace")
    if b"/" in octets or b"@" in octets:
        # Links and addresses are the first to be changed.
        octets = b" ".join([word for word in octets.split() if b"/" not in word and b"@" not in word])
    words = [crc32(word) for word in octets.translate(_NOT_LETTERS).split() if len(word) >= _WORD]
    if len(words) <= FEWEST:
        return b""
    hashes = np.array(words, np.uint32)
    pairs = _mixed(hashes[:-1] * np.uint32(0x9E3779B1) ^ hashes[1:])
    if len(set(pairs.tolist())) < FEWEST:
        return b""
    least: NDArray[np.uint32] = (pairs[:, None] * _FACTORS + _TERMS).min(axis=0)
    return (least >> np.uint32(12)).astype(np.uint8).tobytes()


def alike(sketches: Sketches, one: bytes) -> NDArray[np.int64]:
    """How many octets of each row are those of ``one``; 0 everywhere when it is empty."""
    if not one or not len(sketches):
        return np.zeros(len(sketches), np.int64)
    return np.asarray(np.count_nonzero(sketches == np.frombuffer(one, np.uint8), axis=1), np.int64)


def rows(sketches: Iterable[bytes]) -> Sketches:
    """Sketches as rows of an array. An empty one, and one of another length, becomes a row that is near to nothing."""
    whole = [one if len(one) == SIZE else b"" for one in sketches]
    return np.frombuffer(b"".join(one or bytes(SIZE) for one in whole), np.uint8).reshape(-1, SIZE)


def file_digests(views: Views) -> tuple[bytes, ...]:
    """The digests of the attached files that can tell a campaign: pictures can't, the same logo is in all letters.

    Of a text (HTML, SVG) white space and numbers don't count; of anything only the first 64 KiB: what is added behind
    to make each copy another one is not seen.
    """
    found = (_digest(one) for one in views.attachments if len(one.start) >= SMALLEST and not _is_picture(one))
    return tuple(dict.fromkeys(found))[:FILES]


def _is_picture(one: Attachment) -> bool:
    return one.type.startswith("image/") and one.kind is not Kind.SVG


def _digest(one: Attachment) -> bytes:
    octets = one.start
    if one.kind in (Kind.HTML, Kind.SVG) or one.type.startswith("text/"):
        octets = octets.translate(None, b" \t\r\n0123456789")
    return sha256(octets).digest()[:DIGEST]


def _said(text: str) -> str:
    # Plain searches first: most texts have neither, and expressions take twenty times as long.
    if ("--" in text or "_____" in text) and (signature := _SIGNATURE.search(text)):
        text = text[: signature.start()]
    if "conf" not in lower(text) or not _NOTICE.search(text):
        return text
    paragraphs = _PARAGRAPH.split(text)
    return "\n".join(one for one in paragraphs if not (_NOTICE.search(one) and _NOTICE_TOO.search(one)))


def _mixed(numbers: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Each number well spread (the finalizer of MurmurHash3)."""
    numbers = numbers ^ (numbers >> np.uint32(16))
    numbers *= np.uint32(0x85EBCA6B)
    numbers ^= numbers >> np.uint32(13)
    numbers *= np.uint32(0xC2B2AE35)
    return numbers ^ (numbers >> np.uint32(16))
