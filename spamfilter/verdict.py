"""The filter's output: a score with its reasons."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    """What the filter suggests; policy decides."""

    ACCEPT = "accept"
    JUNK = "junk"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule that matched: its symbol, the points it gives (after caps), and what it saw, in words."""

    symbol: str
    weight: float
    french: str
    english: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Score in points (higher is worse) with hits by falling absolute weight.

    ``probability`` is the Bayesian classifier's in 0..1, None while it is untrained or unsure. ``scanned`` is False
    when the filter failed or ran out of its budget: the message then passes, marked. ``guarded`` are the symbols of
    the impersonation guard that hit. ``sketch`` and ``files`` (in hexadecimal, "" for none) tell mail of one making:
    see ``spamfilter.sketch``; ``origin`` is what the sender's reputation hangs on: see ``spamfilter.reputation``;
    ``files_at`` are symbols of dangerous files, each with the offset at which the header of such a part begins.
    """

    score: float
    action: Action
    hits: tuple[Hit, ...]
    probability: float | None
    junk_from: float
    reject_from: float
    scanned: bool = True
    note: str = ""
    guarded: tuple[str, ...] = ()
    sketch: str = ""
    files: str = ""
    origin: tuple[str, ...] = ()
    files_at: tuple[tuple[str, int], ...] = ()
