"""The brake of one address."""

from __future__ import annotations

from web.limits import REMEMBERED, Brake, Origins, Places


def test_a_burst_is_taken_then_the_rate_holds() -> None:
    brake = Brake(6, Origins())
    assert [brake.allows("192.0.2.1", 0.0) for _ in range(7)] == [True] * 6 + [False]
    assert brake.allows("192.0.2.2", 0.0)
    assert not brake.allows("192.0.2.1", 5.0)
    assert brake.allows("192.0.2.1", 21.0)
    assert [brake.allows("192.0.2.1", 1000.0) for _ in range(7)] == [True] * 6 + [False]


def test_an_ipv6_network_counts_as_one() -> None:
    brake = Brake(1, Origins())
    assert brake.allows("2001:db8::1", 0.0)
    assert not brake.allows("2001:db8::ffff", 0.0)
    assert brake.allows("2001:db8:0:1::1", 0.0)


def test_some_are_spared() -> None:
    brake = Brake(1, Origins(["192.0.2.0/24", "::1/128"]))
    assert all(brake.allows(one, 0.0) for one in ["192.0.2.1"] * 5 + ["::1"] * 5)


def test_memory_is_bounded() -> None:
    brake = Brake(1, Origins())
    for n in range(REMEMBERED + 10):
        brake.allows(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", 0.0)
    assert brake.allows("10.0.0.0", 0.0)
    assert not brake.allows("10.0.39.25", 0.0)


def test_places_in_all_and_of_one_origin() -> None:
    places = Places(3, 2, Origins(["192.0.2.0/24"]))
    assert [places.take("203.0.113.1") for _ in range(3)] == [True, True, False]
    assert places.take("192.0.2.1")
    assert not places.take("192.0.2.2")
    places.give_back("203.0.113.1")
    assert places.take("203.0.113.1")
    for address in ("203.0.113.1", "203.0.113.1", "192.0.2.1"):
        places.give_back(address)
    assert [places.take("203.0.113.2") for _ in range(3)] == [True, True, False]
