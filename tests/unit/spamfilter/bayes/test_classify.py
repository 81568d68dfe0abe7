from __future__ import annotations

import math

import pytest

from spamfilter.bayes import classify


def test_share_of_a_token_never_seen_is_neutral() -> None:
    assert classify.share_of_spam(0, 0, 100, 100) == 0.5
    assert classify.share_of_spam(3, 2, 0, 100) == 0.5


def test_share_is_drawn_to_neutral_while_the_token_is_rare() -> None:
    # By hand: raw share 1, once: (0.5 + 1 * 1) / (1 + 1); ten times: (0.5 + 10) / (1 + 10).
    assert classify.share_of_spam(0, 1, 100, 100) == pytest.approx(0.75)
    assert classify.share_of_spam(0, 10, 100, 100) == pytest.approx(10.5 / 11)


def test_share_compares_frequencies() -> None:
    # 10 of 1000 ham and 10 of 100 spam: 0.1 / (0.1 + 0.01) = 10/11, drawn by 20 sightings.
    assert classify.share_of_spam(10, 10, 1000, 100) == pytest.approx((0.5 + 20 * 10 / 11) / 21)


def test_no_share_is_certain() -> None:
    assert classify.share_of_spam(0, 10**9, 10, 10) == 1 - classify.FLOOR
    assert classify.share_of_spam(10**9, 0, 10, 10) == classify.FLOOR


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
    assert classify.combine([0.9]) == pytest.approx(0.9)
    # Two of 0.9: x = 0.01, S = 1 - x(1 - ln x) = 0.94395; y = 0.81, H = 1 - y(1 - ln y) = 0.01931.
    assert classify.combine([0.9, 0.9]) == pytest.approx((1 + 0.943948 - 0.019314) / 2, abs=1e-5)


def test_combine_contradiction_is_unsure() -> None:
    assert classify.combine([0.99] * 20 + [0.01] * 20) == pytest.approx(0.5)
    assert classify.combine([]) == 0.5


def test_combine_is_guarded_at_both_ends() -> None:
    extreme = 1 - classify.FLOOR
    assert classify.combine([extreme] * classify.DECISIVE_TOKENS) == pytest.approx(1.0)
    assert classify.combine([classify.FLOOR] * classify.DECISIVE_TOKENS) == pytest.approx(0.0)


def test_most_decisive_leaves_out_the_dull_and_keeps_the_strongest() -> None:
    assert classify.most_decisive([0.5, 0.55, 0.45, 0.9, 0.05, 0.7], limit=2) == [0.05, 0.9]


def test_too_few_tokens_say_nothing() -> None:
    assert classify.probability([(0, 9)] * (classify.FEWEST_TOKENS - 1), 50, 50) is None
    spam = classify.probability([(0, 9)] * 20, 50, 50)
    assert spam is not None
    assert spam > 0.99
