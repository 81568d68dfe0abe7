"""Whatever octets come: they are cut the same way in any portions, and parse or raise the one syntax error."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imap.wire import mutf7
from imap.wire.errors import BadName, ParseError
from imap.wire.framing import Announced, Complete, Event, Framer, Literal, Overlong
from imap.wire.parser import RULES, Limits, parse
from imap.wire.patterns import Pattern
from imap.wire.sets import NumberSet, in_ranges, merged, parse_set, write

PIECES = [
    *(name + b" " for name in RULES),
    *(
        b"a1 ",
        b"\r\n",
        b"\n",
        b"\r",
        b"\0",
        b" ",
        b"(",
        b")",
        b"{3}\r\n",
        b"{3+}\r\n",
        b"{999+}\r\n",
        b"{0}\r\n",
        b"abc",
    ),
    *(b'"', b"\\", b"INBOX", b"1:*", b"1,2:3", b"FLAGS", b"BODY[", b"]", b"HEADER.FIELDS", b"<0.5>", b"NIL", b"\xff"),
    *(b"RETURN", b"NOT ", b"OR ", b"SUBJECT ", b"+FLAGS", b"\\Seen", b"1-Feb-2026", b"&AOk-", b"&", b"*", b"%", b"~"),
    *(
        b"QRESYNC (",
        b"VANISHED",
        b"CATENATE (",
        b"URL ",
        b"TEXT ",
        b"UTF8 (",
        b"~{3+}\r\n",
        b"BINARY[",
        b"PREVIEW (LAZY)",
    ),
    *(b"MODSEQ", b"99999999999999999999", b"CHANGEDSINCE", b"{99999999999999999999999}\r\n"),
]
STREAMS = st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=8)), max_size=40).map(b"".join)
LIMIT = 300


def events(portions: list[bytes]) -> list[Event]:
    """What a framer makes of octets; literals up to 100 octets are accepted, others refused."""
    framer = Framer(LIMIT)
    found: list[Event] = []
    for portion in portions:
        framer.feed(portion)
        while (event := framer.next_command()) is not None:
            found.append(event)
            if isinstance(event, Overlong):
                return found
            if isinstance(event, Announced):
                if event.size <= 100:
                    framer.accept()
                else:
                    framer.refuse()
    return found


@given(STREAMS)
def test_portions_make_no_difference(octets: bytes) -> None:
    whole = events([octets])
    single = events([bytes([octet]) for octet in octets])
    # How much of an overlong line was there when it was found differs.
    assert [one if not isinstance(one, Overlong) else Overlong for one in whole] == [
        one if not isinstance(one, Overlong) else Overlong for one in single
    ]


@given(STREAMS)
def test_the_octets_of_commands_are_the_stream(octets: bytes) -> None:
    for event in events([octets]):
        if isinstance(event, Complete):
            assert len(event.texts) == len(event.literals) + 1
            assert all(b"\n" not in text for text in event.texts)


def outcome(texts: tuple[bytes, ...], literals: tuple[Literal, ...], utf8: bool = False) -> tuple[bytes | None, str]:
    """The tag of a command, read or refused, and what became of it. Anything but the two errors fails the test."""
    try:
        request = parse(texts, literals, Limits(), utf8)
    except (ParseError, BadName) as error:
        return error.tag, error.text
    return request.tag, "read"


@given(STREAMS)
def test_any_command_parses_or_is_refused_properly(octets: bytes) -> None:
    for event in events([octets]):
        if isinstance(event, Complete):
            tag, text = outcome(event.texts, event.literals)
            assert text
            assert outcome(event.texts, event.literals, utf8=True)[0] == tag
            assert tag is None or event.texts[0].startswith(tag)


ARGUMENTS = st.lists(st.sampled_from([piece for piece in PIECES if b"\n" not in piece]), max_size=12).map(b"".join)


@given(st.sampled_from(sorted(RULES)), ARGUMENTS)
def test_any_arguments_of_any_command(name: bytes, arguments: bytes) -> None:
    assert outcome((b"a " + name + b" " + arguments,), ())[0] == b"a"


# Names that can be written: no lone surrogates.
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(NAMES)
def test_mailbox_names_come_back(name: str) -> None:
    octets = mutf7.encode(name)
    assert octets.isascii()
    assert mutf7.decode(octets) == name


@given(st.binary(max_size=20).map(lambda octets: octets.replace(b"\0", b"&")))
def test_a_name_is_read_in_one_form_only(octets: bytes) -> None:
    try:
        name = mutf7.decode(octets)
    except BadName:
        return
    assert mutf7.encode(name) == octets


MEMBERS = st.lists(
    st.tuples(st.one_of(st.none(), st.integers(1, 30)), st.one_of(st.none(), st.integers(1, 30))),
    min_size=1,
    max_size=8,
)


@given(MEMBERS, st.integers(0, 30))
def test_sets_mean_what_they_say(members: list[tuple[int | None, int | None]], highest: int) -> None:
    text = b",".join(b":".join(b"*" if number is None else b"%d" % number for number in member) for member in members)
    ranges = parse_set(text, 100).resolve(highest)
    assert ranges == merged(ranges)
    expected: set[int] = set()
    for first, last in members:
        low, high = sorted((first or highest, last or highest))
        expected |= set(range(low, high + 1)) if highest else set()
    assert {number for number in range(1, 40) if in_ranges(number, ranges)} == expected - {0}


@given(st.lists(st.integers(1, 50), min_size=1, unique=True))
def test_written_sets_can_be_read(numbers: list[int]) -> None:
    resolved = parse_set(write(numbers), 100).resolve(50)
    assert {number for low, high in resolved for number in range(low, high + 1)} == set(numbers)


@given(st.text("ab/*%", max_size=8), st.text("ab/", min_size=1, max_size=10))
def test_patterns_match_as_the_definition_says(pattern: str, name: str) -> None:
    definition = "".join({"*": ".*", "%": "[^/]*"}.get(character, re.escape(character)) for character in pattern)
    assert Pattern(pattern).matches(name) is bool(re.fullmatch(definition, name))


@pytest.mark.parametrize("pattern", ["%*" * 400 + "x", "*a" * 400, "%a" * 400 + "/"])
def test_patterns_take_linear_time(pattern: str) -> None:
    name = "a" * 900 + "b"
    before = time.process_time()
    for _ in range(20):
        assert not Pattern(pattern).matches(name)
    assert time.process_time() - before < 5


def test_a_set_costs_by_its_members_not_by_its_numbers() -> None:
    assert NumberSet(((1, 2**32 - 1),)).resolve(2**32 - 1) == [(1, 2**32 - 1)]
