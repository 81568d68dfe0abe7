"""The rules of the filter, by symbol.

A rule is a function from the decoded message to what it saw: a short text (shown as the detail of the hit), True when
there is nothing to add, or None or False for no hit. It reads, and has no side effect. Its weight and its words for
people are in ``scores.toml``.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from spamfilter.views import Views

Finding = str | bool | None
Rule = Callable[[Views], Finding]

_SYMBOL = re.compile(r"[A-Z][A-Z0-9_]{2,39}")


class DuplicateSymbol(ValueError):
    """Two rules claim one symbol."""


def rule(symbol: str, registry: dict[str, Rule] | None = None) -> Callable[[Rule], Rule]:
    """Register the decorated function under ``symbol``. Raises ``DuplicateSymbol``, and ``ValueError`` for a bad
    name."""
    rules = RULES if registry is None else registry
    if not _SYMBOL.fullmatch(symbol):
        raise ValueError(f"{symbol!r} is no symbol: 3 to 40 capitals, digits and underscores")

    def register(function: Rule) -> Rule:
        if symbol in rules:
            raise DuplicateSymbol(f"two rules claim the symbol {symbol}")
        rules[symbol] = function
        return function

    return register


#: Filled by the modules of ``spamfilter.rules``, in their order.
RULES: dict[str, Rule] = {}
