from __future__ import annotations

import pytest

from mailauth import exchangers as exchangers_module
from mailauth.exchangers import Exchanger, Exchangers, LookupFailed, NoSuchDomain, NullMx
from mailauth.resolver import DnsResolver

PUBLIC = "A 9.9.9.9"


@pytest.fixture
def exchangers(resolver, settings):
    return Exchangers(resolver, settings)


def test_in_order_of_preference_ipv6_first(server, exchangers):
    server.zone = {
        "example.org": ["MX 20 b.example.org.", "MX 10 a.example.org."],
        "a.example.org": [PUBLIC, "AAAA 2620:fe::fe"],
        "b.example.org": ["A 9.9.9.10"],
    }
    assert exchangers.of("Example.ORG.") == (
        Exchanger("a.example.org", 10, ("2620:fe::fe", "9.9.9.9")),
        Exchanger("b.example.org", 20, ("9.9.9.10",)),
    )


def test_without_mx_the_domain_itself(server, exchangers):
    server.zone = {"example.org": [PUBLIC]}
    assert exchangers.of("example.org") == (Exchanger("example.org", 0, ("9.9.9.9",)),)


def test_null_mx(server, exchangers):
    server.zone = {"example.org": ["MX 0 .", PUBLIC]}
    with pytest.raises(NullMx):
        exchangers.of("example.org")


@pytest.mark.parametrize("domain", ["gone.example", "", "a..b", "[192.0.2.1]"])
def test_no_such_domain(exchangers, domain):
    with pytest.raises(NoSuchDomain):
        exchangers.of(domain)


def test_a_domain_without_mx_and_address_takes_no_mail(server, exchangers):
    server.zone = {"example.org": ["TXT hello"]}
    with pytest.raises(NoSuchDomain):
        exchangers.of("example.org")


def test_with_mx_the_domains_own_address_is_not_used(server, exchangers):
    server.zone = {"example.org": ["MX 10 gone.example.org.", PUBLIC]}
    with pytest.raises(NoSuchDomain):
        exchangers.of("example.org")


def test_a_broken_dns_is_temporary(server, exchangers):
    server.broken |= {"example.org", "a.other.example"}
    server.zone = {"other.example": ["MX 10 a.other.example."]}
    for domain in ("example.org", "other.example"):
        with pytest.raises(LookupFailed):
            exchangers.of(domain)


def test_one_broken_exchanger_does_not_hide_the_others(server, exchangers):
    server.broken.add("a.example.org")
    server.zone = {"example.org": ["MX 10 a.example.org.", "MX 20 b.example.org."], "b.example.org": [PUBLIC]}
    assert [exchanger.host for exchanger in exchangers.of("example.org")] == ["b.example.org"]


def test_a_silent_dns_is_temporary(server, impatient):
    server.silent = True
    with pytest.raises(LookupFailed):
        Exchangers(DnsResolver(impatient), impatient).of("example.org")


INSIDE = [
    "A 127.0.0.1",
    "A 10.0.0.1",
    "A 172.16.0.1",
    "A 192.168.1.1",
    "A 169.254.169.254",
    "A 100.64.0.1",
    "A 0.0.0.0",
    "A 224.0.0.1",
    "A 255.255.255.255",
    "A 192.0.2.1",
    "AAAA ::1",
    "AAAA ::",
    "AAAA fe80::1",
    "AAAA fd00::1",
    "AAAA ff02::1",
    "AAAA ::ffff:127.0.0.1",
    "AAAA ::ffff:10.0.0.1",
    "AAAA 2002:7f00:1::",
    "AAAA 64:ff9b:1::1",
    "AAAA 64:ff9b::7f00:1",
]


@pytest.mark.parametrize("address", INSIDE)
def test_addresses_inside_are_left_out(server, exchangers, resolver, settings, address):
    server.zone = {"example.org": ["MX 10 a.example.org."], "a.example.org": [address]}
    with pytest.raises(NoSuchDomain):
        exchangers.of("example.org")
    (found,) = Exchangers(resolver, settings, allow_private=True).of("example.org")
    assert (found.host, len(found.addresses)) == ("a.example.org", 1)


def test_an_address_inside_does_not_spoil_a_public_one(server, exchangers):
    server.zone = {"example.org": ["MX 10 a.example.org."], "a.example.org": [PUBLIC, "A 10.0.0.1"]}
    assert exchangers.of("example.org") == (Exchanger("a.example.org", 10, ("9.9.9.9",)),)


def test_from_our_own_place_on_nobody_is_tried(server, exchangers, monkeypatch):
    server.zone = {
        "example.org": [
            "MX 10 a.example.org.",
            "MX 20 us.example.org.",
            "MX 20 a2.example.org.",
            "MX 30 c.example.org.",
        ],
        "a.example.org": [PUBLIC],
        "a2.example.org": [PUBLIC],
        "us.example.org": ["A 9.9.9.11"],
        "c.example.org": [PUBLIC],
    }
    monkeypatch.setattr(exchangers_module, "_is_ours", lambda address: address == "9.9.9.11")
    assert [exchanger.host for exchanger in exchangers.of("example.org")] == ["a.example.org"]


def test_at_most_twenty_hosts(server, exchangers):
    server.zone = {f"m{i}.example.org": [PUBLIC] for i in range(30)}
    server.zone["example.org"] = [f"MX {i} m{i}.example.org." for i in range(30)]
    server.truncating = True
    found = exchangers.of("example.org")
    assert [exchanger.preference for exchanger in found] == list(range(20))
