from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from config.settings import MailAuth
from mailauth import resolver as resolver_module
from mailauth.resolver import DnsResolver, LookupFailed, NotFound


def soon() -> float:
    return time.monotonic() + 30


def test_every_kind_of_record(server, resolver, deadline):
    server.zone = {
        "example.org": ["A 192.0.2.1", "A 192.0.2.2", "AAAA 2001:db8::1", "MX 10 mx.example.org.", 'TXT "one " "two"'],
        "1.2.0.192.in-addr.arpa": ["PTR Mail.Example.ORG."],
    }
    assert set(resolver.a("example.org", deadline)) == {"192.0.2.1", "192.0.2.2"}
    assert resolver.aaaa("EXAMPLE.org.", deadline) == ("2001:db8::1",)
    assert resolver.mx("example.org", deadline) == ((10, "mx.example.org"),)
    assert resolver.txt("example.org", deadline) == (b"one two",)
    assert resolver.ptr("1.2.0.192.in-addr.arpa", deadline) == ("mail.example.org",)


def test_a_null_mx_has_an_empty_host(server, resolver, deadline):
    server.zone = {"quiet.example": ["MX 0 ."]}
    assert resolver.mx("quiet.example", deadline) == ((0, ""),)


def test_aliases_are_followed(server, resolver, deadline):
    server.zone = {"www.example.org": ["CNAME host.example.org"], "host.example.org": ["A 192.0.2.9"]}
    assert resolver.a("www.example.org", deadline) == ("192.0.2.9",)


def test_an_alias_loop_is_a_failed_look_up(server, resolver, deadline):
    server.zone = {"loop.example": ["CNAME loop.example"]}
    with pytest.raises(LookupFailed):
        resolver.a("loop.example", deadline)


def test_no_data_is_empty_and_no_name_is_not_found(server, resolver, deadline):
    server.zone = {"example.org": ["A 192.0.2.1"]}
    assert resolver.txt("example.org", deadline) == ()
    with pytest.raises(NotFound):
        resolver.txt("nowhere.example", deadline)


@pytest.mark.parametrize("name", ["a..b", "x" * 64 + ".example", ".".join(["abcdefgh"] * 40), "", "\ud800.example"])
def test_names_that_the_dns_cannot_hold_are_not_asked_for(server, resolver, deadline, name):
    try:
        resolver.a(name, deadline)
    except NotFound:
        pass
    else:
        pytest.fail("found")
    assert [asked for asked in server.asked if asked[0] != "."] == []


def test_names_with_accents_go_as_a_labels(server, resolver, deadline):
    server.zone = {"xn--acadmie-eya.example": ["A 192.0.2.3"]}
    assert resolver.a("académie.example", deadline) == ("192.0.2.3",)


def test_answers_are_remembered_negative_ones_too(server, resolver, deadline):
    server.zone = {"example.org": ["A 192.0.2.1"]}
    for _ in range(3):
        resolver.a("example.org", deadline)
        with pytest.raises(NotFound):
            resolver.a("nowhere.example", deadline)
        assert resolver.txt("example.org", deadline) == ()
    assert len(server.asked) == 3


def test_memory_ends_with_the_time_to_live(server, resolver, deadline):
    server.zone, server.ttl = {"example.org": ["A 192.0.2.1"]}, 0
    resolver.a("example.org", deadline)
    resolver.a("example.org", deadline)
    assert len(server.asked) == 2


def test_memory_is_bounded(server, settings, deadline):
    server.zone = {f"n{i}.example": ["A 192.0.2.1"] for i in range(120)}
    resolver = DnsResolver(replace(settings, cache_entries=100))
    for name in server.zone:
        resolver.a(name, deadline)
    resolver.a("n119.example", deadline)
    assert len(server.asked) == 120
    resolver.a("n0.example", deadline)
    assert len(server.asked) == 121


def test_large_answers_come_over_tcp_and_are_not_remembered(server, resolver, deadline):
    server.zone, server.truncating = {"big.example": ["TXT " + "x" * 9000]}, True
    assert resolver.txt("big.example", deadline) == (b"x" * 9000,)
    assert resolver.txt("big.example", deadline) == (b"x" * 9000,)
    assert len(server.asked) == 4


