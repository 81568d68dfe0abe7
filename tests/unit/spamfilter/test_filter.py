from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from config.settings import Spam
from spamfilter import linear
from spamfilter.evidence import Evidence
from spamfilter.features import features
from spamfilter.filter import SpamFilter, add_learners, all_agree, bayes_points, capped, linear_points, suggested
from spamfilter.learned import Opinion
from spamfilter.model import Knowledge, blank
from spamfilter.rules import RULES
from spamfilter.scores import shipped
from spamfilter.verdict import Action
from spamfilter.views import Views

PHISHING: dict[str, Any] = {
    "fields": {"From": "Service informatique <dsi@ac-exempie.fr>", "Subject": "URGENT : votre boîte est pleine"},
    "html": '<p>Votre boîte mail est presque pleine. <a href="https://webmail-ac.weebly.com/login">'
    "https://webmail.ac-exemple.fr</a></p>",
}


class FixedModel:
    """Knowledge that stays as it is given."""

    def __init__(self, ham: int = 0, spam: int = 0) -> None:
        self.known = blank()
        self.known.totals[:] = ham, spam

    def knowledge(self) -> Knowledge:
        return self.known


def trained_on(evidence: Evidence, *, ham: int, spam: int) -> FixedModel:
    """A model that knows this message alone, from as many messages of each kind."""
    model = FixedModel(100, 100)
    found = features(Views(evidence, 256 * 1024), ())
    model.known.ham[found.counted], model.known.spam[found.counted] = ham, spam
    step = linear.lesson_step(0.0, found, spam=spam > ham) if spam != ham else 0
    for number, change in linear.changes(found, 2 * step).items():
        model.known.weights[number] += change
    return model


@pytest.fixture
def judge(evidence: Callable[..., Evidence]) -> Callable[..., Any]:
    def judged(model: FixedModel | None = None, settings: Spam | None = None, **changes: Any) -> Any:
        return SpamFilter(settings or Spam(), model or FixedModel()).judge(evidence(**changes))

    return judged


def test_an_everyday_mail_passes(judge: Callable[..., Any]) -> None:
    verdict = judge()
    assert (verdict.action, verdict.score, verdict.hits, verdict.scanned) == (Action.ACCEPT, 0.0, (), True)


def test_phishing_goes_to_junk_untrained(judge: Callable[..., Any]) -> None:
    verdict = judge(**PHISHING)
    assert verdict.action is not Action.ACCEPT
    symbols = {hit.symbol for hit in verdict.hits}
    assert {"LOOKALIKE_DOMAIN", "LINK_TEXT_MISMATCH", "MAILBOX_FULL_FR", "PHISHING_ACCOUNT"} <= symbols
    assert verdict.probability is None


def test_hits_fall_by_weight_and_add_up(judge: Callable[..., Any]) -> None:
    verdict = judge(**PHISHING)
    weights = [abs(hit.weight) for hit in verdict.hits]
    assert weights == sorted(weights, reverse=True)
    assert verdict.score == pytest.approx(sum(hit.weight for hit in verdict.hits))


def test_the_classifier_moves_the_score_both_ways(evidence: Callable[..., Evidence], judge: Callable[..., Any]) -> None:
    as_spam = judge(trained_on(evidence(), ham=0, spam=20))
    assert as_spam.probability > 0.99
    assert {hit.symbol for hit in as_spam.hits} >= {"BAYES_SPAM", "LINEAR_SPAM"}
    assert as_spam.action is Action.JUNK
    as_ham = judge(trained_on(evidence(), ham=20, spam=0))
    assert as_ham.probability < 0.01
    assert [hit.symbol for hit in as_ham.hits] == ["LINEAR_HAM", "BAYES_HAM"]
    assert as_ham.score < 0
    unsure = judge(trained_on(evidence(), ham=10, spam=10))
    assert unsure.probability is None
    assert unsure.score == 0.0


def test_the_classifier_is_silent_below_its_minimum(
    evidence: Callable[..., Evidence], judge: Callable[..., Any]
) -> None:
    model = trained_on(evidence(), ham=0, spam=20)
    assert judge(model, Spam(minimum_trained=101)).hits == ()
    assert judge(model, Spam(minimum_trained=100)).hits != ()


def test_composites_cancel(judge: Callable[..., Any]) -> None:
    fields = {"Reply-To": "liste@gmail.com", "List-Id": "<l.exemple.org>", "List-Post": "<mailto:l@exemple.org>"}
    alone = {hit.symbol: hit.weight for hit in judge(fields={"Reply-To": "liste@gmail.com"}).hits}
    assert alone["REPLY_TO_FREEMAIL"] > 0
    signed = judge(fields=fields, auth={"dkim": (("pass", "exemple.org"),)})
    weights = {hit.symbol: hit.weight for hit in signed.hits}
    assert weights["LIST_SIGNED"] < 0
    assert weights["REPLY_TO_FREEMAIL"] == 0.0


