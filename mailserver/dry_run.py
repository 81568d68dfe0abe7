"""What other weights or settings would have made of mail, without anything being changed."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from config.load import load
from config.settings import Settings, Spam
from mailserver.judging import filter_of
from mailserver.wiring import Rooms
from spamfilter import record
from spamfilter.corpus import read_all
from spamfilter.rules import RULES
from spamfilter.scores import ScoreError, Scores, shipped
from spamfilter.stored import stored_message
from spamfilter.verdict import Verdict

_OF_SCORES = frozenset(("weights", "caps", "texts", "composites"))


@dataclass(frozen=True, slots=True)
class Comparison:
    """One message, by its subject or the id of its envelope, judged both ways."""

    name: str
    before: Verdict
    after: Verdict

    @property
    def why(self) -> str:
        """The symbols whose points differ, the greatest difference first."""
        points = {hit.symbol: hit.weight for hit in self.before.hits}
        now = {hit.symbol: hit.weight for hit in self.after.hits}
        differences = {s: now.get(s, 0.0) - points.get(s, 0.0) for s in points.keys() | now.keys()}
        told = sorted((s for s, d in differences.items() if abs(d) >= 0.005), key=lambda s: (-abs(differences[s]), s))
        return ", ".join(f"{symbol} {differences[symbol]:+.2f}" for symbol in told[:3]) or "thresholds"


def comparison(rooms: Rooms, rules: Path, paths: list[Path], since: float) -> Iterator[Comparison]:
    """Messages judged by today's rules and by those of the file ``rules``: the mail under ``paths``, or without any the
    records from ``since`` (seconds since the epoch) on, whose findings are weighed again.

    Raises ``ScoreError``, ``config.load.ConfigurationError`` and OSError for files that are wrong.
    """
    settings = rooms.settings
    other = replace(settings, spam=other_settings(rules, settings))
    if not paths:
        scores, now = _scores(other.spam), _scores(settings.spam)
        for number, verdict in record.since(rooms.database, since, now):
            yield Comparison(number, verdict, record.judged_again(verdict, scores, other.spam))
        return
    today, tomorrow = filter_of(rooms.database, settings), filter_of(rooms.database, other)
    for at, octets in enumerate(read_all(paths), 1):
        if octets is None:
            continue
        evidence = stored_message(octets, settings.site.hostname).evidence
        name = f"{at} {evidence.headers.text(b'subject')[:60]!r}"
        yield Comparison(name, today.judge(evidence), tomorrow.judge(evidence))


def other_settings(rules: Path, settings: Settings) -> Spam:
    """The settings of the filter with a file of weights, or those of another configuration file."""
    try:
        data = tomllib.loads(rules.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ScoreError(f"{rules}: {error}") from error
    return replace(settings.spam, scores=rules) if data.keys() <= _OF_SCORES else load(rules).spam


def _scores(settings: Spam) -> Scores:
    return shipped(RULES, settings.scores)
