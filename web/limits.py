"""How much one address may ask. Pure: time is an argument."""

from __future__ import annotations

import ipaddress
from collections import Counter, OrderedDict
from collections.abc import Iterable

#: Addresses remembered at a time; of more, the one that was quiet longest is forgotten.
REMEMBERED = 10_000


class Origins:
    """Who counts as one: an IPv4 address, or the /64 of an IPv6 one."""

    def __init__(self, exempt: Iterable[str] = ()) -> None:
        self._exempt = [ipaddress.ip_network(one) for one in exempt]

    def of(self, address: str) -> str | None:
        """The origin of an address; None for one that is spared all limits."""
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return ""
        if any(ip in network for network in self._exempt):
            return None
        return str(ipaddress.ip_network((ip, 64), strict=False)) if ip.version == 6 else str(ip)


class Brake:
    """A bucket of tokens for each origin."""

    def __init__(self, per_minute: int, origins: Origins) -> None:
        self._most = float(per_minute)
        self._origins = origins
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def allows(self, address: str, now: float) -> bool:
        """Whether one more request of ``address`` is taken at ``now`` (seconds of any clock that never goes back)."""
        origin = self._origins.of(address)
        if origin is None:
            return True
        left, at = self._left.pop(origin, (self._most, now))
        left = min(self._most, left + (now - at) * self._most / 60)
        self._left[origin] = max(0.0, left - 1), now
        if len(self._left) > REMEMBERED:
            self._left.popitem(last=False)
        return left >= 1


class Places:
    """Connections at a time: in all, and of one origin."""

    def __init__(self, total: int, per_origin: int, origins: Origins) -> None:
        self._total = total
        self._per_origin = per_origin
        self._origins = origins
        self._taken: Counter[str | None] = Counter()

    def take(self, address: str) -> bool:
        """Whether there is a place for one more connection of ``address``; then it is taken."""
        origin = self._origins.of(address)
        if self._taken.total() >= self._total or (origin is not None and self._taken[origin] >= self._per_origin):
            return False
        self._taken[origin] += 1
        return True

    def give_back(self, address: str) -> None:
        """A connection that had a place has ended."""
        origin = self._origins.of(address)
        self._taken[origin] -= 1
        if not self._taken[origin]:
            del self._taken[origin]
