from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from mailauth import spf
from mailauth.resolver import DnsResolver
from mailauth.results import Outcome


@pytest.fixture
def check(resolver, envelope, deadline):
    def check(**client):
        return spf.evaluate(envelope(**client), resolver, deadline)

    return check


@pytest.mark.parametrize(
    ("record", "outcome"),
    [
        ("v=spf1 ip4:192.0.2.0/24 -all", Outcome.PASS),
        ("v=spf1 ip4:198.51.100.0/24 -all", Outcome.FAIL),
        ("v=spf1 ~all", Outcome.SOFTFAIL),
        ("v=spf1 ?all", Outcome.NEUTRAL),
        ("v=spf1", Outcome.NEUTRAL),
        ("v=spf1 a:mail.example.org -all", Outcome.PASS),
        ("v=spf1 mx -all", Outcome.PASS),
        ("v=spf1 include:other.example -all", Outcome.PASS),
        ("v=spf1 redirect=other.example", Outcome.PASS),
        ("v=spf1 exists:%{ir}.list.example.org -all", Outcome.PASS),
        ("v=spf1 ptr -all", Outcome.PASS),
        ("v=spf1 nonsense -all", Outcome.PERMERROR),
        ("v=spf1 include:nowhere.example -all", Outcome.PERMERROR),
        ("v=spf10 +all", Outcome.NONE),
        ("something else", Outcome.NONE),
    ],
)
def test_records(server, check, record, outcome):
    server.zone = {
        "example.org": [f"TXT {record}", "MX 10 mail.example.org."],
        "mail.example.org": ["A 192.0.2.1"],
        "other.example": ["TXT v=spf1 ip4:192.0.2.1 -all"],
        "1.2.0.192.list.example.org": ["A 127.0.0.2"],
        "1.2.0.192.in-addr.arpa": ["PTR mail.example.org."],
    }
    result = check()
    assert (result.outcome, result.domain, result.scope) == (outcome, "example.org", "mailfrom")


def test_no_record_and_no_domain(server, check):
    assert check().outcome is Outcome.NONE
    server.zone = {"example.org": ["TXT v=spf1 -all", "TXT v=spf1 +all"]}
    assert check(sender="x@other.example").outcome is Outcome.NONE


def test_two_records_are_an_error(server, check):
    server.zone = {"example.org": ["TXT v=spf1 -all", "TXT v=spf1 +all"]}
    assert check().outcome is Outcome.PERMERROR


def test_the_null_sender_is_judged_by_helo(server, check):
    server.zone = {"mail.example.org": ["TXT v=spf1 ip4:192.0.2.1 -all"]}
    result = check(sender="")
    assert (result.outcome, result.domain, result.scope) == (Outcome.PASS, "mail.example.org", "helo")


@pytest.mark.parametrize("helo", ["[192.0.2.1]", "localhost", "", "a b.example", "x..example", "é" * 300])
def test_a_helo_that_is_no_domain_has_no_result(server, check, helo):
    assert check(sender="", helo=helo).outcome is Outcome.NONE
    assert server.asked == []


def test_ipv6_and_ipv4_inside_ipv6(server, check):
    server.zone = {"example.org": ["TXT v=spf1 ip4:192.0.2.1 ip6:2001:db8::/32 -all"]}
    assert check(address="2001:db8::1").outcome is Outcome.PASS
    assert check(address="::ffff:192.0.2.1").outcome is Outcome.PASS
    assert check(address="2001:db9::1").outcome is Outcome.FAIL


def test_eleven_look_ups_are_too_many(server, check):
    server.zone = {f"n{i}.example.org": ["A 198.51.100.1"] for i in range(11)}
    server.zone["example.org"] = ["TXT v=spf1 " + " ".join(f"a:n{i}.example.org" for i in range(11)) + " +all"]
    assert check().outcome is Outcome.PERMERROR
    assert len(server.asked) <= 11


def test_an_include_loop_ends(server, check):
    server.zone = {
        "example.org": ["TXT v=spf1 include:other.example -all"],
        "other.example": ["TXT v=spf1 include:example.org -all"],
    }
    assert check().outcome is Outcome.PERMERROR
    assert len(server.asked) <= 11


def test_three_void_look_ups_are_too_many(server, check):
    server.zone = {"example.org": ["TXT v=spf1 a:a.example a:b.example a:c.example +all"]}
    assert check().outcome is Outcome.PERMERROR


def test_a_broken_dns_is_temporary(server, check):
    server.broken.add("example.org")
    assert check().outcome is Outcome.TEMPERROR
    server.zone = {"other.example": ["TXT v=spf1 include:example.org -all"]}
    result = check(sender="x@other.example")
    assert result.outcome is Outcome.TEMPERROR
    assert "example.org" in result.explanation


def test_a_silent_dns_is_temporary(server, envelope, impatient):
    server.silent = True
    result = spf.evaluate(envelope(), DnsResolver(impatient), time.monotonic() + 0.5)
    assert result.outcome is Outcome.TEMPERROR


def test_a_record_of_64_kib_is_refused_in_bounded_time(server, check):
    server.truncating = True
    server.zone = {"example.org": ["TXT v=spf1 " + "%." * 15000]}
    started = time.process_time()
    assert check().outcome is Outcome.PERMERROR
    assert time.process_time() - started < 5


def test_threads_do_not_share_an_evaluation(server, resolver, envelope, deadline):
    server.zone = {f"n{i}.example": [f"TXT v=spf1 ip4:192.0.2.{i} -all"] for i in range(20)}

    def check(i: int) -> tuple[str, Outcome]:
        result = spf.evaluate(envelope(sender=f"x@n{i % 20}.example", address=f"192.0.2.{i % 20}"), resolver, deadline)
        return result.domain, result.outcome

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(check, range(100))) == [(f"n{i % 20}.example", Outcome.PASS) for i in range(100)]