def test_a_server_failure_is_temporary_and_remembered_shortly(server, resolver, deadline):
    server.broken.add("broken.example")
    for _ in range(3):
        with pytest.raises(LookupFailed):
            resolver.a("broken.example", deadline)
    assert len(server.asked) == 1


def test_silence_is_waited_for_twice_then_the_server_rests(server, impatient):
    server.silent = True
    resolver = DnsResolver(impatient)
    for i in range(20):
        with pytest.raises(LookupFailed):
            resolver.a(f"n{i}.example", soon())
    # Two names and the probe.
    assert [kind for _, kind in server.asked] == ["A", "A", "NS"]


def test_silent_domains_do_not_put_a_live_server_to_rest(server, settings):
    server.silent_for = {f"n{i}.attacker.example" for i in range(3)}
    server.zone = {"example.org": ["A 192.0.2.1"]}
    resolver = DnsResolver(replace(settings, query_timeout=0.5))
    for name in server.silent_for:
        with pytest.raises(LookupFailed):
            resolver.a(name, soon())
    assert resolver.a("example.org", soon()) == ("192.0.2.1",)


def test_after_the_rest_one_look_up_goes_first(server, settings):
    server.silent = True
    server.zone = {"example.org": ["A 192.0.2.1"]}
    resolver = DnsResolver(replace(settings, query_timeout=0.4))
    (resting,) = resolver._servers
    for name in ("a.example", "b.example", "c.example"):
        with pytest.raises(LookupFailed):
            resolver.a(name, soon())
    assert [name for name, _ in server.asked] == ["a.example", "b.example", "."]
    resting._rests_until = time.monotonic() - 1  # time passes
    for name in ("d.example", "e.example"):
        with pytest.raises(LookupFailed):
            resolver.a(name, soon())
    assert [name for name, _ in server.asked[3:]] == ["d.example", "."]
    server.silent = False
    resting._rests_until = time.monotonic() - 1
    assert resolver.a("example.org", soon()) == ("192.0.2.1",)
    with pytest.raises(NotFound):
        resolver.a("f.example", soon())


def test_a_refused_port_fails_at_once(settings):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    resolver = DnsResolver(replace(settings, nameservers=(f"127.0.0.1:{port}",), query_timeout=30.0))
    started = time.monotonic()
    for i in range(5):
        with pytest.raises(LookupFailed):
            resolver.a(f"n{i}.example", soon())
    assert time.monotonic() - started < 20  # one silent look-up would take 30 s


def test_the_second_server_is_asked_when_the_first_does_not_know(server, settings, deadline):
    server.zone = {"example.org": ["A 192.0.2.1"]}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        first = f"127.0.0.1:{silent.getsockname()[1]}"
        resolver = DnsResolver(replace(settings, nameservers=(first, *settings.nameservers), query_timeout=1.0))
        assert resolver.a("example.org", deadline) == ("192.0.2.1",)


def test_a_passed_deadline_asks_nobody(server, resolver):
    with pytest.raises(LookupFailed):
        resolver.a("example.org", time.monotonic() - 1)
    assert server.asked == []


def test_many_threads(server, resolver, deadline):
    server.zone = {f"n{i}.example": [f"A 192.0.2.{i}"] for i in range(20)}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda i: resolver.a(f"n{i % 20}.example", deadline), range(200)))
    assert answers == [(f"192.0.2.{i % 20}",) for i in range(200)]


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("192.0.2.53", ("192.0.2.53", 53)),
        ("192.0.2.53:5353", ("192.0.2.53", 5353)),
        ("2001:db8::53", ("2001:db8::53", 53)),
        ("[2001:db8::53]", ("2001:db8::53", 53)),
        ("[2001:db8::53]:5353", ("2001:db8::53", 5353)),
    ],
)
def test_addresses_of_servers(text, endpoint):
    assert resolver_module._endpoint(text) == endpoint


def test_a_server_that_is_no_address_is_refused():
    with pytest.raises(ValueError):
        DnsResolver(replace(MailAuth(), nameservers=("dns.example",)))
