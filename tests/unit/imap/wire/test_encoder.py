"""Responses as they go out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imap.wire import encoder
from imap.wire import responses as r
from imap.wire.lexer import Lexer


@pytest.mark.parametrize(
    ("response", "octets"),
    [
        (r.Status(r.Kind.OK, "done", None, b"a1"), b"a1 OK done\r\n"),
        (r.Status(r.Kind.NO, "é\r\nx\0", b"ALERT"), b"* NO [ALERT] ??x?\r\n"),
        (r.ok("", b"UIDNEXT 4"), b"* OK [UIDNEXT 4] -\r\n"),
        (r.Exists(3), b"* 3 EXISTS\r\n"),
        (r.Expunged([3, 3, 1]), b"* 3 EXPUNGE\r\n* 3 EXPUNGE\r\n* 1 EXPUNGE\r\n"),
        (r.Listed("a b", (b"\\Noselect",)), b'* LIST (\\Noselect) "/" "a b"\r\n'),
        (r.Listed("NIL", (), lsub=True), b'* LSUB () "/" "NIL"\r\n'),
        (r.Listed("été", ()), b'* LIST () "/" "&AOk-t&AOk-"\r\n'),
        (r.MailboxStatus("INBOX", ((b"MESSAGES", 1),)), b"* STATUS INBOX (MESSAGES 1)\r\n"),
        (r.SearchResult(()), b"* SEARCH\r\n"),
        (r.SearchResult((2, 5), 9), b"* SEARCH 2 5 (MODSEQ 9)\r\n"),
        (r.ExtendedSearchResult(b"t", True), b'* ESEARCH (TAG "t") UID\r\n'),
        (
            r.ExtendedSearchResult(b"t", False, ranges=((1, 3), (5, 5)), count=4),
            b'* ESEARCH (TAG "t") ALL 1:3,5 COUNT 4\r\n',
        ),
        (r.QuotaData("", ((b"STORAGE", 1, 2),)), b'* QUOTA "" (STORAGE 1 2)\r\n'),
        (r.QuotaRoots("INBOX", ("",)), b'* QUOTAROOT INBOX ""\r\n'),
        (r.Enabled(()), b"* ENABLED\r\n"),
        (r.ServerId((("name", 'a"b'),)), b'* ID ("name" "a\\"b")\r\n'),
    ],
)
def test_responses(response: r.Response, octets: bytes) -> None:
    assert encoder.encode(response) == octets


def test_dates_keep_their_zone() -> None:
    assert encoder.date_time(760_686_745, -480) == b'"07-Feb-1994 21:52:25 -0800"'
    assert encoder.date_time(0, 330) == b'"01-Jan-1970 05:30:00 +0530"'


def test_flags() -> None:
    assert encoder.flags(1 | 8, ("$x",), True) == b"FLAGS (\\Deleted \\Seen $x \\Recent)"


@given(st.binary(max_size=50).map(lambda octets: octets.replace(b"\0", b"")))
def test_what_is_written_as_a_string_is_read_as_it(octets: bytes) -> None:
    written = encoder.quoted(octets)
    if written.startswith(b"{"):
        size, _, rest = written.partition(b"}\r\n")
        assert (int(size[1:]), rest) == (len(octets), octets)
    else:
        assert written.isascii()
        assert Lexer((written,), (), 1, utf8=False).string() == octets


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=30))
def test_mailbox_names_can_be_read_back(name: str) -> None:
    assert Lexer((encoder.mailbox(name, utf8=False),), (), 1, utf8=False).mailbox() == name
    octets = encoder.mailbox(name, utf8=True)
    if octets.startswith(b"{"):
        assert octets.endswith(name.encode())
        assert any(character < " " or character == "\x7f" for character in name)
    else:
        assert b"\r" not in octets
        assert b"\n" not in octets
        assert Lexer((octets,), (), 1, utf8=True).mailbox() == name


@given(st.integers(0, 4_000_000_000), st.integers(-14 * 60, 14 * 60))
def test_dates_can_be_read_back(moment: int, zone: int) -> None:
    assert Lexer((encoder.date_time(moment, zone),), (), 1, utf8=False).date_time() == (moment, zone)
