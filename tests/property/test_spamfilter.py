"""Whatever the octets: a verdict, and the same one each time."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.settings import Spam
from message.envelope import ClientInfo, Envelope, Recipient
from message.headers import parse_headers
from message.parts import scan
from spamfilter.bayes import tokenize
from spamfilter.composites import ExpressionError, parse
from spamfilter.evidence import Evidence
from spamfilter.features import COUNT, features
from spamfilter.filter import SpamFilter
from spamfilter.links import read_link, shown_host
from spamfilter.model import Knowledge, blank
from spamfilter.report import verdict_headers
from spamfilter.rules import RULES
from spamfilter.views import Views

PIECES = st.sampled_from(
    [
        b"From: ", b"To: a@b.fr", b"Subject: ", b"Date: ", b"Reply-To: <", b"Message-ID: <x@y>", b"Content-Type: ",
        b"multipart/mixed; boundary=b",
        b"text/html; charset=", b"text/plain", b"application/zip; name=a.zip", b"--b\r\n",
        b"--b--\r\n", b"\r\n", b"\r\n\r\n", b"=?utf-8?b?", b"=?utf-8?q?=C3?=", b"?=",
        b"<a href=\"http://", b"\">www.x.fr</a>",
        b"<form>", b"<img src=x>", b"http://xn--", b"http://[::1]:99999999/", b"@", b"<", b">", b"PK\x03\x04", b"MZ",
        b"Content-Transfer-Encoding: base64\r\n",
        b"Content-Disposition: attachment; filename*=utf-8''%E2%80%AE.exe\r\n",
        b"votre mot de passe expire", b"In-Reply-To: <1@a>", b"\xe2\x80\x8b", b"\xff\xfe", b"\x00", b"List-Id: x\r\n",
    ]
)  # fmt: skip
OCTETS = st.one_of(
    st.binary(max_size=400),
    st.lists(st.one_of(PIECES, st.binary(max_size=12)), max_size=40).map(b"".join),
)
KNOWN = blank()
KNOWN.totals[:] = 100, 100
KNOWN.ham[:], KNOWN.spam[:] = np.arange(COUNT) % 7, np.arange(COUNT) % 5
KNOWN.weights[:] = np.arange(COUNT) % 11 * 1000 - 5000


class OneModel:
    def knowledge(self) -> Knowledge:
        return KNOWN


FILTER = SpamFilter(Spam(budget=60.0), OneModel())


def evidence(octets: bytes) -> Evidence:
    headers = parse_headers(octets)
    envelope = Envelope("i", "x@y.fr", (Recipient("paul@ac-exemple.fr"),), ClientInfo("192.0.2.1", helo="h"), 1.7e9)
    return Evidence(
        envelope, octets, headers, scan(octets, headers), None, frozenset({"ac-exemple.fr"}), ("Paul Durand",)
    )


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(OCTETS)
def test_any_octets_give_one_verdict(octets: bytes) -> None:
    first = FILTER.judge(evidence(octets))
    assert first == FILTER.judge(evidence(octets))
    assert first.scanned
    for language in ("fr", "en"):
        fields = verdict_headers(first, language)
        assert fields.isascii()
        assert fields.endswith(b"\r\n")
        assert b"\r\n\r\n" not in fields


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(OCTETS)
def test_no_rule_raises(octets: bytes) -> None:
    views = Views(evidence(octets), 4096)
    for rule in RULES.values():
        rule(views)
    assert len(tokenize.tokens(views)) <= tokenize.MAX_TOKENS
    for group in features(views, ("A_RULE",)):
        assert group.tolist() == sorted(set(group.tolist()))
        assert not len(group) or 0 <= group[0] <= group[-1] < COUNT


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200), st.text(max_size=60))
def test_any_text_is_a_link(url: str, shown: str) -> None:
    link = read_link(url, shown)
    assert len(link.host) <= 253
    shown_host(link)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="AB() andornt&", max_size=60))
def test_an_expression_is_read_or_refused(source: str) -> None:
    try:
        expression = parse(source)
    except ExpressionError:
        return
    assert expression.test(expression.symbols) in (True, False)
