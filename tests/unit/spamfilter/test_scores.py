from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from spamfilter.registry import DuplicateSymbol, Rule, rule
from spamfilter.rules import RULES
from spamfilter.scores import GRADED, SAID, ScoreError, overridden, read_scores, shipped, with_composites


def data(**rules: Any) -> dict[str, Any]:
    entry = {"weight": 1.0, "fr": "oui", "en": "yes"}
    return {
        "group": {"cap": 3.0, "rules": {"KNOWN": entry} | rules},
        "bayes": {"cap": 5.0, "sure_from": 1.0, "certain_at": 8.0, "rules": dict.fromkeys(GRADED | SAID, entry)},
        "linear": {"cap": 5.0, "certain_at": 8.0, "rules": {}},
    }


def test_the_shipped_files_fit_the_rules() -> None:
    scores = shipped(RULES)
    assert set(RULES) < set(scores.symbols)
    assert len(RULES) >= 40
    assert all(score.french and score.english for score in scores.symbols.values())


def test_two_rules_of_one_symbol_are_an_error() -> None:
    registry: dict[str, Rule] = {}
    rule("TWICE", registry)(lambda views: None)
    with pytest.raises(DuplicateSymbol, match="TWICE"):
        rule("TWICE", registry)(lambda views: None)


@pytest.mark.parametrize("name", ["", "lower", "A", "A-B", "A" * 41])
def test_a_bad_symbol_is_an_error(name: str) -> None:
    with pytest.raises(ValueError, match="no symbol"):
        rule(name, {})


def test_a_weight_without_a_rule_is_an_error() -> None:
    with pytest.raises(ScoreError, match="unknown symbol KNOWM; did you mean KNOWN"):
        read_scores(data(KNOWM={"weight": 1, "fr": "a", "en": "b"}), {"KNOWN"})


def test_a_rule_without_a_weight_is_an_error() -> None:
    with pytest.raises(ScoreError, match="no weight for OTHER"):
        read_scores(data(), {"KNOWN", "OTHER"})


@pytest.mark.parametrize(
    "entry",
    [
        {"weight": "1", "fr": "a", "en": "b"},
        {"weight": True, "fr": "a", "en": "b"},
        {"weight": float("nan"), "fr": "a", "en": "b"},
        {"weight": 1e9, "fr": "a", "en": "b"},
        {"weight": 1, "fr": "a"},
        {"fr": "a", "en": "b"},
        1.0,
    ],
)
def test_a_bad_entry_is_an_error(entry: Any) -> None:
    with pytest.raises(ScoreError, match="BAD"):
        read_scores(data(BAD=entry), {"KNOWN", "BAD"})


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"when": "KNOWN and MISSPELT"}, "unknown symbol MISSPELT"),
        ({"when": "KNOWN", "cancels": ["NOBODY"]}, "unknown symbol NOBODY"),
        ({"when": "KNOWN and"}, "unexpected end"),
        ({}, "needs an expression"),
    ],
)
def test_a_bad_composite_is_an_error(entry: dict[str, Any], told: str) -> None:
    scores = read_scores(data(), {"KNOWN"})
    with pytest.raises(ScoreError, match=told):
        with_composites(scores, {"NEW": {"weight": 1, "fr": "a", "en": "b"} | entry})


def test_a_composite_may_not_take_a_taken_symbol() -> None:
    with pytest.raises(ScoreError, match="taken"):
        with_composites(read_scores(data(), {"KNOWN"}), {"KNOWN": {"weight": 1, "fr": "a", "en": "b", "when": "KNOWN"}})


def test_composites_may_build_on_earlier_ones_only() -> None:
    scores = read_scores(data(), {"KNOWN"})
    one = {"weight": 1, "fr": "a", "en": "b", "when": "KNOWN"}
    two = {"weight": 1, "fr": "a", "en": "b", "when": "ONE"}
    assert [c.symbol for c in with_composites(scores, {"ONE": one, "TWO": two}).composites] == ["ONE", "TWO"]
    with pytest.raises(ScoreError, match="unknown symbol ONE"):
        with_composites(scores, {"TWO": two, "ONE": one})


def test_an_operators_file_replaces_weights_and_caps(tmp_path: Path) -> None:
    file = tmp_path / "scores.toml"
    file.write_text("[weights]\nLINK_IP = 0\nPHISHING_ACCOUNT = 4.5\n[caps]\nurls = 2\n")
    scores = shipped(RULES, file)
    assert scores.symbols["LINK_IP"].weight == 0.0
    assert scores.symbols["LINK_IP"].english == shipped(RULES).symbols["LINK_IP"].english
    assert scores.symbols["PHISHING_ACCOUNT"].weight == 4.5
    assert scores.caps["urls"] == 2.0


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("[weights]\nLINK_PI = 0\n", "unknown symbol LINK_PI; did you mean LINK_IP"),
        ("[caps]\nurl = 0\n", "unknown group url; did you mean urls"),
        ("[weight]\nLINK_IP = 0\n", "unknown section weight"),
        ("[weights]\nLINK_IP = 'much'\n", "LINK_IP must be a number"),
        ("[weights\n", "Expected"),
        ("weights = 1\n", "must be a section"),
    ],
)
def test_a_bad_operators_file_is_an_error_that_names_it(tmp_path: Path, content: str, told: str) -> None:
    file = tmp_path / "site.toml"
    file.write_text(content)
    with pytest.raises(ScoreError, match=told) as error:
        shipped(RULES, file)
    assert str(file) in str(error.value)


def test_a_missing_operators_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ScoreError, match="can't be read"):
        shipped(RULES, tmp_path / "none.toml")


def test_override_keeps_what_it_does_not_name() -> None:
    scores = shipped(RULES)
    assert overridden(scores, {}, "empty").symbols == scores.symbols
