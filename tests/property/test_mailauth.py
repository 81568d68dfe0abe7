"""Whatever a sender writes and whatever the DNS answers, there is a result in time and a field that is one field."""

from __future__ import annotations

import time
from typing import Any

from authres import AuthenticationResultsHeader
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from config.settings import MailAuth
from mailauth.evaluate import Evaluator
from mailauth.resolver import LookupFailed, NotFound
from mailauth.results import AuthenticationResults, DkimResult, DmarcResult, Outcome, SpfResult, foreign, header
from message.envelope import ClientInfo, Envelope
from message.headers import parse_headers

NAMES = st.sampled_from(["example.org", "a.example", "x", "", "[1.2.3.4]", "é.example", "a..b"]) | st.text(max_size=20)
SPF_WORDS = st.sampled_from(
    [
        " a",
        " mx",
        " ptr",
        " -all",
        " +all",
        " include:a.example",
        " redirect=example.org",
        " exp=a.example",
        " ip4:192.0.2.0/24",
        " ip6:::/0",
        " exists:%{i}.%{h}",
        " a:%{l}.%{s}",
        "%",
        " %{",
        "//",
        " ip4:x",
        "=",
        "é",
    ]
)
KEY_WORDS = st.sampled_from(
    ["v=DKIM1;", "k=rsa;", "k=ed25519;", "p=;", "p=AAAA;", "t=s:y;", "h=sha256;", ";", "=", "s=x"]
)
DMARC_WORDS = st.sampled_from(
    ["p=reject;", "sp=none;", "np=reject;", "psd=y;", "psd=n;", "t=y;", "adkim=s;", ";", "=x"]
)
TEXTS = (
    st.lists(SPF_WORDS, max_size=8).map(lambda words: "v=spf1" + "".join(words))
    | st.lists(KEY_WORDS, max_size=6).map("".join)
    | st.lists(DMARC_WORDS, max_size=6).map(lambda words: "v=DMARC1;" + "".join(words))
    | st.text(max_size=20)
).map(lambda text: text.encode("utf-8", "replace"))
FAILURES = st.sampled_from([NotFound, LookupFailed])


class AnyDns:
    """A resolver that answers every question as the test case goes."""

    def __init__(self, data: st.DataObject) -> None:
        self._data = data

    def _answer(self, records: st.SearchStrategy[Any]) -> tuple[Any, ...]:
        answer = self._data.draw(FAILURES | st.lists(records, max_size=3).map(tuple))
        if isinstance(answer, type):
            raise answer("so it goes")
        return answer

    def txt(self, name: str, deadline: float) -> tuple[bytes, ...]:
        return self._answer(TEXTS)

    def a(self, name: str, deadline: float) -> tuple[str, ...]:
        return self._answer(st.ip_addresses(v=4).map(str))

    def aaaa(self, name: str, deadline: float) -> tuple[str, ...]:
        return self._answer(st.ip_addresses(v=6).map(str))

    def mx(self, name: str, deadline: float) -> tuple[tuple[int, str], ...]:
        return self._answer(st.tuples(st.integers(0, 65535), st.sampled_from(["a.example", "", "b.example"])))

    def ptr(self, name: str, deadline: float) -> tuple[str, ...]:
        return self._answer(st.sampled_from(["a.example", "mail.example.org", ""]))


SIGNATURE_WORDS = st.sampled_from(
    b"v=1;|a=rsa-sha256;|a=ed25519-sha256;|d=example.org;|d=a.example;|s=mail;|h=from:to;|bh=AAAA;|b=AAAA|b=;|l=1;|"
    b"c=relaxed/simple;|x=1;|t=9;|i=@example.org;|;|\xff|\r\n | |=|q=dns/txt;".split(b"|")
)
FIELDS = st.one_of(
    st.lists(SIGNATURE_WORDS, max_size=14).map(lambda words: b"DKIM-Signature: " + b"".join(words)),
    st.just(b"DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=mail; h=from; bh=AAAA; b=AAAA"),
    st.binary(max_size=40).map(lambda value: b"From: " + value),
    st.sampled_from([b"From: a@example.org", b"From: a@example.org, b@a.example", b"from : <x@\xc3\xa9.example>"]),
    st.binary(max_size=40).map(lambda value: b"Authentication-Results: " + value),
    st.binary(max_size=40),
)
MESSAGES = st.tuples(st.lists(FIELDS, max_size=6), st.binary(max_size=40)).map(
    lambda parts: b"\r\n".join(parts[0]) + b"\r\n\r\n" + parts[1]
) | st.binary(max_size=100)


@given(st.data(), MESSAGES, NAMES, NAMES, st.sampled_from(["192.0.2.1", "2001:db8::1", "127.0.0.1"]))
@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_any_message_has_results(data, message, domain, helo, address):
    sender = data.draw(st.sampled_from(["", f"anna@{domain}", domain, f"%{{i}}@{domain}"]))
    envelope = Envelope("id", sender, (), ClientInfo(address, helo=helo), time.time())
    # The seam itself, without the net that turns a bug into a temporary error.
    evaluator = Evaluator(AnyDns(data), MailAuth())
    results = evaluator.evaluate(envelope, message, parse_headers(message))
    assert "internal error" not in (results.spf.explanation, *(one.reason for one in results.dkim))
    check_field(header(results, "mx.ici.example"))


ANY = st.text(max_size=50)


@given(ANY, ANY, ANY, st.sampled_from(Outcome), st.sampled_from(["mailfrom", "helo"]))
def test_any_result_is_one_field(first, second, third, outcome, scope):
    results = AuthenticationResults(
        SpfResult(outcome, first, scope, second),
        (DkimResult(outcome, second, third, first),),
        DmarcResult(outcome, third, first),
        second,
    )
    check_field(header(results, "mx.ici.example"))


def check_field(octets: bytes) -> None:
    assert octets.endswith(b"\r\n")
    assert len(parse_headers(octets + b"\r\n").fields) == 1
    assert max(map(len, octets.split(b"\r\n"))) < 998
    parsed = AuthenticationResultsHeader.parse(octets.replace(b"\r\n", b"").decode("ascii"))
    assert parsed.authserv_id == "mx.ici.example"


@given(rest=st.binary(max_size=60), before=st.sampled_from([b"", b" ", b"(x)", b"(", b'"', b"\r\n "]))
def test_any_field_that_begins_with_our_name_is_found(rest, before):
    # A comment that ends names nobody.
    assume(not (before == b"(" and b")" in rest))
    headers = parse_headers(b"Authentication-Results: " + before + b"mx.ici.example; " + rest + b"\r\n\r\n")
    assert headers.fields[0] in foreign(headers, "mx.ici.example")
