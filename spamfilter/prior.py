"""What the learners know before the site has taught them anything; it comes with the package.

``tools/make_prior.py`` makes the file. For each feature that says something it holds the share of spam that the
Bayesian classifier assumes and the weight that the linear learner begins with; numbers of features only, no word and no
address of the mail that it was made of. What the site teaches soon outweighs it.
"""

from __future__ import annotations

import lzma
import struct
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from spamfilter.features import COUNT, VERSION, Numbers

#: A share of one half, of spam only being twice as much and of ham only 0; units of weight in one unit of the file.
HALF = 127
WEIGHT_UNIT = 256

_HEAD = struct.Struct("<8sII")
_MAGIC = b"prior\0\0\1"
FILE = f"prior-{VERSION}.xz"


@dataclass(frozen=True)
class Prior:
    """Features by rising number, each with its assumed share of spam (0..2 * ``HALF``) and its weight in
    ``WEIGHT_UNIT``."""

    numbers: Numbers
    shares: NDArray[np.uint8]
    weights: NDArray[np.int16]

    @property
    def knows(self) -> bool:
        """False for the prior that knows nothing."""
        return len(self.numbers) > 0

    @cached_property
    def digest(self) -> str:
        """Short name of this knowledge."""
        return blake2b(self.packed(), digest_size=4).hexdigest()

    def weights_of(self, numbers: Numbers) -> NDArray[np.int32]:
        """The weights of these features in units of the score, 0 for those that are not known."""
        if not self.knows:
            return np.zeros(len(numbers), np.int32)
        at = np.minimum(np.searchsorted(self.numbers, numbers), len(self.numbers) - 1)
        found: NDArray[np.int32] = np.where(self.numbers[at] == numbers, self.weights[at], 0).astype(np.int32)
        return found * np.int32(WEIGHT_UNIT)

    def packed(self) -> bytes:
        """The octets of the file, before compression: numbers as steps from the one before, shares, weights."""
        steps = np.diff(self.numbers, prepend=0).astype("<u4")
        head = _HEAD.pack(_MAGIC, VERSION, len(self.numbers))
        return head + steps.tobytes() + self.shares.tobytes() + self.weights.astype("<i2").tobytes()


def nothing_known() -> Prior:
    """The prior for starting from nothing."""
    return Prior(np.empty(0, np.int64), np.empty(0, np.uint8), np.empty(0, np.int16))


def shipped_prior() -> Prior:
    """The prior of this package. Raises ``ValueError`` when the file is not for this version of the features."""
    return unpacked(lzma.decompress(files("spamfilter").joinpath(FILE).read_bytes()))


def unpacked(octets: bytes) -> Prior:
    """The prior out of ``Prior.packed``. Raises ``ValueError``."""
    magic, version, count = _HEAD.unpack_from(octets) if len(octets) >= _HEAD.size else (b"", 0, 0)
    if magic != _MAGIC or version != VERSION or len(octets) != _HEAD.size + 7 * count:
        raise ValueError(f"{FILE} is no prior for version {VERSION} of the features: make it again")
    at = _HEAD.size
    numbers = np.cumsum(np.frombuffer(octets, "<u4", count, at), dtype=np.int64)
    shares = np.frombuffer(octets, np.uint8, count, at + 4 * count)
    weights = np.frombuffer(octets, "<i2", count, at + 5 * count).astype(np.int16)
    if count and int(numbers[-1]) >= COUNT:
        raise ValueError(f"{FILE} holds features that there are not: make it again")
    return Prior(numbers, shares, weights)
