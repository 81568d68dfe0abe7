from __future__ import annotations

import math

import numpy as np
import pytest

from spamfilter.bayes import classify


def share_of_spam(ham: int, spam: int, ham_messages: int, spam_messages: int, assumed: float = 0.5) -> float:
    shares = classify.shares_of_spam(np.array([ham]), np.array([spam]), ham_messages, spam_messages, assumed)
    return float(shares[0])


def test_share_of_a_token_never_seen_is_neutral() -> None:
    assert share_of_spam(0, 0, 100, 100) == 0.5
    assert share_of_spam(3, 2, 0, 100) == 0.5


def test_share_is_drawn_to_neutral_while_the_token_is_rare() -> None:
    # By hand: raw share 1, once: (0.5 + 1 * 1) / (1 + 1); ten times: (0.5 + 10) / (1 + 10).
    assert share_of_spam(0, 1, 100, 100) == pytest.approx(0.75)
    assert share_of_spam(0, 10, 100, 100) == pytest.approx(10.5 / 11)


def test_share_compares_frequencies() -> None:
    # 10 of 1000 ham and 10 of 100 spam: 0.1 / (0.1 + 0.01) = 10/11, drawn by 20 sightings.
    assert share_of_spam(10, 10, 1000, 100) == pytest.approx((0.5 + 20 * 10 / 11) / 21)


def test_no_share_is_certain() -> None:
    assert share_of_spam(0, 10**9, 10, 10) == 1 - classify.FLOOR
    assert share_of_spam(10**9, 0, 10, 10) == classify.FLOOR


@pytest.mark.parametrize(
    ("value", "degrees", "tail"),
    [
        (0.0, 2, 1.0),
        (2.0, 2, math.exp(-1)),
        (2.0, 4, 2 * math.exp(-1)),
        (9.488, 4, 0.05),  # from the usual table of critical values
        (18.307, 10, 0.05),
    ],
)
def test_chi_square_tail(value: float, degrees: int, tail: float) -> None:
    assert classify.chi_square_tail(value, degrees) == pytest.approx(tail, rel=1e-3)


def test_combine_by_hand() -> None:
    # One token of 0.9: S = 1 - e^ln(0.1) = 0.9, H = 1 - e^ln(0.9) = 0.1, (1 + 0.9 - 0.1) / 2.
    assert classify.combine(np.array([0.9])) == pytest.approx(0.9)
    # Two of 0.9: x = 0.01, S = 1 - x(1 - ln x) = 0.94395; y = 0.81, H = 1 - y(1 - ln y) = 0.01931.
    assert classify.combine(np.array([0.9, 0.9])) == pytest.approx((1 + 0.943948 - 0.019314) / 2, abs=1e-5)


def test_combine_contradiction_is_unsure() -> None:
    assert classify.combine(np.array([0.99] * 20 + [0.01] * 20)) == pytest.approx(0.5)
    assert classify.combine(np.array([])) == 0.5


def test_combine_is_guarded_at_both_ends() -> None:
    extreme = 1 - classify.FLOOR
    assert classify.combine(np.array([extreme] * classify.DECISIVE_TOKENS)) == pytest.approx(1.0)
    assert classify.combine(np.array([classify.FLOOR] * classify.DECISIVE_TOKENS)) == pytest.approx(0.0)


def test_most_decisive_leaves_out_the_dull_and_keeps_the_strongest() -> None:
    shares = np.array([0.5, 0.55, 0.45, 0.9, 0.05, 0.7])
    assert sorted(classify.most_decisive(shares, limit=2).tolist()) == [0.05, 0.9]


def test_what_was_assumed_counts_like_one_message() -> None:
    assert share_of_spam(0, 0, 100, 100, assumed=0.9) == pytest.approx(0.9)
    assert share_of_spam(1, 0, 100, 100, assumed=0.9) == pytest.approx(0.45)
    assert share_of_spam(50, 0, 100, 100, assumed=0.9) < 0.02


def test_strength_tells_apart_what_probability_does_not() -> None:
    some, many = np.full(40, 0.999), np.full(200, 0.999)
    assert classify.combine(some) == classify.combine(many) == 1.0
    assert 0 < classify.strength(some) < classify.strength(many)
    assert classify.strength(1 - many) == pytest.approx(-classify.strength(many))


def test_too_few_tokens_say_nothing() -> None:
    assert classify.opinion(np.full(classify.FEWEST_TOKENS - 1, 0.95)) is None
    spam = classify.opinion(np.full(20, 0.95))
    assert spam is not None
    assert spam[0] > 0.99
    assert spam[1] > 5
