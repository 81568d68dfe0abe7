"""What the linear learner knows before the site has taught it anything: weights that come with the package.

``tools/make_prior.py`` makes the file. It holds one signed 16-bit number a feature (little-endian, in ``PRIOR_UNIT``
units of ``spamfilter.linear.score``), compressed; numbers of features only, no word and no address of the mail that it
was made of.
"""

from __future__ import annotations

import lzma
import sys
from array import array
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from importlib.resources import files
from itertools import repeat

from spamfilter.linear.features import COUNT, VERSION

#: Units of the score in one unit of the file.
PRIOR_UNIT = 64


@dataclass(frozen=True)
class Prior:
    """Weights to begin with, in ``PRIOR_UNIT``; all zero knows nothing."""

    values: memoryview[int]

    @cached_property
    def digest(self) -> str:
        """Short name of these weights."""
        return blake2b(self.values.cast("B"), digest_size=4).hexdigest()

    @cached_property
    def knows(self) -> bool:
        """False for the prior that knows nothing."""
        return any(self.values)

    def weights(self) -> array[int]:
        """The weights of all features in units of the score."""
        return array("i", map(int.__mul__, self.values, repeat(PRIOR_UNIT)))


def nothing_known() -> Prior:
    """The prior for starting from nothing."""
    return Prior(memoryview(bytes(2 * COUNT)).cast("h"))


def shipped_prior() -> Prior:
    """The prior of this package. Raises ``ValueError`` when the file is not for this version of the features."""
    octets = lzma.decompress(files("spamfilter.linear").joinpath(f"prior-{VERSION}.xz").read_bytes())
    if len(octets) != 2 * COUNT:
        raise ValueError(f"prior-{VERSION}.xz holds {len(octets) // 2} weights, not {COUNT}: make it again")
    values = array("h", octets)
    if sys.byteorder == "big":
        values.byteswap()
    return Prior(memoryview(values))


def packed(weights: array[int], least: int) -> bytes:
    """Weights in units of the score as the octets of a prior file; those nearer to zero than ``least`` are dropped."""
    rounded = (round(weight / PRIOR_UNIT) if abs(weight) >= least else 0 for weight in weights)
    values = array("h", (min(max(value, -32768), 32767) for value in rounded))
    if sys.byteorder == "big":
        values.byteswap()
    return lzma.compress(values.tobytes(), preset=9 | lzma.PRESET_EXTREME)
