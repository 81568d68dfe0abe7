"""Who is connected, how often, and whose turn it is: counts that keep one client from taking all."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Hashable, Sequence
from ipaddress import ip_address, ip_network
from typing import TypeVar

from config.settings import Imap as Settings

T = TypeVar("T", bound=Hashable)


class Networks:
    """A list of networks to ask for an address."""

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks = tuple(ip_network(network, strict=False) for network in networks)

    def __contains__(self, address: str) -> bool:
        if not self._networks:
            return False
        ip = ip_address(address.partition("%")[0])
        mapped = getattr(ip, "ipv4_mapped", None) or ip
        return any(mapped in network for network in self._networks)


def neighbourhood(address: str) -> str:
    """What counts as one address: of IPv6 the /64, for that is what one customer has."""
    if ":" not in address:
        return address
    return str(ip_network((address.partition("%")[0], 64), strict=False))


class Connections:
    """Counts connections. Safe from any thread."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._exempt = Networks(settings.exempt)
        self._lock = threading.Lock()
        self._all = 0
        self._waiting: Counter[str] = Counter()
        self._accounts: Counter[tuple[str, str]] = Counter()

    def arrive(self, address: str) -> bool:
        """Count a new connection. False, and not counted, when there are too many in all or from its address."""
        near = neighbourhood(address)
        with self._lock:
            crowded = self._waiting[near] >= self._settings.connections_before_login and address not in self._exempt
            if crowded or self._all >= self._settings.connections:
                return False
            self._all += 1
            self._waiting[near] += 1
            return True

    def signed_in(self, address: str) -> None:
        """The connection no longer counts as one that waits to sign in."""
        with self._lock:
            _less(self._waiting, neighbourhood(address))

    def signed_out(self, address: str) -> None:
        """The connection waits to sign in again."""
        with self._lock:
            self._waiting[neighbourhood(address)] += 1

    def depart(self, address: str, *, signed_in: bool) -> None:
        """The connection ended."""
        with self._lock:
            self._all -= 1
        if not signed_in:
            self.signed_in(address)

    def admit(self, account: str, address: str) -> bool:
        """Count a session of an account. False, and not counted, when it has too many from that address."""
        key = (account, neighbourhood(address))
        with self._lock:
            if self._accounts[key] >= self._settings.connections_per_user and address not in self._exempt:
                return False
            self._accounts[key] += 1
            return True

    def leave(self, account: str, address: str) -> None:
        """A session of an account ended."""
        with self._lock:
            _less(self._accounts, (account, neighbourhood(address)))


def _less(counter: Counter[T], key: T) -> None:
    counter[key] -= 1
    if counter[key] <= 0:
        del counter[key]


class Turns:
    """At most so many pieces of work for one account at a time; the others wait in order. Used by the reactor only."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._running: Counter[Hashable] = Counter()
        self._queues: dict[Hashable, deque[Callable[[], None]]] = defaultdict(deque)

    def take(self, key: Hashable, start: Callable[[], None]) -> None:
        """Call ``start`` now or when it is its turn; ``give_back`` must follow."""
        if self._running[key] < self._limit:
            self._running[key] += 1
            start()
        else:
            self._queues[key].append(start)

    def give_back(self, key: Hashable) -> None:
        """A piece of work ended: the next one may start."""
        queue = self._queues.get(key)
        if queue:
            start = queue.popleft()
            if not queue:
                del self._queues[key]
            start()
            return
        _less(self._running, key)
