"""Weights, caps and composites from the data files, checked against the rules when the filter starts."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Any

from spamfilter.composites import Expression, ExpressionError, parse

#: Symbols of the learners; they stand in the data files like those of rules.
BAYES_SPAM, BAYES_HAM, BAYES_UNSURE = "BAYES_SPAM", "BAYES_HAM", "BAYES_UNSURE"
LINEAR_SPAM, LINEAR_HAM = "LINEAR_SPAM", "LINEAR_HAM"
ALL_AGREE = "ALL_AGREE"
CLASSIFIER = frozenset({BAYES_SPAM, BAYES_HAM, BAYES_UNSURE, LINEAR_SPAM, LINEAR_HAM, ALL_AGREE})
#: Symbols of what people here said of such mail; they are no features of the learners, whom the same people teach.
CAMPAIGN_REPORTED, CAMPAIGN_CONFIRMED = "CAMPAIGN_REPORTED", "CAMPAIGN_CONFIRMED"
FILE_REPORTED, FILE_CONFIRMED = "FILE_REPORTED", "FILE_CONFIRMED"
SAID = frozenset({CAMPAIGN_REPORTED, CAMPAIGN_CONFIRMED, FILE_REPORTED, FILE_CONFIRMED})
#: Symbols of what came from the sender before, as ``spamfilter.reputation`` knows them.
REPUTATION = frozenset(
    f"{kind}_{side}"
    for kind in ("DOMAIN_REPUTATION", "ADDRESS_REPUTATION", "NETWORK_REPUTATION", "OWN_EXPERIENCE")
    for side in ("BAD", "GOOD")
)
#: Symbols that give a share of their weight.
GRADED = CLASSIFIER | REPUTATION

_COMPOSITES = "composites"
_LARGEST = 1000.0


class ScoreError(ValueError):
    """A data file of the filter is wrong; the text names the file, the place and what was expected."""


@dataclass(frozen=True, slots=True)
class Score:
    """What a symbol gives: points (more is worse), the group whose cap holds, and the reason in words. ``guard`` makes
    a message that it hits a guarded one."""

    weight: float
    group: str
    french: str
    english: str
    guard: bool = False


@dataclass(frozen=True, slots=True)
class Composite:
    """A symbol made of others: when ``expression`` holds it hits, and the symbols in ``cancels`` lose their points."""

    symbol: str
    expression: Expression
    cancels: frozenset[str]


@dataclass(frozen=True, slots=True)
class Scores:
    """Everything from the data files. ``caps`` are points by group; a group without one is not limited."""

    symbols: Mapping[str, Score]
    caps: Mapping[str, float]
    composites: tuple[Composite, ...]
    bayes_sure_from: float
    bayes_certain_at: float
    linear_certain_at: float


def shipped(rules: Collection[str], override: Path | None = None) -> Scores:
    """The data files of this package with the operator's file over them. Raises ``ScoreError``.

    ``rules`` are the symbols of the registered rules; each must have a weight, and each weight a rule.
    """
    folder = files("spamfilter")
    scores = read_scores(_toml("scores.toml", folder.joinpath("scores.toml").read_text("utf-8")), rules)
    composites = _toml("composites.toml", folder.joinpath("composites.toml").read_text("utf-8"))
    scores = with_composites(scores, composites)
    if override is None:
        return scores
    try:
        text = override.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScoreError(f"{override}: can't be read: {error}") from error
    return overridden(scores, _toml(str(override), text), str(override))


def read_scores(data: Mapping[str, Any], rules: Collection[str], name: str = "scores.toml") -> Scores:
    """Symbols and caps of a parsed ``scores.toml``. Raises ``ScoreError``."""
    symbols: dict[str, Score] = {}
    caps: dict[str, float] = {}
    for group, section in data.items():
        if not isinstance(section, dict) or not isinstance(section.get("rules"), dict):
            raise ScoreError(f"{name}: [{group}] must be a group with cap and [{group}.rules]")
        caps[group] = _number(name, f"{group}.cap", section.get("cap"), low=0.0)
        for symbol, entry in section["rules"].items():
            if symbol in symbols:
                raise ScoreError(f"{name}: {symbol} stands in the groups {symbols[symbol].group} and {group}")
            symbols[symbol] = _score(name, symbol, entry, group)
    known = set(rules) | GRADED | SAID
    for symbol in symbols:
        _check_known(name, symbol, known)
    if missing := sorted(known - set(symbols)):
        raise ScoreError(f"{name}: no weight for {', '.join(missing)}; each rule needs a line there")
    bayes, linear = data.get("bayes", {}), data.get("linear", {})
    sure_from = _number(name, "bayes.sure_from", bayes.get("sure_from"), low=0.0)
    bayes_certain_at = _number(name, "bayes.certain_at", bayes.get("certain_at"), low=sure_from + 0.1)
    linear_certain_at = _number(name, "linear.certain_at", linear.get("certain_at"), low=0.1)
    return Scores(symbols, caps, (), sure_from, bayes_certain_at, linear_certain_at)


def with_composites(scores: Scores, data: Mapping[str, Any], name: str = "composites.toml") -> Scores:
    """The scores with the composites of a parsed ``composites.toml``. Raises ``ScoreError``."""
    symbols = dict(scores.symbols)
    composites: list[Composite] = []
    for symbol, entry in data.items():
        if symbol in symbols:
            raise ScoreError(f"{name}: {symbol} is taken already")
        score = _score(name, symbol, entry, _COMPOSITES)
        try:
            expression = parse(entry["when"])
        except (KeyError, TypeError) as error:
            raise ScoreError(f"{name}: {symbol} needs an expression `when`") from error
        except ExpressionError as error:
            raise ScoreError(f"{name}: {symbol}: {error}") from error
        cancels = frozenset(entry.get("cancels", ()))
        for mentioned in sorted(expression.symbols | cancels):
            _check_known(name, mentioned, symbols, f"{symbol}: ")
        symbols[symbol] = score
        composites.append(Composite(symbol, expression, cancels))
    return replace(scores, symbols=symbols, composites=(*scores.composites, *composites))


def overridden(scores: Scores, data: Mapping[str, Any], name: str) -> Scores:
    """The scores with an operator's ``[composites.SYMBOL]``, ``[texts.SYMBOL]``, ``[weights]`` and ``[caps]`` added or
    in their place. Raises ``ScoreError``."""
    if unknown := sorted(set(data) - {"weights", "caps", "texts", "composites"}):
        raise ScoreError(f"{name}: unknown section {unknown[0]}; expected [weights], [caps], [texts] or [composites]")
    scores = with_composites(scores, _section(name, data, _COMPOSITES), name)
    symbols, caps = dict(scores.symbols), dict(scores.caps)
    for symbol, weight in _section(name, data, "weights").items():
        _check_known(name, symbol, symbols)
        symbols[symbol] = replace(symbols[symbol], weight=_number(name, symbol, weight))
    for symbol, entry in _section(name, data, "texts").items():
        _check_known(name, symbol, symbols)
        if not isinstance(entry, dict) or not all(isinstance(entry.get(key), str) for key in ("fr", "en")):
            raise ScoreError(f"{name}: texts.{symbol} needs fr and en")
        symbols[symbol] = replace(symbols[symbol], french=entry["fr"], english=entry["en"])
    for group, cap in _section(name, data, "caps").items():
        _check_known(name, group, set(caps) | {_COMPOSITES}, kind="group")
        caps[group] = _number(name, group, cap, low=0.0)
    return replace(scores, symbols=symbols, caps=caps)


def _toml(name: str, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScoreError(f"{name}: {error}") from error


def _section(name: str, data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    section = data.get(key, {})
    if not isinstance(section, dict):
        raise ScoreError(f"{name}: {key} must be a section, [{key}]")
    return section


def _score(name: str, symbol: str, entry: Any, group: str) -> Score:
    if not isinstance(entry, dict) or not all(isinstance(entry.get(key), str) for key in ("fr", "en")):
        raise ScoreError(f"{name}: {symbol} needs weight, fr and en")
    guard = entry.get("guard", False)
    if not isinstance(guard, bool):
        raise ScoreError(f"{name}: {symbol}: guard must be true or false, not {guard!r}")
    return Score(_number(name, symbol, entry.get("weight")), group, entry["fr"], entry["en"], guard)


def _number(name: str, key: str, value: Any, low: float = -_LARGEST, high: float = _LARGEST) -> float:
    # A bool is an int for Python; nan fails both comparisons.
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ScoreError(f"{name}: {key} must be a number from {low:g} to {high:g}, not {value!r}")
    return float(value)


def _check_known(name: str, symbol: str, known: Collection[str], place: str = "", kind: str = "symbol") -> None:
    if symbol not in known:
        near = get_close_matches(symbol, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ScoreError(f"{name}: {place}unknown {kind} {symbol}{hint}")
