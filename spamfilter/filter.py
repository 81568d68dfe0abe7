"""The judge: Evidence in, Verdict out, nothing else touched."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping

import structlog

from config.settings import Spam
from spamfilter.campaigns import NOTHING_REPORTED, Making, Reported, Voices
from spamfilter.evidence import Evidence
from spamfilter.learned import Learners, Opinion
from spamfilter.live import LiveScores
from spamfilter.model import Model
from spamfilter.registry import Rule
from spamfilter.reputation import UNKNOWN, Reputations, opinions, origin
from spamfilter.rules import RULES
from spamfilter.rules.attachments import places
from spamfilter.scores import (
    ALL_AGREE,
    BAYES_HAM,
    BAYES_SPAM,
    BAYES_UNSURE,
    CAMPAIGN_CONFIRMED,
    CAMPAIGN_REPORTED,
    FILE_CONFIRMED,
    FILE_REPORTED,
    GRADED,
    LINEAR_HAM,
    LINEAR_SPAM,
    Scores,
)
from spamfilter.verdict import Action, Hit, Verdict
from spamfilter.views import Views

log = structlog.get_logger()

DETAIL_LENGTH = 120
#: From which points of rules, and score of the linear learner, on these agree with a Bayesian classifier that leans to
#: spam; and from which strength on that one needs of the linear learner only that it is not sure of ham.
AGREES_POINTS, AGREES_FROM = 1.2, 0.2
AGREES_STRENGTH, NOT_SURE_OF_HAM = 2.0, -1.5

#: While only the prior speaks: what it may give mail without a link, as long as rules give less than so many points and
#: none of these composites says that something is asked for.
UNTAUGHT_MOST, UNTAUGHT_POINTS = 3.0, 3.0
ASKS = frozenset({"WANTS_MONEY", "ACCOUNT_THREAT"})


class OverBudget(Exception):
    """The judgement took longer than allowed."""


class SpamFilter:
    """Judges messages by rules, learners and composites. Safe from any thread."""

    def __init__(
        self,
        settings: Spam,
        model: Model,
        *,
        reported: Reported = NOTHING_REPORTED,
        reputations: Reputations = UNKNOWN,
        rules: Mapping[str, Rule] = RULES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``model`` is what the learners know, ``reported`` what people reported, ``reputations`` what came from
        senders before. Raises ``spamfilter.scores.ScoreError`` when a data file is wrong."""
        self._settings = settings
        self._learners = Learners(model, settings.minimum_trained)
        self._reported = reported
        self._reputations = reputations
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
            opinion = self._learners.opinion(views, details)
            making, senders = Making.of(views), origin(views)
            found_at = places(views, details)
            self._check(deadline)
        except OverBudget:
            log.warning("spam.judge.over_budget", message=evidence.envelope.id, seconds=self._settings.budget)
            return not_scanned(self._settings, "time budget used up")
        details |= dict.fromkeys(said(self._reported.voices(making), self._settings.campaign_reports), "")
        scores = self._live.current()
        weights = {symbol: scores.symbols[symbol].weight for symbol in details}
        known = self._reputations.of(senders, evidence.person) if senders else {}
        weights |= {symbol: scores.symbols[symbol].weight * share for symbol, share in opinions(known)}
        certain = add_learners(opinion, weights, details, scores, links=bool(views.links))
        add_composites(weights, scores)
        hits = as_hits(capped(weights, scores), details, scores)
        score = round(sum(hit.weight for hit in hits), 3)
        return Verdict(
            score=score,
            action=suggested(score, self._settings),
            hits=hits,
            probability=opinion.probability if certain else None,
            junk_from=self._settings.junk_from,
            reject_from=self._settings.reject_from,
            guarded=tuple(hit.symbol for hit in hits if hit.weight > 0 and scores.symbols[hit.symbol].guard),
            sketch=making.sketch.hex(),
            files=making.joined_files.hex(),
            origin=senders,
            files_at=found_at,
        )

    def _details(self, views: Views, deadline: float) -> dict[str, str]:
        """The symbols that hit with what they saw."""
        details: dict[str, str] = {}
        clock = self._clock
        for symbol, rule in self._rules.items():
            if clock() > deadline:
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

    def _check(self, deadline: float) -> None:
        if self._clock() > deadline:
            raise OverBudget


def said(voices: Voices, enough: int) -> Iterator[str]:
    """The symbols of what people said of such mail, ``enough`` of whom are heard in full."""
    if voices.text:
        yield CAMPAIGN_CONFIRMED if voices.text >= enough else CAMPAIGN_REPORTED
    if voices.file:
        yield FILE_CONFIRMED if voices.file >= enough else FILE_REPORTED


def add_learners(
    opinion: Opinion, weights: dict[str, float], details: dict[str, str], scores: Scores, *, links: bool = True
) -> bool:
    """Add the learners' symbols; False while the Bayesian classifier has no opinion or is unsure.

    What nobody here has taught, no rule bears out, and that has no link to follow and asks for nothing, is a suspicion
    and no verdict.
    """
    rules = sum(weights[symbol] for symbol in weights if symbol not in GRADED)
    asks = any(one.symbol in ASKS and one.expression.test(weights) for one in scores.composites)
    doubtful = not opinion.taught and not links and rules < UNTAUGHT_POINTS and not asks
    if opinion.score:
        symbol, points = linear_points(opinion.score, scores)
        weights[symbol] = points
        details[symbol] = opinion.words[:DETAIL_LENGTH]
    if opinion.probability is None:
        return False
    if not doubtful and all_agree(opinion, rules):
        weights[ALL_AGREE] = scores.symbols[ALL_AGREE].weight
    symbol, points = bayes_points(opinion.strength, scores)
    weights[symbol] = min(points, UNTAUGHT_MOST) if doubtful else points
    if doubtful and LINEAR_SPAM in weights:
        weights[LINEAR_SPAM] = min(weights[LINEAR_SPAM], UNTAUGHT_MOST - max(0.0, weights[symbol]))
    return symbol != BAYES_UNSURE


def all_agree(opinion: Opinion, rules: float) -> bool:
    """True when rules gave points and what was learnt leans to spam: weak witnesses that don't listen to each other are
    worth more than their sum."""
    both = opinion.score > AGREES_FROM and opinion.strength > 0
    one = opinion.strength >= AGREES_STRENGTH and opinion.score > NOT_SURE_OF_HAM
    return rules >= AGREES_POINTS and (both or one)


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


def bayes_points(strength: float, scores: Scores) -> tuple[str, float]:
    """Symbol and points of the classifier's strength: none within ``sure_from`` of zero, from there on a straight line
    to the whole weight at ``certain_at``, in either direction."""
    beyond = abs(strength) - scores.bayes_sure_from
    if beyond < 0:
        return BAYES_UNSURE, 0.0
    symbol = BAYES_SPAM if strength > 0 else BAYES_HAM
    share = min(beyond / (scores.bayes_certain_at - scores.bayes_sure_from), 1.0)
    return symbol, scores.symbols[symbol].weight * share


def linear_points(score: float, scores: Scores) -> tuple[str, float]:
    """Symbol and points of the linear learner's score: straight lines from none at zero to the whole weight at
    ``certain_at``, in either direction."""
    symbol = LINEAR_SPAM if score > 0 else LINEAR_HAM
    return symbol, scores.symbols[symbol].weight * min(abs(score) / scores.linear_certain_at, 1.0)


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
