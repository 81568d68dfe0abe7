"""Sets of numbers: what two have in common, what is left without some."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imap.wire.errors import ParseError
from imap.wire.sets import common, parse_set, ranges_of, without

NUMBERS = st.sets(st.integers(1, 40)).map(sorted)


@given(NUMBERS, NUMBERS)
def test_common_and_without_are_those_of_sets(some: list[int], others: list[int]) -> None:
    assert common(ranges_of(some), ranges_of(others)) == ranges_of(sorted(set(some) & set(others)))
    assert without(ranges_of(some), others) == ranges_of(sorted(set(some) - set(others)))


def test_rising_sets() -> None:
    assert parse_set(b"1,3:5,9", 10).rising() == [(1, 1), (3, 5), (9, 9)]
    for wrong in (b"3,1", b"5:3", b"1:*", b"2,2"):
        with pytest.raises(ParseError):
            parse_set(wrong, 10).rising()
