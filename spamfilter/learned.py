"""What the two learners think of a message."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from spamfilter.bayes import classify, tokenize
from spamfilter.bayes.model import Model
from spamfilter.linear import score as linear
from spamfilter.linear.features import COUNT, features
from spamfilter.linear.score import Weights
from spamfilter.views import Views

#: Tokens told as the strongest, of how many; and how kinds of tokens that people can read are shown.
TOLD = 4
_LOOKED_AT = 40
_TOLD_PREFIXES = {"": "", "s": "", "h": "", "f": "@", "fn": "", "r": "@", "up": "/"}


class WeightsModel(Protocol):
    """What the filter needs of the linear learner's model."""

    @property
    def knows(self) -> bool:
        """True when it was more than nothing before the first lesson."""
        ...

    def weights(self) -> Weights:
        """The weights to judge by; never raises and never waits long."""
        ...


@dataclass(frozen=True, slots=True)
class Opinion:
    """``probability`` is the Bayesian classifier's, None without an opinion; ``score`` the linear learner's, positive
    for spam, 0 without an opinion; ``words`` what weighed most towards its side."""

    probability: float | None
    score: float
    words: str = ""


class Learners:
    """The Bayesian and the linear learner over the same message. Safe from any thread."""

    def __init__(self, bayes: Model, weights: WeightsModel | None, minimum_trained: int) -> None:
        """``minimum_trained``: ham and spam learnt each before a learner that began with nothing speaks."""
        self._bayes = bayes
        self._weights = weights
        self._minimum = minimum_trained

    def opinion(self, views: Views, symbols: Iterable[str]) -> Opinion:
        """The opinion on a message for which rules hit with these symbols."""
        counts = self._bayes.counts()
        trained = min(counts.totals.ham, counts.totals.spam) >= self._minimum
        weights = self._weights.weights() if self._weights is not None and (trained or self._weights.knows) else None
        if not trained and weights is None:
            return Opinion(None, 0.0)
        tokens = {token: tokenize.fingerprint(token) for token in tokenize.tokens(views)}
        probability = None
        if trained:
            pairs = [counts.of(number) for number in tokens.values()]
            probability = classify.probability(pairs, counts.totals.ham, counts.totals.spam)
        if weights is None:
            return Opinion(probability, 0.0)
        score = linear.score(features(views, tokens.values(), symbols), weights)
        return Opinion(probability, score, _strongest(tokens, weights, 1 if score > 0 else -1))


def _strongest(tokens: Mapping[str, int], weights: Weights, side: int) -> str:
    """The tokens that speak most for this side, in the words of the message."""
    if not tokens:
        return ""
    spoken = zip(weights([number % COUNT for number in tokens.values()]), tokens, strict=True)
    told: dict[str, None] = {}
    for weight, token in sorted(spoken, key=lambda pair: -side * pair[0])[:_LOOKED_AT]:
        prefix, _, rest = token.rpartition(":")
        if side * weight > 0 and prefix in _TOLD_PREFIXES and len(rest) >= tokenize.SHORTEST:
            told[_TOLD_PREFIXES[prefix] + rest] = None
    return ", ".join(list(told)[:TOLD])
