"""Composites: expressions over symbols, kept as data, that add points or take them away. Pure.

    expression = term { "or" term }
    term       = factor { "and" factor }
    factor     = "not" factor | "(" expression ")" | SYMBOL

This is where a false positive is repaired without touching a rule: "forged sender, but a signed mailing list".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

MAX_LENGTH = 2000
MAX_DEPTH = 20

_TOKEN = re.compile(r"\s*([A-Za-z0-9_]+|[()])")
_WORDS = frozenset({"and", "or", "not"})

Test = Callable[[Collection[str]], bool]


class ExpressionError(ValueError):
    """The expression can't be read; the text says where and what was expected."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression: ``symbols`` are all it mentions, ``test`` tells whether it holds for a set of hits."""

    source: str
    symbols: frozenset[str]
    test: Test


def parse(source: str) -> Expression:
    """Read an expression. Raises ``ExpressionError``."""
    return _Parser(source).read()


def _tokens(source: str) -> list[str]:
    if len(source) > MAX_LENGTH:
        raise ExpressionError(f"longer than {MAX_LENGTH} characters")
    tokens: list[str] = []
    position = 0
    end = len(source.rstrip())
    while position < end:
        match = _TOKEN.match(source, position)
        if match is None:
            raise ExpressionError(f"unexpected character {source[position:].strip()[0]!r} in {source!r}")
        tokens.append(match[1])
        position = match.end()
    return tokens


class _Parser:
    """Recursive descent, one method a line of the grammar."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._tokens = _tokens(source)
        self._position = 0
        self._symbols: set[str] = set()

    def read(self) -> Expression:
        test = self._expression(0)
        if (extra := self._peek()) is not None:
            raise ExpressionError(f"unexpected {extra!r} in {self._source!r}")
        return Expression(self._source, frozenset(self._symbols), test)

    def _peek(self) -> str | None:
        return self._tokens[self._position] if self._position < len(self._tokens) else None

    def _next(self) -> str:
        token = self._peek()
        if token is None:
            raise ExpressionError(f"unexpected end of {self._source!r}")
        self._position += 1
        return token

    def _taken(self, word: str) -> bool:
        if self._peek() != word:
            return False
        self._position += 1
        return True

    def _expression(self, depth: int) -> Test:
        tests = [self._term(depth)]
        while self._taken("or"):
            tests.append(self._term(depth))
        return tests[0] if len(tests) == 1 else lambda hits: any(test(hits) for test in tests)

    def _term(self, depth: int) -> Test:
        tests = [self._factor(depth)]
        while self._taken("and"):
            tests.append(self._factor(depth))
        return tests[0] if len(tests) == 1 else lambda hits: all(test(hits) for test in tests)

    def _factor(self, depth: int) -> Test:
        if depth > MAX_DEPTH:
            raise ExpressionError(f"nested deeper than {MAX_DEPTH} in {self._source!r}")
        token = self._next()
        if token == "not":
            inner = self._factor(depth + 1)
            return lambda hits: not inner(hits)
        if token == "(":
            inner = self._expression(depth + 1)
            if self._next() != ")":
                raise ExpressionError(f"expected ')' in {self._source!r}")
            return inner
        if token == ")" or token in _WORDS:
            raise ExpressionError(f"expected a symbol instead of {token!r} in {self._source!r}")
        self._symbols.add(token)
        return lambda hits: token in hits
