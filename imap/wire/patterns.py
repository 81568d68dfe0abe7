"""Patterns of LIST: ``*`` matches anything, ``%`` anything within a level (RFC 3501 section 6.3.8).

A pattern is run as an automaton over all its places at once, so the time is linear in the name whatever the pattern.
"""

from __future__ import annotations

import re
from collections import defaultdict

from storage.model import DELIMITER

_WILDCARDS = re.compile(r"[*%]{2,}")


class Pattern:
    """One pattern. INBOX is matched without case."""

    def __init__(self, pattern: str) -> None:
        top, slash, rest = pattern.partition(DELIMITER)
        pattern = "INBOX" + slash + rest if top.upper() == "INBOX" else pattern
        # Of neighbouring wildcards one says it all, so that no two stand side by side.
        pattern = _WILDCARDS.sub(lambda run: "*" if "*" in run[0] else "%", pattern)
        self._whole = pattern if "*" not in pattern and "%" not in pattern else None
        self._everything = pattern == "*"
        self._letters = sum(character not in "*%" for character in pattern)
        self._pattern = pattern
        self._places: dict[str, int] = defaultdict(int)
        for place, character in enumerate(pattern):
            self._places[character] |= 1 << place
        self._wild = self._places["*"] | self._places["%"]

    def matches(self, name: str) -> bool:
        if self._everything:
            return True
        if self._whole is not None:
            return name == self._whole
        if self._letters > len(name):
            return False
        if name == "INBOX" and self._pattern.upper() != self._pattern:
            return Pattern(self._pattern.upper()).matches(name)
        state = self._stepped_over(1)
        any_place, level_place = self._places["*"], self._places["%"]
        for character in name:
            stay = any_place if character == DELIMITER else any_place | level_place
            literal = 0 if character in "*%" else self._places.get(character, 0)
            state = self._stepped_over(((state & literal) << 1) | (state & stay))
            if not state:
                return False
        return bool(state >> len(self._pattern) & 1)

    def _stepped_over(self, state: int) -> int:
        """A wildcard may also match nothing."""
        return state | ((state & self._wild) << 1)
