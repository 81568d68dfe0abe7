"""Lines and literals."""

from __future__ import annotations

import re
import time

import pytest

from imap.wire.framing import DROP_LIMIT, Announced, Complete, Framer, Overlong


def fed(octets: bytes, line: int = 100) -> Framer:
    framer = Framer(line)
    framer.feed(octets)
    return framer


def test_a_line() -> None:
    framer = fed(b"a NOOP\r\nb NOOP\n")
    assert framer.next_command() == Complete((b"a NOOP",), ())
    assert framer.next_command() == Complete((b"b NOOP",), ())
    assert framer.next_command() is None


def test_some_commands_may_be_longer() -> None:
    framer = Framer(10, (re.compile(rb"a ID "), 20))
    framer.feed(b"a ID 0123456789\r\n")
    assert framer.next_command() == Complete((b"a ID 0123456789",), ())
    framer.feed(b"a ID {1+}\r\nx 012345678901234\r\n")
    assert isinstance(framer.next_command(), Announced)
    framer.accept()
    assert framer.next_command() == Overlong(b"a ID ")
    framer = Framer(10, (re.compile(rb"a ID "), 20))
    framer.feed(b"a NOP 0123456789")
    assert isinstance(framer.next_command(), Overlong)


def test_a_literal_is_announced_then_read() -> None:
    framer = fed(b"a LOGIN {3}\r\n")
    assert framer.next_command() == Announced((b"a LOGIN ",), (), 3, True)
    framer.accept()
    framer.feed(b"x\r\n {2+}\r\nyz\r\n")
    assert framer.next_command() == Announced((b"a LOGIN ", b" "), (b"x\r\n",), 2, False)
    framer.accept()
    assert framer.next_command() == Complete((b"a LOGIN ", b" ", b""), (b"x\r\n", b"yz"))


def test_a_refused_literal_that_comes_anyway_is_never_a_command() -> None:
    framer = fed(b"a LOGIN {10+}\r\nb LOGOUT\r\n rest {5+}\r\nc X\r\n\r\nd NOOP\r\n")
    assert isinstance(framer.next_command(), Announced)
    framer.refuse()
    assert framer.next_command() == Complete((b"d NOOP",), ())


def test_a_refused_literal_that_waits_is_forgotten() -> None:
    framer = fed(b"a LOGIN {10}\r\n")
    assert isinstance(framer.next_command(), Announced)
    framer.refuse()
    framer.feed(b"b NOOP\r\n")
    assert framer.next_command() == Complete((b"b NOOP",), ())


@pytest.mark.parametrize("digits", [b"4294967296", b"9" * 20, b"9" * 50])
def test_huge_announcements_are_numbers_like_any(digits: bytes) -> None:
    framer = fed(b"a X {" + digits + b"}\r\n")
    event = framer.next_command()
    assert isinstance(event, Announced)
    assert event.size == min(int(digits), 10**20)


def test_too_much_to_drop_ends_the_connection() -> None:
    framer = fed(b"a X {%d+}\r\n" % (DROP_LIMIT + 1))
    framer.next_command()
    framer.refuse()
    assert framer.next_command() == Overlong(b"")


def test_lines_are_bounded_with_and_without_end() -> None:
    assert fed(b"a " + b"x" * 100).next_command() == Overlong(b"a " + b"x" * 100)
    assert isinstance(fed(b"a " + b"x" * 100 + b"\r\n").next_command(), Overlong)


def test_all_texts_of_a_command_count_together() -> None:
    framer = fed(b"a " + b"x" * 60 + b"{1}\r\n")
    framer.next_command()
    framer.accept()
    framer.feed(b"y" * 60 + b"\r\n")
    assert isinstance(framer.next_command(), Overlong)


class Sink:
    def __init__(self) -> None:
        self.octets = b""
        self.closed = False

    def write(self, octets: bytes) -> None:
        self.octets += octets

    def close(self) -> None:
        self.closed = True


def test_a_sink_takes_the_octets_and_is_closed_when_the_command_is_cut_off() -> None:
    framer = fed(b"a APPEND x {10}\r\n")
    framer.next_command()
    sink = Sink()
    framer.accept(sink)
    framer.feed(b"12345")
    assert framer.next_command() is None
    assert sink.octets == b"12345"
    framer.clear()
    assert sink.closed
    framer.feed(b"b NOOP\r\n")
    assert framer.next_command() == Complete((b"b NOOP",), ())


def test_a_line_as_it_is() -> None:
    framer = fed(b"DONE {5}\r\nrest")
    assert framer.next_line() == b"DONE {5}"
    assert framer.next_line() is None


def test_octet_by_octet_takes_linear_time() -> None:
    framer = Framer(200_000)
    before = time.process_time()
    for _ in range(150_000):
        framer.feed(b"x")
        assert framer.next_command() is None
    assert time.process_time() - before < 10
