"""Counters over all sessions of a process. Pure: the clock is an argument; called from the event loop only.

Who is counted: a client's IPv4 address, or the /64 of its IPv6 address, since that is what one site gets.
"""

from __future__ import annotations

import ipaddress
from collections import Counter, OrderedDict, deque
from collections.abc import Iterable

HOUR = 3600.0

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def client_address(text: str) -> Address:
    """The address of a peer name; IPv4 in IPv6 form is taken as IPv4, a scope is cut. Raises ValueError."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


def origin(address: Address) -> str:
    """What is counted as one: the address, or the /64 network of an IPv6 address."""
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(ipaddress.IPv6Network((address, 64), strict=False))


class Networks:
    """A set of networks from settings."""

    __slots__ = ("_networks",)

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = tuple(ipaddress.ip_network(network, strict=False) for network in networks)

    def __contains__(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


class Occupancy:
    """Open connections, in all and by origin."""

    __slots__ = ("_by_origin", "_per_origin", "_total", "count")

    STRESS = 0.9

    def __init__(self, *, total: int, per_origin: int) -> None:
        self._total = total
        self._per_origin = per_origin
        self._by_origin: Counter[str] = Counter()
        self.count = 0

    def enter(self, who: str, *, exempt: bool = False) -> bool:
        """Count one more connection; False when there is no room, and nothing was counted.

        ``exempt`` spares the limit by origin, never the one for all.
        """
        if self.count >= self._total or (not exempt and self._by_origin[who] >= self._per_origin):
            return False
        self.count += 1
        self._by_origin[who] += 1
        return True

    def leave(self, who: str) -> None:
        """A connection that ``enter`` counted has ended."""
        self.count -= 1
        self._by_origin[who] -= 1
        if not self._by_origin[who]:
            del self._by_origin[who]

    @property
    def stress(self) -> bool:
        """True when nearly all connections are in use."""
        return self.count >= self.STRESS * self._total


class Guesses:
    """Unknown recipients by origin, over its sessions: one that comes back goes on where it stopped.

    Remembers at most ``entries`` origins for ``window`` seconds after their last guess; the oldest are forgotten first.
    """

    __slots__ = ("_entries", "_seen", "_slow_from", "_window")

    def __init__(self, *, slow_from: int, window: float = HOUR, entries: int = 10_000) -> None:
        self._slow_from = slow_from
        self._window = window
        self._entries = entries
        self._seen: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def add(self, who: str, now: float) -> bool:
        """Count one; True when the answer is to wait."""
        count, last = self._seen.pop(who, (0, now))
        count = count + 1 if now - last < self._window else 1
        self._seen[who] = (count, now)
        if len(self._seen) > self._entries:
            self._seen.popitem(last=False)
        return count >= self._slow_from


class Hourly:
    """How much each account did in the last hour; a sliding window, exact."""

    __slots__ = ("_events", "_limit", "_window")

    def __init__(self, limit: int, window: float = HOUR) -> None:
        self._limit = limit
        self._window = window
        self._events: dict[str, deque[float]] = {}

    def room(self, account: str, now: float) -> bool:
        """True when one more is allowed."""
        events = self._events.get(account)
        if events is None:
            return True
        while events and events[0] <= now - self._window:
            events.popleft()
        if not events:
            del self._events[account]
            return True
        return len(events) < self._limit

    def add(self, account: str, now: float) -> None:
        """Count one. The memory of an account is bounded by the limit."""
        self._events.setdefault(account, deque(maxlen=self._limit)).append(now)
