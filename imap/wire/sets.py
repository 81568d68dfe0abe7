"""Sets of message numbers as written (RFC 3501 section 9, sequence-set): ranges stay ranges, whatever their width."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from imap.wire.errors import ParseError

_SET = re.compile(
    rb"(?:[1-9][0-9]{0,9}|\*)(?::(?:[1-9][0-9]{0,9}|\*))?(?:,(?:[1-9][0-9]{0,9}|\*)(?::(?:[1-9][0-9]{0,9}|\*))?)*"
)
_HIGHEST = 2**32 - 1

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class NumberSet:
    """Ranges as written, in any order; None stands for ``*``, the highest number.

    ``saved`` is true for ``$``, the result that a search saved (RFC 5182), which has no members of its own.
    """

    members: tuple[tuple[int | None, int | None], ...]
    saved: bool = False

    def resolve(self, highest: int) -> list[Range]:
        """Rising, disjoint, inclusive ranges with ``*`` as ``highest``.

        ``*:5`` and ``5:*`` are equal, and ``999:*`` always has the highest. Of an empty mailbox (``highest`` 0)
        nothing is left.
        """
        if not highest:
            return []
        ranges: list[Range] = []
        for first, last in self.members:
            low = highest if first is None else first
            high = highest if last is None else last
            ranges.append((low, high) if low <= high else (high, low))
        return merged(ranges)

    def rising(self) -> list[Range]:
        """The ranges as written. Raises ParseError when they don't rise, or when one has ``*``."""
        ranges: list[Range] = []
        before = 0
        for low, high in self.members:
            if low is None or high is None or not before < low <= high:
                raise ParseError("the numbers do not rise")
            ranges.append((low, high))
            before = high
        return ranges

    @property
    def largest(self) -> int:
        """The largest number written, ``*`` apart; 0 when there is none."""
        return max((number for member in self.members for number in member if number is not None), default=0)


def parse_set(octets: bytes, limit: int) -> NumberSet:
    """Raises ParseError for a bad set, numbers out of range, or more than ``limit`` members."""
    if octets.count(b",") >= limit:
        raise ParseError(f"a set may have {limit} members")
    if not _SET.fullmatch(octets):
        raise ParseError("a set of message numbers is wrong")
    members: list[tuple[int | None, int | None]] = []
    for member in octets.split(b","):
        first, colon, last = member.partition(b":")
        low = _number(first)
        members.append((low, _number(last) if colon else low))
    return NumberSet(tuple(members))


def _number(digits: bytes) -> int | None:
    if digits == b"*":
        return None
    number = int(digits)
    if number > _HIGHEST:
        raise ParseError("a message number is above 4294967295")
    return number


def merged(ranges: Iterable[Range]) -> list[Range]:
    """Rising ranges of which no two touch."""
    result: list[Range] = []
    for low, high in sorted(ranges):
        if result and low <= result[-1][1] + 1:
            if high > result[-1][1]:
                result[-1] = (result[-1][0], high)
        else:
            result.append((low, high))
    return result


def ranges_of(numbers: Iterable[int]) -> list[Range]:
    """Ranges of numbers in the order given; runs that rise by one become one range."""
    result: list[Range] = []
    for number in numbers:
        if result and number == result[-1][1] + 1:
            result[-1] = (result[-1][0], number)
        else:
            result.append((number, number))
    return result


def in_ranges(number: int, ranges: Sequence[Range]) -> bool:
    """True when one of the rising ranges has the number."""
    place = bisect_right(ranges, (number, _HIGHEST + 1)) - 1
    return place >= 0 and ranges[place][0] <= number <= ranges[place][1]


def write(numbers: Iterable[int]) -> bytes:
    """A set for the wire, compact, in the order given."""
    return write_ranges(ranges_of(numbers))


def write_ranges(ranges: Iterable[Range]) -> bytes:
    """A set for the wire of ranges in the order given."""
    return b",".join(b"%d" % low if low == high else b"%d:%d" % (low, high) for low, high in ranges)


def without(ranges: Iterable[Range], numbers: Sequence[int]) -> list[Range]:
    """Rising ranges without some rising numbers."""
    result: list[Range] = []
    for low, high in ranges:
        for place in range(bisect_left(numbers, low), bisect_right(numbers, high)):
            if numbers[place] > low:
                result.append((low, numbers[place] - 1))
            low = numbers[place] + 1
        if low <= high:
            result.append((low, high))
    return result


def common(some: Sequence[Range], others: Sequence[Range]) -> list[Range]:
    """What two lists of rising ranges have in common."""
    result: list[Range] = []
    i = j = 0
    while i < len(some) and j < len(others):
        low, high = max(some[i][0], others[j][0]), min(some[i][1], others[j][1])
        if low <= high:
            result.append((low, high))
        if some[i][1] < others[j][1]:
            i += 1
        else:
            j += 1
    return result
