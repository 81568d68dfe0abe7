"""Token counts -> probability of spam, after Robinson and Fisher. Pure.

Gary Robinson, "A statistical approach to the spam problem" (Linux Journal 107, 2003): each token's share of spam is
drawn towards a neutral value as long as the token is rare, then Fisher's method combines the tokens twice, once
against the hypothesis "all of this is chance, leaning to ham" and once against its mirror. A message that speaks for
both sides, or for none, ends near one half: that is the band in which the classifier says that it is unsure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from math import exp, log

#: Strength of the assumption about a token never seen, in messages (Robinson's s), and the assumption itself (x).
RARE_STRENGTH = 1.0
RARE_SHARE = 0.5
#: The most decisive tokens that are combined, and how far from one half a token must be to count at all.
DECISIVE_TOKENS = 300
LEAST_DISTANCE = 0.2
#: No single token may be taken for certain, and no logarithm of zero may arise.
FLOOR = 1e-4
#: Fewer decisive tokens than this say nothing about a message.
FEWEST_TOKENS = 5


@lru_cache(maxsize=1 << 14)
def share_of_spam(ham: int, spam: int, ham_messages: int, spam_messages: int) -> float:
    """Robinson's f(w) in ``FLOOR``..1-``FLOOR``: how much a token speaks for spam, 0.5 when nothing is known.

    ``ham`` and ``spam`` are the messages of each kind that held the token, the others all messages learnt of each kind.
    Counts are compared as frequencies, so that a site that learnt ten times more ham than spam is judged alike.
    """
    seen = ham + spam
    if seen <= 0 or ham_messages <= 0 or spam_messages <= 0:
        return RARE_SHARE
    spam_frequency = min(spam / spam_messages, 1.0)
    ham_frequency = min(ham / ham_messages, 1.0)
    raw = spam_frequency / (spam_frequency + ham_frequency)
    share = (RARE_STRENGTH * RARE_SHARE + seen * raw) / (RARE_STRENGTH + seen)
    return min(max(share, FLOOR), 1.0 - FLOOR)


def most_decisive(shares: Iterable[float], limit: int = DECISIVE_TOKENS) -> list[float]:
    """The ``limit`` shares farthest from one half, leaving out those nearer than ``LEAST_DISTANCE``; ties by value."""
    decisive = [share for share in shares if abs(share - 0.5) >= LEAST_DISTANCE]
    decisive.sort(key=lambda share: (-abs(share - 0.5), share))
    return decisive[:limit]


def chi_square_tail(value: float, degrees: int) -> float:
    """Probability that a chi-square variable with an even number of degrees of freedom exceeds ``value``.

    The first term underflows to zero from about ``value`` = 1490 on. With at most ``2 * DECISIVE_TOKENS`` degrees of
    freedom the true tail is then below 1e-60, so zero is the right answer; rounding above one is cut off.
    """
    half = value / 2.0
    term = total = exp(-half)
    for i in range(1, degrees // 2):
        term *= half / i
        total += term
    return min(total, 1.0)


def combine(shares: Sequence[float]) -> float:
    """Fisher's combination of independent shares: 0 is ham, 1 is spam, 0.5 means undecided or contradictory."""
    if not shares:
        return 0.5
    degrees = 2 * len(shares)
    spamminess = 1.0 - chi_square_tail(-2.0 * sum(log(1.0 - share) for share in shares), degrees)
    hamminess = 1.0 - chi_square_tail(-2.0 * sum(log(share) for share in shares), degrees)
    return (1.0 + spamminess - hamminess) / 2.0


def probability(counts: Iterable[tuple[int, int]], ham_messages: int, spam_messages: int) -> float | None:
    """Probability of spam of a message whose tokens have these (ham, spam) counts; None when too few of them speak."""
    shares = most_decisive(share_of_spam(ham, spam, ham_messages, spam_messages) for ham, spam in counts)
    if len(shares) < FEWEST_TOKENS:
        return None
    return combine(shares)
