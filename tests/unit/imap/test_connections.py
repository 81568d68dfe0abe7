"""Counts and turns."""

from __future__ import annotations

from dataclasses import replace

import pytest

from config.settings import Imap
from imap.connections import Connections, Networks, Turns, neighbourhood

SETTINGS = replace(Imap(), connections=4, connections_before_login=2, connections_per_user=2, exempt=("192.0.2.0/24",))


def test_an_address_may_wait_so_often_only() -> None:
    connections = Connections(SETTINGS)
    assert [connections.arrive("198.51.100.1") for _ in range(3)] == [True, True, False]
    connections.signed_in("198.51.100.1")
    assert connections.arrive("198.51.100.1")
    connections.depart("198.51.100.1", signed_in=False)
    assert connections.arrive("198.51.100.1")


def test_all_connections_together() -> None:
    connections = Connections(SETTINGS)
    assert [connections.arrive(f"198.51.100.{n}") for n in range(5)] == [True] * 4 + [False]
    connections.depart("198.51.100.0", signed_in=False)
    assert connections.arrive("198.51.100.9")


def test_exempt_networks() -> None:
    connections = Connections(SETTINGS)
    assert all(connections.arrive("192.0.2.7") for _ in range(4))
    assert not connections.arrive("192.0.2.7"), "the limit for all is for all"
    assert all(connections.admit("marie", "192.0.2.7") for _ in range(5))


def test_sessions_of_an_account_are_counted_for_each_address() -> None:
    connections = Connections(SETTINGS)
    assert [connections.admit("marie", "2001:db8::1") for _ in range(2)] == [True, True]
    assert not connections.admit("marie", "2001:db8::2"), "one /64 is one address"
    assert connections.admit("marie", "2001:db8:0:1::1")
    assert connections.admit("paul", "2001:db8::1")
    connections.leave("marie", "2001:db8::2")
    assert connections.admit("marie", "2001:db8::1")


@pytest.mark.parametrize(
    ("address", "inside"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::ffff:127.0.0.1", True), ("128.0.0.1", False), ("::1", False)],
)
def test_networks(address: str, inside: bool) -> None:
    assert (address in Networks(("127.0.0.0/8",))) is inside
    assert address not in Networks(())


def test_neighbourhood() -> None:
    assert neighbourhood("192.0.2.1") == "192.0.2.1"
    assert neighbourhood("fe80::1%eth0") == neighbourhood("fe80::ffff")


def test_turns_are_taken_in_order() -> None:
    turns = Turns(2)
    started: list[str] = []
    for name in ("a", "b", "c", "d"):
        turns.take("marie", lambda name=name: started.append(name))  # type: ignore[misc]
    turns.take("paul", lambda: started.append("paul"))
    assert started == ["a", "b", "paul"]
    turns.give_back("marie")
    assert started == ["a", "b", "paul", "c"]
    for key in ("marie", "marie", "marie", "paul"):
        turns.give_back(key)
    assert started[-1] == "d"
    assert not turns._running
    assert not turns._queues
