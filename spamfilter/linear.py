"""The linear learner's arithmetic, in whole numbers so that a lesson can be taken back exactly. Pure.

The score of a message is, over its groups of features, ``share * sum(weights) / sqrt(number of features)``: near 0 is
undecided, ``MARGIN`` is what a learnt message should reach on its own side. Learning is passive-aggressive (Crammer et
al., "Online passive-aggressive algorithms", JMLR 7, 2006, PA-I): a message that is already right by the margin changes
nothing, any other moves the weights of its features just as far as it needs, at most ``LARGEST_STEP``. So one lesson
can do only so much, and the same lesson again does nothing more.

A step is added to weights and may be subtracted again at any time; sums of whole numbers don't depend on their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from spamfilter.features import Features

#: Weights and steps are counted in units of this part of one.
UNIT = 1 << 16

MARGIN = 4.0
LARGEST_STEP = 2.0

#: How much each group counts: tokens, header, text, rules; the way is not read.
SHARES = (1.0, 0.8, 1.0, 0.3, 0.0)

#: Weights (in units).
Weights = NDArray[np.integer]


def score(features: Features, weights: Weights) -> float:
    """The message's score, with the weights of all features: positive speaks for spam, negative for ham."""
    return score_of(features, [weights[group] for group in features])


def score_of(features: Features, picked: Sequence[Weights]) -> float:
    """The same with the weights of the message's features, by group."""
    total = 0.0
    for share, group, weights in zip(SHARES, features, picked, strict=True):
        if share and len(group):
            total += share * int(weights.sum(dtype=np.int64)) / sqrt(len(group))
    return total / UNIT


def lesson_step(score_before: float, features: Features, *, spam: bool) -> int:
    """How far to move for this lesson, in units; 0 when the message is right by the margin already."""
    side = 1 if spam else -1
    lacking = MARGIN - side * score_before
    length = sum(share * share for share, group in zip(SHARES, features, strict=True) if len(group))
    if lacking <= 0 or not length:
        return 0
    return side * round(min(LARGEST_STEP, lacking / length) * UNIT)


def changes(features: Features, step: int) -> dict[int, int]:
    """What the step adds to each weight, in units; the opposite step gives the opposite numbers."""
    added: dict[int, int] = {}
    for share, group in zip(SHARES, features, strict=True):
        if step and share and len(group):
            amount = round(share * step / sqrt(len(group)))
            for feature in group.tolist():
                added[feature] = added.get(feature, 0) + amount
    return added
