"""URLs of messages within one's own account."""

from __future__ import annotations

import pytest

from imap.wire.errors import ParseError
from imap.wire.urls import parse_url, shown


def test_a_whole_url() -> None:
    url = parse_url(b"/%C3%89l%C3%A8ves/6e%20B;UIDVALIDITY=385759045/;UID=20/;SECTION=1.2.MIME/;PARTIAL=5.100")
    assert (url.mailbox, url.uidvalidity, url.uid, url.partial) == ("Élèves/6e B", 385759045, 20, (5, 100))
    assert (url.section.numbers, url.section.text, url.section.sees) == ((1, 2), "MIME", False)


@pytest.mark.parametrize("url", [b";UID=7", b"/;UID=7", b"/;uid=7"])
def test_relative_to_the_selected_mailbox(url: bytes) -> None:
    found = parse_url(url)
    assert (found.mailbox, found.uid, found.section.text, found.partial) == (None, 7, "", (0, None))


def test_header_fields() -> None:
    section = parse_url(b"/INBOX/;UID=1/;section=HEADER.FIELDS%20(To%20Cc)").section
    assert section.fields == (b"to", b"cc")


@pytest.mark.parametrize(
    "url",
    [
        b"imap://marie@example.org/INBOX/;UID=1", b"", b"/INBOX", b"/INBOX/;UID=0", b"/INBOX/;UID=99999999999",
        b"/INBOX;UIDVALIDITY=x/;UID=1", b"/%FF/;UID=1", b"/INBOX/;UID=1/;SECTION=9.BODY", b"//x/;UID=1",
        b"/INBOX/;UID=1/;SECTION=1%5D", b"/INBOX?SUBJECT/;UID=1", b"/INBOX/;UID=1/;PARTIAL=1.0",
    ],
)  # fmt: skip
def test_what_is_none(url: bytes) -> None:
    with pytest.raises(ParseError):
        parse_url(url)


def test_what_a_response_code_shows() -> None:
    assert shown(b"/a]b c\xc3\r\n;UID=1") == b"/a%5Db%20c%C3%0D%0A;UID=1"
    assert len(shown(b"x" * 5000)) == 1000
