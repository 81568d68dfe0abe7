from __future__ import annotations

import pytest

from spamfilter.composites import MAX_DEPTH, ExpressionError, parse


@pytest.mark.parametrize(
    ("source", "hits", "holds"),
    [
        ("A", {"A"}, True),
        ("A", {"B"}, False),
        ("not A", set(), True),
        ("not not A", {"A"}, True),
        ("A and B", {"A"}, False),
        ("A and B", {"A", "B"}, True),
        ("A or B", {"B"}, True),
        ("A or B and C", {"A"}, True),
        ("A or B and C", {"B"}, False),
        ("(A or B) and C", {"A"}, False),
        ("(A or B) and C", {"B", "C"}, True),
        ("not A and B", {"B"}, True),
        ("not (A and B)", {"A", "B"}, False),
        ("A\n  and not (B or C)", {"A"}, True),
        ("A\n  and not (B or C)", {"A", "C"}, False),
    ],
)
def test_holds(source: str, hits: set[str], holds: bool) -> None:
    assert parse(source).test(hits) is holds


def test_symbols_are_all_that_are_mentioned() -> None:
    assert parse("A and (B or not C) and A").symbols == {"A", "B", "C"}


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("", "unexpected end"),
        ("A and", "unexpected end"),
        ("(A or B", "unexpected end"),
        ("A B", "unexpected 'B'"),
        ("A)", "unexpected ')'"),
        ("()", "expected a symbol instead of ')'"),
        ("and A", "expected a symbol instead of 'and'"),
        ("A & B", "unexpected character '&'"),
        ("A or " * 1000 + "A", "longer than"),
        ("(" * (MAX_DEPTH + 2) + "A" + ")" * (MAX_DEPTH + 2), "nested deeper"),
        ("not " * (MAX_DEPTH + 2) + "A", "nested deeper"),
    ],
)
def test_errors_say_what_is_wrong(source: str, told: str) -> None:
    with pytest.raises(ExpressionError) as error:
        parse(source)
    assert told in str(error.value)
