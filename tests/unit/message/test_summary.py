import pytest

from message.parts import load, scan
from message.summary import base_subject, parse_date, summarise

LETTER = (
    b"Received: from a by b; Mon, 1 Jan 2024 10:00:00 +0000\r\n"
    b"From: =?utf-8?q?H=C3=A9l=C3=A8ne?= <h@ecole.example>\r\n"
    b"To: Jean <j@ecole.example>,\r\n\tteam@ecole.example\r\n"
    b"Subject: Re: =?utf-8?q?r=C3=A9union?=\r\n"
    b"Date: Mon, 01 Jan 2024 00:30:00 +0100\r\n"
    b"Message-ID: <1@ecole.example>\r\n"
    b"References: <a@x>\r\n <b@x>\r\n"
    b"X-Other: x\r\n"
    b"\r\n"
    b"Bonjour\r\n"
)


def test_a_letter():
    facts = summarise(LETTER)
    assert facts.size == len(LETTER)
    assert facts.subject == "Re: réunion"
    assert facts.base_subject == "réunion"
    assert facts.from_ == "Hélène <h@ecole.example>"
    assert facts.to == "Jean <j@ecole.example>, <team@ecole.example>"
    assert (facts.cc, facts.bcc) == ("", "")
    assert facts.message_id == "<1@ecole.example>"
    assert facts.references == "<a@x> <b@x>"
    assert facts.sent_at == 1704065400  # 31 December 23:30 UTC
    assert facts.sent_day == 20240101
    assert not facts.has_attachment
    assert load(facts.parts) == scan(LETTER)


def test_fields_of_list_views_are_raw_lines():
    fields = summarise(LETTER).fields
    assert fields.startswith(b"From: =?utf-8?q?")
    assert b"To: Jean <j@ecole.example>,\r\n\tteam@ecole.example\r\n" in fields
    assert b"Received" not in fields
    assert b"X-Other" not in fields
    assert fields.endswith(b"<b@x>\r\n")


def test_a_message_that_ends_in_its_header_has_whole_lines():
    assert summarise(b"X: y\r\nSubject: s").fields == b"Subject: s\r\n"


def test_a_reply_without_references_refers_to_what_it_replies_to():
    assert summarise(b"In-Reply-To: your mail <a@x> of Monday\r\n\r\n").references == "<a@x>"


def test_references_have_a_limit_and_keep_the_root():
    ids = summarise(b"References: " + b" ".join(b"<%d@x>" % n for n in range(1000)) + b"\r\n\r\n").references.split()
    assert (len(ids), ids[0], ids[-1]) == (200, "<0@x>", "<999@x>")


@pytest.mark.parametrize(
    ("part", "attached"),
    [
        (b"Content-Type: text/plain\r\n", False),
        (b"Content-Type: application/pdf\r\nContent-Disposition: attachment\r\n", True),
        (b"Content-Type: application/pdf; name=x.pdf\r\n", True),
        (b"Content-Type: image/png; name=x.png\r\nContent-ID: <i>\r\nContent-Disposition: inline\r\n", False),
        (b"Content-Type: image/png; name=x.png\r\n", True),
        (b"Content-Type: message/rfc822\r\n", True),
    ],
)
def test_attachments(part, attached):
    octets = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + part + b"\r\nx\r\n--b--\r\n"
    assert summarise(octets).has_attachment is attached


@pytest.mark.parametrize(
    ("subject", "base"),
    [
        ("", ""),
        ("hello", "hello"),
        ("Re: hello", "hello"),
        ("RE: re:Fwd: FW : hello", "hello"),
        ("Re[2]: hello", "hello"),
        ("[list] Re: [list] hello", "hello"),
        ("[list]", "[list]"),
        ("[a] [b] hello", "hello"),
        ("Re: hello (fwd) (FWD)", "hello"),
        ("[Fwd: Re: hello]", "hello"),
        ("Re:", ""),
        ("Region: hello", "Region: hello"),
        ("a \t  b", "a b"),
        ("Re: " * 10_000 + "x", ""),
    ],
)
def test_base_subjects(subject, base):
    assert base_subject(subject) == base


@pytest.mark.parametrize(
    ("value", "seconds", "day"),
    [
        (b"Fri, 21 Nov 1997 09:55:06 -0600", 880127706, 19971121),
        (b"21 Nov 97 09:55:06 GMT", 880106106, 19971121),  # RFC 5322 appendix A.6.2
        (b"Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", 880070400, 19971121),
        (b"Thu, 1 Jan 1970 00:00 +0000", 0, 19700101),
        (b"Thu, 1 Jan 1970 00:00:00 EST", 18000, 19700101),
        (b"1 January 2024", 1704067200, 20240101),
        (b"1-Jan-2024 00:00:00 +0000", 1704067200, 20240101),
        (b"Mon,  1 Jan 2024 00:00:60 +0000", 1704067260, 20240101),
        (b"31 Feb 2024 00:00:00 +0000", None, None),
        (b"1 Foo 2024", None, None),
        (b"1 Jan 0000 00:00:00 +0000", None, None),
        (b"", None, None),
        (b"\xff" * 1000, None, None),
    ],
)
def test_dates(value, seconds, day):
    assert parse_date(value) == (seconds, day)
