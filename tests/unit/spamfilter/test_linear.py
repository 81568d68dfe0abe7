from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spamfilter import linear
from spamfilter.features import Features

GROUP = st.lists(st.integers(0, 99), unique=True, max_size=30).map(lambda group: np.array(sorted(group), np.int64))
MESSAGE = st.builds(Features, GROUP, GROUP, GROUP, GROUP, GROUP)


def group(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def moved(weights: np.ndarray, changes: dict[int, int]) -> np.ndarray:
    new = weights.copy()
    for number, change in changes.items():
        new[number] += change
    return new


def test_a_score_by_hand() -> None:
    weights = np.arange(100, dtype=np.int32) * linear.UNIT
    found = Features(group(1, 2, 3, 6), group(), group(10), group(20), group(30))
    # (1 + 2 + 3 + 6) / sqrt(4) * 1 + 10 * 1 + 20 * 0.3
    assert linear.score(found, weights) == pytest.approx(6 + 10 + 6)


def test_nothing_scores_nothing_and_teaches_nothing() -> None:
    nothing = Features(group(), group(), group(), group(), group(9))
    assert linear.score(nothing, np.ones(100, np.int32)) == 0.0
    assert linear.lesson_step(0.0, nothing, spam=True) == 0
    assert linear.changes(nothing, 5) == {}


@given(MESSAGE, st.booleans(), st.integers(-300_000, 300_000))
def test_a_lesson_leads_towards_the_margin_and_never_beyond(message: Features, spam: bool, start: int) -> None:
    weights = np.full(100, start, np.int64)
    side = 1 if spam else -1
    before = linear.score(message, weights)
    step = linear.lesson_step(before, message, spam=spam)
    after = linear.score(message, moved(weights, linear.changes(message, step)))
    assert side * after >= side * before - 1e-2
    assert abs(step) <= linear.LARGEST_STEP * linear.UNIT
    if side * before >= linear.MARGIN:
        assert step == 0


@given(st.lists(st.tuples(MESSAGE, st.booleans()), max_size=8), st.randoms(use_true_random=False))
def test_lessons_taken_back_in_any_order_leave_nothing(lessons, random) -> None:
    weights = np.zeros(100, np.int64)
    steps = []
    for message, spam in lessons:
        steps.append((message, linear.lesson_step(linear.score(message, weights), message, spam=spam)))
        weights = moved(weights, linear.changes(*steps[-1]))
    random.shuffle(steps)
    for message, step in steps:
        weights = moved(weights, linear.changes(message, -step))
    assert not weights.any()


def test_a_feature_in_two_groups_gets_both_changes() -> None:
    changes = linear.changes(Features(group(1), group(), group(1, 2), group(), group()), linear.UNIT)
    assert changes == Counter({1: linear.UNIT + round(linear.UNIT / 2**0.5), 2: round(linear.UNIT / 2**0.5)})
