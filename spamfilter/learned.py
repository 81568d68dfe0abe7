"""What the two learners think of a message."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from spamfilter import linear
from spamfilter.bayes import classify, tokenize
from spamfilter.features import features_of, numbered
from spamfilter.model import Model
from spamfilter.views import Views

#: Tokens told as the strongest, of how many; and how kinds of tokens that people can read are shown.
TOLD = 4
_LOOKED_AT = 40
_TOLD_PREFIXES = {"": "", "s": "", "h": "", "f": "@", "fn": "", "r": "@", "up": "/"}


@dataclass(frozen=True, slots=True)
class Opinion:
    """``probability`` and ``strength`` are the Bayesian classifier's (None and 0 without an opinion), ``score`` is the
    linear learner's; strength and score are positive for spam. ``words`` are those that weighed most. ``taught`` is
    false while only the shipped prior speaks, which knows nothing of what people here write."""

    probability: float | None = None
    strength: float = 0.0
    score: float = 0.0
    words: str = ""
    taught: bool = True


class Learners:
    """The Bayesian and the linear learner over the same message. Safe from any thread."""

    def __init__(self, model: Model, minimum_trained: int) -> None:
        """``minimum_trained``: ham and spam learnt each before learners that began with nothing speak."""
        self._model = model
        self._minimum = minimum_trained

    def opinion(self, views: Views, symbols: Iterable[str]) -> Opinion:
        """The opinion on a message for which rules hit with these symbols."""
        knowledge = self._model.knowledge()
        if not knowledge.began and min(knowledge.ham_messages, knowledge.spam_messages) < self._minimum:
            return Opinion()
        tokens = numbered(tokenize.tokens(views))
        found = features_of(tokens, views, symbols)
        score = linear.score(found, knowledge.weights)
        counted = found.counted
        shares = knowledge.shares(counted)
        probability, strength = classify.opinion(shares) or (None, 0.0)
        of_tokens = shares[np.searchsorted(counted, np.fromiter(tokens.values(), np.int64, len(tokens)))]
        words = strongest(list(tokens), of_tokens, 1 if score > 0 else -1)
        taught = min(knowledge.ham_messages, knowledge.spam_messages) >= self._minimum
        return Opinion(probability, strength, score, words, taught)


def strongest(tokens: Sequence[str], shares: classify.Shares, side: int) -> str:
    """The tokens that speak most for spam (``side`` 1) or ham (-1), in the words of the message; ``shares`` tell how
    much each speaks for spam."""
    leaning = side * (shares - 0.5)
    told: dict[str, None] = {}
    for at in np.argsort(-leaning, kind="stable")[:_LOOKED_AT].tolist():
        prefix, _, rest = tokens[at].rpartition(":")
        if leaning[at] <= 0.1 or len(told) == TOLD:
            break
        if prefix in _TOLD_PREFIXES and len(rest) >= tokenize.SHORTEST:
            told[_TOLD_PREFIXES[prefix] + rest] = None
    return ", ".join(told)
