from __future__ import annotations

import pytest

from smtp.limits import Guesses, Hourly, Networks, Occupancy, client_address, origin


@pytest.mark.parametrize(
    ("text", "who"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_origin(text, who):
    assert origin(client_address(text)) == who


def test_networks():
    networks = Networks(("10.0.0.0/8", "2001:db8::/32", "192.0.2.1"))
    assert client_address("10.1.2.3") in networks
    assert client_address("::ffff:10.1.2.3") in networks
    assert client_address("2001:db8::9") in networks
    assert client_address("192.0.2.2") not in networks


def test_occupancy():
    occupancy = Occupancy(total=10, per_origin=3)
    assert all(occupancy.enter("a") for _ in range(3))
    assert not occupancy.enter("a")
    assert occupancy.enter("a", exempt=True)
    assert all(occupancy.enter("b") for _ in range(3))
    assert not occupancy.stress
    assert all(occupancy.enter("c") for _ in range(3))
    assert occupancy.stress
    assert not occupancy.enter("d", exempt=True)
    for _ in range(4):
        occupancy.leave("a")
    assert occupancy.count == 6
    assert occupancy.enter("a")


def test_guesses_go_on_over_sessions_and_are_forgotten():
    guesses = Guesses(slow_from=3, window=100, entries=2)
    assert [guesses.add("a", now) for now in (0, 1, 2, 3)] == [False, False, True, True]
    assert not guesses.add("a", 200)
    guesses.add("b", 201)
    guesses.add("c", 202)
    assert not guesses.add("a", 203)


def test_hourly_window_slides():
    hourly = Hourly(3, window=60)
    for now in (0, 10, 20):
        assert hourly.room("m", now)
        hourly.add("m", now)
    assert not hourly.room("m", 59)
    assert hourly.room("x", 59)
    assert hourly.room("m", 60)
    hourly.add("m", 60)
    assert not hourly.room("m", 69)
    assert hourly.room("m", 500)
