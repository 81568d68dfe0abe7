from __future__ import annotations

import pytest

from config.settings import Auth
from directory.lockout import EVERYBODY, STRANGERS, Failure, Lock, Rule, lock_on, network_of, new_locks

RULE = Rule(limit=3, window=900, lock_time=1800)
NOW = 1_000_000.0


def tries(*networks: str, at: float = NOW) -> list[Failure]:
    return [Failure(network, at) for network in networks]


def scopes(
    failures: list[Failure], network: str, known: bool, locks: tuple[Lock, ...] = (), now: float = NOW
) -> list[str]:
    return [lock.scope for lock in new_locks(failures, locks, RULE, network, known, now)]


def test_rule_of_the_settings() -> None:
    assert Rule.of(Auth()) == Rule(10, 900, 1800)
    assert Rule.of(Auth(lock_time=0)).lock_time is None


def test_enough_failures_from_anywhere_lock_strangers_out() -> None:
    assert scopes(tries("a", "b"), "b", known=False) == []
    assert scopes(tries("a", "b", "c"), "c", known=False) == [STRANGERS]


def test_known_network_has_its_own_count() -> None:
    assert scopes(tries("a", "b", "home"), "home", known=True) == [STRANGERS]
    assert scopes(tries("home", "home", "home"), "home", known=True) == [STRANGERS, "home"]


def test_failures_before_the_window_do_not_count() -> None:
    assert scopes([*tries("a", "a", at=NOW - 900), *tries("a")], "a", known=False) == []
    assert scopes([*tries("a", "a", at=NOW - 899), *tries("a")], "a", known=False) == [STRANGERS]


def test_lock_ends_after_its_time_and_counting_starts_again() -> None:
    lock = Lock(STRANGERS, NOW - 1800, NOW)
    assert lock.holds(NOW - 0.001)
    assert not lock.holds(NOW)
    assert scopes(tries("a", "a", "a", at=NOW - 1), "a", known=False, locks=(lock,)) == []
    assert scopes(tries("a", "a", "a", at=NOW), "a", known=False, locks=(lock,)) == [STRANGERS]


def test_lock_in_force_is_not_prolonged() -> None:
    lock = Lock(STRANGERS, NOW - 10, NOW + 10)
    assert scopes(tries("a", "a", "a", "a"), "a", known=False, locks=(lock,)) == []


def test_lock_time_and_until_support() -> None:
    (lock,) = new_locks(tries("a", "a", "a"), (), RULE, "a", False, NOW)
    assert lock.until == NOW + 1800
    (lock,) = new_locks(tries("a", "a", "a"), (), Rule(3, 900, None), "a", False, NOW)
    assert lock.until is None
    assert lock.holds(NOW + 1e9)


@pytest.mark.parametrize(
    ("scope", "network", "known", "shut"),
    [
        (EVERYBODY, "home", True, True),
        (EVERYBODY, "far", False, True),
        (STRANGERS, "home", True, False),
        (STRANGERS, "far", False, True),
        ("home", "home", True, True),
        ("home", "desk", True, False),
        ("home", "home", False, False),
    ],
)
def test_whom_a_lock_keeps_out(scope: str, network: str, known: bool, shut: bool) -> None:
    lock = Lock(scope, NOW, NOW + 1)
    assert (lock_on([lock], network, known, NOW) is lock) is shut
    assert lock_on([lock], network, known, NOW + 1) is None


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("", "local"),
        ("/run/mailserver.sock", "local"),
        ("x" * 10_000, "local"),
    ],
)
def test_network_of_an_address(address: str, network: str) -> None:
    assert network_of(address) == network


def test_lock_in_words_for_support() -> None:
    assert Lock(STRANGERS, 0, 1_790_000_000, "10 wrong passwords").describe() == (
        "unknown networks until 2026-09-21 14:13:20Z: 10 wrong passwords"
    )
    assert Lock(EVERYBODY, 0, None, "theft").describe() == "everybody until support unlocks: theft"
