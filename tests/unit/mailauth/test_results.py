from __future__ import annotations

import pytest
from authres import AuthenticationResultsHeader

from mailauth.results import (
    AuthenticationResults,
    DkimResult,
    DmarcResult,
    Outcome,
    SpfResult,
    foreign,
    header,
    unchecked,
)
from message.headers import parse_headers

GOOD = AuthenticationResults(
    SpfResult(Outcome.PASS, "example.org"),
    (
        DkimResult(Outcome.PASS, "example.org", "mail"),
        DkimResult(Outcome.FAIL, "list.example", "s1", "body was changed"),
    ),
    DmarcResult(Outcome.PASS, "example.org", "reject"),
)


def test_the_field_as_it_is_written():
    assert header(GOOD, "mx.ici.example") == (
        b"Authentication-Results: mx.ici.example;\r\n"
        b"\tspf=pass smtp.mailfrom=example.org;\r\n"
        b"\tdkim=pass header.d=example.org header.s=mail;\r\n"
        b'\tdkim=fail reason="body was changed" header.d=list.example header.s=s1;\r\n'
        b"\tdmarc=pass (p=reject) header.from=example.org\r\n"
    )


def test_nothing_checked():
    assert header(unchecked("checks are switched off"), "mx") == (
        b"Authentication-Results: mx;\r\n\tnone (checks are switched off)\r\n"
    )


def test_helo_is_told_as_helo():
    results = AuthenticationResults(
        SpfResult(Outcome.SOFTFAIL, "mail.example.org", "helo"), (), DmarcResult(Outcome.NONE)
    )
    assert header(results, "mx") == b"Authentication-Results: mx;\r\n\tspf=softfail smtp.helo=mail.example.org\r\n"


@pytest.mark.parametrize("evil", ["a\r\nBcc: b", "a; dmarc=pass", 'a" b', "a) (b", "a\\", "é\x00", "a@b c", "x" * 2000])
def test_nothing_from_outside_breaks_the_field(evil):
    results = AuthenticationResults(
        SpfResult(Outcome.FAIL, evil, "mailfrom", evil),
        (DkimResult(Outcome.FAIL, evil, evil, evil),),
        DmarcResult(Outcome.FAIL, evil, "none"),
    )
    octets = header(results, "mx.ici.example")
    lines = octets.removesuffix(b"\r\n").split(b"\r\n")
    assert [line[:1] for line in lines] == [b"A", b"\t", b"\t", b"\t"]
    assert max(map(len, lines)) < 998
    parsed = AuthenticationResultsHeader.parse(octets.replace(b"\r\n", b"").decode("ascii"))
    assert [(one.method, one.result) for one in parsed.results] == [
        ("spf", "fail"),
        ("dkim", "fail"),
        ("dmarc", "fail"),
    ]


OURS = [
    b"mx.ici.example; spf=pass",
    b"MX.Ici.Example; spf=pass",
    b"mx.ici.example 1; spf=pass",
    b"mx.ici.example",
    b"mx.ici.example.; spf=pass",
    b"mx.ici.example/1; spf=pass",
    b"(hello (you)) mx.ici.example (there) 1; spf=pass",
    b'"mx.ici.example"; spf=pass',
    b'"mx.ici\\.example" 1; spf=pass',
    b"mx . ici . example; spf=pass",
    b"\r\n mx.ici.example;\r\n\tspf=pass",
    b"mx.ici.example spf=pass",
    b"mx.ici.example, spf=pass",
    b"(unclosed mx.ici.example; spf=pass",
    b'"mx.ici.example; spf=pass',
]
OTHERS = [
    b"mx.ici.example.org; spf=pass",
    b"amx.ici.example; spf=pass",
    b"mx-ici.example; spf=pass",
    b"other.example; spf=pass smtp.mailfrom=mx.ici.example",
    b"other.example (mx.ici.example); spf=pass",
    b"mx.ici.example2; spf=pass",
    b"",
    b";",
]


@pytest.mark.parametrize("value", OURS)
def test_fields_that_claim_our_name(value):
    headers = parse_headers(b"Subject: x\r\nAuthentication-Results: " + value + b"\r\n\r\n")
    assert [headers.buffer[field.start : field.value_start] for field in foreign(headers, "mx.ici.example")] == [
        b"Authentication-Results:"
    ]


@pytest.mark.parametrize("value", OTHERS)
def test_fields_of_others_stay(value):
    headers = parse_headers(b"Authentication-Results: " + value + b"\r\n\r\n")
    assert foreign(headers, "mx.ici.example") == []


def test_any_spelling_of_the_field_name():
    headers = parse_headers(b"AUTHENTICATION-results : mx; spf=pass\r\nAuthentication-Results: other; none\r\n\r\n")
    assert foreign(headers, "MX") == [headers.fields[0]]
