"""The lockout rule, pure: what happened + the rule + now -> who may try.

An account is tried from *networks* (an IPv4 address, an IPv6 /64). A network from which its owner signed in during the
last 30 days is *known* to that account; every other one is a *stranger*.

- N wrong passwords within the window, from wherever, lock the account for all strangers.
- N wrong passwords within the window from one known network lock the account for that network. Other known networks
  keep their own count: an outsider who guesses can't keep the owner's phone and desk out.
- A lock lasts for the set time, or until support ends it. The right password is refused meanwhile, and what is tried
  meanwhile neither counts nor prolongs it. Afterwards counting starts at zero.
- Success forgives the failures of its own network only: a phone that polls must not wipe out a guesser's count.
- The owner's former password, tried from a known network, does not count: that is a device which was not told yet.
  Any other wrong password counts each time, the same one again too.
- Support's lock shuts everybody out.
- The brake: a network with very many failures, of whatever accounts, may go on with accounts that know it only.

``docs/adr/0003-lockout.md`` has the reasons.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from config.settings import DAY, Auth

#: Scope of support's lock: everybody.
EVERYBODY = "*"

#: Scope of a lock for all networks that the account does not know.
STRANGERS = "?"

#: Seconds for which a network stays known after a success.
KNOWN_FOR = 30 * DAY


@dataclass(frozen=True, slots=True)
class Rule:
    """``limit`` failures within ``window`` seconds lock for ``lock_time`` seconds (None: until support unlocks)."""

    limit: int
    window: float
    lock_time: float | None

    @classmethod
    def of(cls, settings: Auth) -> Rule:
        """The rule that the settings describe."""
        return cls(settings.lock_after, settings.lock_window, settings.lock_time or None)


@dataclass(frozen=True, slots=True)
class Failure:
    """A wrong password, from ``network``, ``at`` seconds since the epoch."""

    network: str
    at: float


@dataclass(frozen=True, slots=True)
class Lock:
    """``scope`` is EVERYBODY, STRANGERS or one known network; ``until`` None means until support unlocks."""

    scope: str
    since: float
    until: float | None
    reason: str = ""

    def holds(self, now: float) -> bool:
        """True while the lock is in force."""
        return self.until is None or now < self.until

    def describe(self) -> str:
        """Whom it keeps out, until when and why, for support."""
        whom = {EVERYBODY: "everybody", STRANGERS: "unknown networks"}.get(self.scope, self.scope)
        end = (
            "support unlocks" if self.until is None else f"{datetime.fromtimestamp(self.until, UTC):%Y-%m-%d %H:%M:%SZ}"
        )
        return f"{whom} until {end}: {self.reason}"


def lock_on(locks: Iterable[Lock], network: str, known: bool, now: float) -> Lock | None:
    """The lock that keeps ``network`` out at ``now``, or None."""
    scopes = {EVERYBODY, network if known else STRANGERS}
    return next((lock for lock in locks if lock.scope in scopes and lock.holds(now)), None)


def new_locks(
    failures: Iterable[Failure], locks: Iterable[Lock], rule: Rule, network: str, known: bool, now: float
) -> Iterator[Lock]:
    """The locks that follow from the failures, the latest of which came from ``network`` just now."""
    recent = [failure for failure in failures if failure.at > now - rule.window]
    before = {lock.scope: lock for lock in locks}
    until = None if rule.lock_time is None else now + rule.lock_time
    if _count(recent, before.get(STRANGERS), now) >= rule.limit:
        yield Lock(STRANGERS, now, until, f"{rule.limit} wrong passwords")
    own = [failure for failure in recent if failure.network == network]
    if known and _count(own, before.get(network), now) >= rule.limit:
        yield Lock(network, now, until, f"{rule.limit} wrong passwords from a known network")


def network_of(address: str) -> str:
    """What a client's address counts as: IPv4 itself, IPv6 its /64, IPv4-mapped its IPv4 (RFC 4291 section 2.5.5.2)."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        # A Unix socket or nothing at all: one origin of its own.
        return "local"
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is None:
            return str(ipaddress.ip_network((ip, 64), strict=False))
        ip = ip.ipv4_mapped
    return str(ip)


def _count(failures: Iterable[Failure], last: Lock | None, now: float) -> int:
    """Failures since the last lock ended; none while it holds."""
    if last is None:
        return sum(1 for _ in failures)
    if last.until is None or now < last.until:
        return 0
    return sum(failure.at >= last.until for failure in failures)