def test_the_operators_file_counts(judge: Callable[..., Any], tmp_path: Path) -> None:
    file = tmp_path / "scores.toml"
    file.write_text("[weights]\nMISSING_DATE = 9.5\n[caps]\nheaders = 20\n")
    verdict = judge(settings=Spam(scores=file), fields={"Date": None})
    assert (verdict.score, verdict.action) == (9.5, Action.JUNK)


def test_over_budget_passes_unscanned(evidence: Callable[..., Evidence]) -> None:
    ticks = iter(range(10_000))
    slow = SpamFilter(Spam(budget=5.0), FixedModel(), clock=lambda: float(next(ticks)))
    verdict = slow.judge(evidence(**PHISHING))
    assert (verdict.scanned, verdict.action, verdict.score) == (False, Action.ACCEPT, 0.0)
    assert verdict.note


def test_a_faulty_rule_does_not_stop_the_others(evidence: Callable[..., Evidence]) -> None:
    def faulty(views: Views) -> bool:
        raise RecursionError

    rules = {**RULES, "SUBJECT_EMPTY": faulty}
    verdict = SpamFilter(Spam(), FixedModel(), rules=rules).judge(evidence(**PHISHING))
    assert "LOOKALIKE_DOMAIN" in {hit.symbol for hit in verdict.hits}


def test_caps_hold_on_both_sides() -> None:
    scores = shipped(RULES)
    scores = replace(scores, caps={**scores.caps, "urls": 2.0, "headers": 0.4})
    weights = {"LINK_IP": 1.5, "LINK_RISKY_TLD": 1.2, "LINK_ODD_PORT": 0.4, "REPLY": -0.5, "MISSING_DATE": 1.0}
    given = capped(weights, scores)
    assert given == {"LINK_IP": 1.5, "LINK_RISKY_TLD": 0.5, "LINK_ODD_PORT": 0.0, "REPLY": -0.4, "MISSING_DATE": 0.4}


@pytest.mark.parametrize(
    ("score", "reject_from", "action"),
    [
        (5.99, 15.0, Action.ACCEPT),
        (6.0, 15.0, Action.JUNK),
        (14.99, 15.0, Action.JUNK),
        (15.0, 15.0, Action.REJECT),
        (99.0, 0.0, Action.JUNK),
    ],
)
def test_thresholds(score: float, reject_from: float, action: Action) -> None:
    assert suggested(score, Spam(reject_from=reject_from)) is action


@pytest.mark.parametrize("points_of", [bayes_points, linear_points])
def test_points_of_learners_rise_without_a_jump(points_of: Callable[..., tuple[str, float]]) -> None:
    scores = shipped(RULES)
    points = [points_of(i / 100, scores) for i in range(-2500, 2501)]
    lowest, highest = points[0], points[-1]
    assert lowest == (lowest[0], scores.symbols[lowest[0]].weight)
    assert highest == (highest[0], scores.symbols[highest[0]].weight)
    assert (lowest[0][-4:], points[2500][1], highest[0][-5:]) == ("_HAM", 0.0, "_SPAM")
    steps = [b[1] - a[1] for a, b in pairwise(points)]
    assert all(0 <= step < 0.1 for step in steps)


@pytest.mark.parametrize(
    ("score", "strength", "rules", "agree"),
    [
        (1.0, 1.0, 1.2, True),
        (0.2, 1.0, 1.2, False),
        (1.0, 0.0, 1.2, False),
        (1.0, 1.0, 1.1, False),
        (-1.4, 2.0, 1.2, True),
        (-1.4, 1.9, 1.2, False),
        (-1.5, 9.0, 1.2, False),
    ],
)
def test_weak_witnesses_agree(score: float, strength: float, rules: float, agree: bool) -> None:
    assert all_agree(Opinion(0.8, strength, score), rules) is agree


def test_learners_alone_have_nothing_refused() -> None:
    scores = shipped(RULES)
    most = sum(scores.symbols[symbol].weight for symbol in ("LINEAR_SPAM", "BAYES_SPAM", "ALL_AGREE"))
    assert most < Spam().reject_from


@pytest.mark.parametrize(
    ("taught", "links", "symbol", "rules", "most"),
    [
        (False, False, "RULE", 2.9, 3.0),
        (False, False, "RULE", 3.0, 99.0),
        (False, False, "NEW_IBAN", 1.2, 99.0),
        (False, False, "MAILBOX_FULL_FR", 1.2, 99.0),
        (False, True, "RULE", 0.0, 99.0),
        (True, False, "RULE", 0.0, 99.0),
    ],
)
def test_the_prior_alone_is_no_verdict_on_mail_that_has_no_link_and_asks_for_nothing(
    taught: bool, links: bool, symbol: str, rules: float, most: float
) -> None:
    scores = shipped(RULES)
    weights = {symbol: rules}
    add_learners(Opinion(1.0, 99.0, 99.0, "", taught), weights, {}, scores, links=links)
    learnt = sum(points for each, points in weights.items() if each != symbol)
    assert learnt == 3.0 if most == 3.0 else learnt > 10
