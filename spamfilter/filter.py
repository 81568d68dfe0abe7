"""The judge: Evidence in, Verdict out, nothing else touched."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

import structlog

from config.settings import Spam
from spamfilter.bayes import classify, tokenize
from spamfilter.bayes.model import Model
from spamfilter.evidence import Evidence
from spamfilter.live import LiveScores
from spamfilter.registry import Rule
from spamfilter.rules import RULES
from spamfilter.scores import BAYES_HAM, BAYES_SPAM, BAYES_UNSURE, Scores
from spamfilter.verdict import Action, Hit, Verdict
from spamfilter.views import Views

log = structlog.get_logger()

DETAIL_LENGTH = 120


class OverBudget(Exception):
    """The judgement took longer than allowed."""


class SpamFilter:
    """Judges messages by rules, classifier and composites. Safe from any thread."""

    def __init__(
        self,
        settings: Spam,
        model: Model,
        *,
        rules: Mapping[str, Rule] = RULES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises ``spamfilter.scores.ScoreError`` when a data file is wrong."""
        self._settings = settings
        self._model = model
        self._rules = dict(rules)
        self._live = LiveScores(self._rules, settings.scores)
        self._clock = clock

    def judge(self, evidence: Evidence) -> Verdict:
        """The verdict on one message: the same for the same evidence and model. Past ``budget`` seconds: not
        scanned."""
        deadline = self._clock() + self._settings.budget
        views = Views(evidence, self._settings.text_limit)
        try:
            details = self._details(views, deadline)
            probability = self._probability(views, deadline)
        except OverBudget:
            log.warning("spam.judge.over_budget", message=evidence.envelope.id, seconds=self._settings.budget)
            return not_scanned(self._settings, "time budget used up")
        scores = self._live.current()
        weights = {symbol: scores.symbols[symbol].weight for symbol in details}
        certain = add_classifier(probability, weights, scores)
        add_composites(weights, scores)
        hits = as_hits(capped(weights, scores), details, scores)
        score = round(sum(hit.weight for hit in hits), 2)
        return Verdict(
            score=score,
            action=suggested(score, self._settings),
            hits=hits,
            probability=probability if certain else None,
            junk_from=self._settings.junk_from,
            reject_from=self._settings.reject_from,
            guarded=tuple(hit.symbol for hit in hits if hit.weight > 0 and scores.symbols[hit.symbol].guard),
        )

    def _details(self, views: Views, deadline: float) -> dict[str, str]:
        """The symbols that hit with what they saw."""
        details: dict[str, str] = {}
        for symbol, rule in self._rules.items():
            if self._clock() > deadline:
                raise OverBudget
            try:
                finding = rule(views)
            except Exception:
                # One faulty rule must not let a message through unjudged by all the others.
                log.exception("spam.rule.failed", symbol=symbol, message=views.evidence.envelope.id)
                continue
            if finding:
                details[symbol] = finding[:DETAIL_LENGTH] if isinstance(finding, str) else ""
        return details

    def _probability(self, views: Views, deadline: float) -> float | None:
        """The classifier's opinion; None below ``minimum_trained`` messages of each kind, or on too few known
        tokens."""
        counts = self._model.counts()
        if min(counts.totals.ham, counts.totals.spam) < self._settings.minimum_trained:
            return None
        pairs = [counts.of(token) for token in tokenize.fingerprints(views)]
        if self._clock() > deadline:
            raise OverBudget
        return classify.probability(pairs, counts.totals.ham, counts.totals.spam)


def add_classifier(probability: float | None, weights: dict[str, float], scores: Scores) -> bool:
    """Add the classifier's symbol; False while it has no opinion or is unsure."""
    if probability is None:
        return False
    symbol, points = bayes_points(probability, scores)
    weights[symbol] = points
    return symbol != BAYES_UNSURE


def add_composites(weights: dict[str, float], scores: Scores) -> None:
    """Add the composites that hold, in their order, and take away what they cancel."""
    for composite in scores.composites:
        if composite.expression.test(weights):
            weights[composite.symbol] = scores.symbols[composite.symbol].weight
            for symbol in composite.cancels & weights.keys():
                weights[symbol] = 0.0


def as_hits(weights: Mapping[str, float], details: Mapping[str, str], scores: Scores) -> tuple[Hit, ...]:
    """The hits in words, by falling absolute weight."""
    hits = [
        Hit(symbol, points, scores.symbols[symbol].french, scores.symbols[symbol].english, details.get(symbol, ""))
        for symbol, points in weights.items()
    ]
    return tuple(sorted(hits, key=lambda hit: (-abs(hit.weight), hit.symbol)))


def bayes_points(probability: float, scores: Scores) -> tuple[str, float]:
    """Symbol and points of a probability: straight lines from none at one half over half the weight at the limit of the
    sure band to the whole weight at the end."""
    spam, ham = scores.symbols[BAYES_SPAM].weight, scores.symbols[BAYES_HAM].weight
    if probability >= scores.spam_from:
        return BAYES_SPAM, spam * (0.5 + 0.5 * (probability - scores.spam_from) / (1.0 - scores.spam_from))
    if probability <= scores.ham_below:
        return BAYES_HAM, ham * (0.5 + 0.5 * (scores.ham_below - probability) / scores.ham_below)
    if probability >= 0.5:
        return BAYES_UNSURE, spam * 0.5 * (probability - 0.5) / (scores.spam_from - 0.5)
    return BAYES_UNSURE, ham * 0.5 * (0.5 - probability) / (0.5 - scores.ham_below)


def capped(weights: Mapping[str, float], scores: Scores) -> dict[str, float]:
    """The points after the groups' caps, for points given and points taken away alike: the strongest keep theirs."""
    used: dict[tuple[str, bool], float] = {}
    given: dict[str, float] = {}
    for symbol, weight in sorted(weights.items(), key=lambda item: (-abs(item[1]), item[0])):
        group = scores.symbols[symbol].group
        side = (group, weight < 0)
        left = max(scores.caps.get(group, float("inf")) - used.get(side, 0.0), 0.0)
        points = min(abs(weight), left)
        used[side] = used.get(side, 0.0) + points
        given[symbol] = round(points if weight >= 0 else -points, 3)
    return given


def suggested(score: float, settings: Spam) -> Action:
    """The action for a score."""
    if settings.reject_from and score >= settings.reject_from:
        return Action.REJECT
    return Action.JUNK if score >= settings.junk_from else Action.ACCEPT


def not_scanned(settings: Spam, reason: str, hits: Iterable[Hit] = ()) -> Verdict:
    """The verdict that lets a message pass because it could not be judged; ``reason`` is told in its header."""
    return Verdict(0.0, Action.ACCEPT, tuple(hits), None, settings.junk_from, settings.reject_from, False, reason)
