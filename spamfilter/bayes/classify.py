"""Token counts -> probability of spam, after Robinson and Fisher. Pure.

Gary Robinson, "A statistical approach to the spam problem" (Linux Journal 107, 2003): each token's share of spam is
drawn towards what is assumed of it as long as the token is rare, then Fisher's method combines the tokens twice, once
against the hypothesis "all of this is chance, leaning to ham" and once against its mirror. A message that speaks for
both sides, or for none, ends near one half: that is the band in which the classifier says that it is unsure.

Fisher's probability is soon 0 or 1 to the last digit and then tells no messages apart. ``strength`` is the sum of the
same tokens' log-odds instead, divided by the root of their number, which goes on growing.
"""

from __future__ import annotations

from math import exp, sqrt

import numpy as np
from numpy.typing import NDArray

#: Strength of the assumption about a token, in messages (Robinson's s), and the assumption about one that is new to
#: everybody (x).
RARE_STRENGTH = 1.0
RARE_SHARE = 0.5
#: The most decisive tokens that are combined, and how far from one half a token must be to count at all.
DECISIVE_TOKENS = 300
LEAST_DISTANCE = 0.2
#: No single token may be taken for certain, and no logarithm of zero may arise.
FLOOR = 1e-4
#: Fewer decisive tokens than this say nothing about a message.
FEWEST_TOKENS = 5

Counts = NDArray[np.integer]
Shares = NDArray[np.floating]


def shares_of_spam(
    ham: Counts, spam: Counts, ham_messages: int, spam_messages: int, assumed: Shares | float = RARE_SHARE
) -> Shares:
    """Robinson's f(w) of each token in ``FLOOR``..1-``FLOOR``: how much it speaks for spam.

    ``ham`` and ``spam`` are the messages of each kind that held the token, the others all messages learnt of each kind;
    ``assumed`` is what was thought before. Counts are compared as frequencies, so that a site that learnt ten times
    more ham than spam is judged alike.
    """
    seen = ham + spam
    spam_frequency = np.minimum(spam / max(spam_messages, 1), 1.0)
    ham_frequency = np.minimum(ham / max(ham_messages, 1), 1.0)
    # A side that has learnt nothing can't be compared with.
    comparable = seen if ham_messages > 0 and spam_messages > 0 else np.zeros_like(seen)
    raw = spam_frequency / np.maximum(spam_frequency + ham_frequency, 1e-12)
    shares = (RARE_STRENGTH * assumed + comparable * raw) / (RARE_STRENGTH + comparable)
    clipped: Shares = np.minimum(np.maximum(shares, FLOOR), 1.0 - FLOOR)
    return clipped


def most_decisive(shares: Shares, limit: int = DECISIVE_TOKENS) -> Shares:
    """The ``limit`` shares farthest from one half, leaving out those nearer than ``LEAST_DISTANCE``; ties by value."""
    distance = np.abs(shares - 0.5)
    decisive: Shares = shares[distance >= LEAST_DISTANCE]
    if len(decisive) > limit:
        decisive = decisive[np.lexsort((decisive, -np.abs(decisive - 0.5)))[:limit]]
    return decisive


def chi_square_tail(value: float, degrees: int) -> float:
    """Probability that a chi-square variable with an even number of degrees of freedom exceeds ``value``.

    The first term underflows to zero from about ``value`` = 1490 on. With at most ``2 * DECISIVE_TOKENS`` degrees of
    freedom the true tail is then below 1e-60, so zero is the right answer; rounding above one is cut off.
    """
    half = value / 2.0
    term = total = exp(-half)
    if not term:
        return 0.0
    for i in range(1, degrees // 2):
        term *= half / i
        total += term
    return min(total, 1.0)


def combine(shares: Shares) -> float:
    """Fisher's combination of independent shares: 0 is ham, 1 is spam, 0.5 means undecided or contradictory."""
    if not len(shares):
        return 0.5
    degrees = 2 * len(shares)
    spamminess = 1.0 - chi_square_tail(-2.0 * float(np.log1p(-shares).sum()), degrees)
    hamminess = 1.0 - chi_square_tail(-2.0 * float(np.log(shares).sum()), degrees)
    return (1.0 + spamminess - hamminess) / 2.0


def strength(shares: Shares) -> float:
    """The shares' log-odds together: negative for ham, positive for spam, a few units for a clear case, about twenty
    for the clearest."""
    return float(np.log(shares / (1.0 - shares)).sum()) / sqrt(len(shares) + 1)


def opinion(shares: Shares) -> tuple[float, float] | None:
    """Probability of spam and strength of a message whose tokens have these shares; None when too few of them
    speak."""
    decisive = most_decisive(shares)
    return (combine(decisive), strength(decisive)) if len(decisive) >= FEWEST_TOKENS else None
