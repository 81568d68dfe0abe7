from __future__ import annotations

import numpy as np
import pytest

from spamfilter.features import COUNT
from spamfilter.prior import HALF, WEIGHT_UNIT, Prior, nothing_known, shipped_prior, unpacked

PRIOR = Prior(np.array([0, 70, COUNT - 1]), np.array([254, 0, HALF], np.uint8), np.array([5, -7, 32767], np.int16))


def test_packed_and_unpacked_is_the_same() -> None:
    again = unpacked(PRIOR.packed())
    for ours, theirs in ((PRIOR.numbers, again.numbers), (PRIOR.shares, again.shares), (PRIOR.weights, again.weights)):
        assert np.array_equal(ours, theirs)
    assert again.digest == PRIOR.digest != nothing_known().digest


def test_weights_of_features() -> None:
    asked = np.array([0, 1, 70, 71, COUNT - 1])
    assert (PRIOR.weights_of(asked) / WEIGHT_UNIT).tolist() == [5, 0, -7, 0, 32767]
    assert nothing_known().weights_of(asked).tolist() == [0] * 5


@pytest.mark.parametrize("octets", [b"", b"x" * 40, PRIOR.packed()[:-1], PRIOR.packed() + b"\0"])
def test_another_file_is_no_prior(octets: bytes) -> None:
    with pytest.raises(ValueError, match="make it again"):
        unpacked(octets)


def test_features_that_there_are_not() -> None:
    beyond = Prior(np.array([COUNT]), np.array([0], np.uint8), np.array([0], np.int16))
    with pytest.raises(ValueError, match="make it again"):
        unpacked(beyond.packed())


def test_the_shipped_prior_is_small_and_in_order() -> None:
    prior = shipped_prior()
    assert prior.knows
    assert 10_000 < len(prior.numbers) < COUNT
    assert (np.diff(prior.numbers) > 0).all()
    assert (prior.shares <= 2 * HALF).all()
