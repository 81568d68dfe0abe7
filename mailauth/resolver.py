"""Look-ups in the DNS: bounded in time, remembered, and cut short while the DNS is away.

The ``Resolver`` protocol is what the rest of the room asks; ``DnsResolver`` answers it with dnspython in the calling
thread. Every method takes a ``deadline`` on the ``time.monotonic`` clock and returns or raises by then.
"""

from __future__ import annotations

import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Protocol

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.resolver
import structlog

from config.settings import MailAuth
from message.address import ascii_domain

log = structlog.get_logger()

_LONGEST_MEMORY = 3600.0
_LONGEST_NEGATIVE_MEMORY = 300.0
# A failed look-up is remembered a little (RFC 2308 section 7), so that many messages of one broken domain wait once.
_FAILURE_MEMORY = 5.0
# Answers above this size are not remembered: with them a sender could fill the memory.
_REMEMBERED_OCTETS = 4096
_FAILURES_BEFORE_REST = 2
_REST = 30.0
_PAYLOAD = 1232  # no IP fragmentation anywhere


class NotFound(Exception):
    """The name does not exist (NXDOMAIN, RFC 8020). A name without the wanted records is an empty answer instead."""


class LookupFailed(Exception):
    """No answer for now: time-out, server failure, or the DNS is away. Temporary."""


class Resolver(Protocol):
    """Blocking look-ups, safe from several threads.

    Each raises ``NotFound`` or ``LookupFailed``. Names are domain names without regard to case; names that the DNS
    cannot hold do not exist. Names in answers have no dot at the end.
    """

    def txt(self, name: str, deadline: float) -> tuple[bytes, ...]:
        """TXT records, the strings of each joined (RFC 7208 section 3.3)."""
        ...

    def a(self, name: str, deadline: float) -> tuple[str, ...]:
        """IPv4 addresses."""
        ...

    def aaaa(self, name: str, deadline: float) -> tuple[str, ...]:
        """IPv6 addresses."""
        ...

    def mx(self, name: str, deadline: float) -> tuple[tuple[int, str], ...]:
        """Preference and host of each MX record; the host of a null MX (RFC 7505) is ``""``."""
        ...

    def ptr(self, name: str, deadline: float) -> tuple[str, ...]:
        """Targets of a reverse name (``3.2.0.192.in-addr.arpa``)."""
        ...


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a look-up came to: records, or the exception to raise again; ``lifetime`` in seconds."""

    records: tuple[Any, ...]
    error: type[Exception] | None
    lifetime: float


class _Memory:
    """Answers until their time to live ends; the least recently used go first."""

    def __init__(self, entries: int) -> None:
        self._limit = entries
        self._lock = threading.Lock()
        self._answers: OrderedDict[Hashable, tuple[float, _Answer]] = OrderedDict()

    def get(self, key: Hashable) -> _Answer | None:
        with self._lock:
            found = self._answers.get(key)
            if found is None:
                return None
            expires, answer = found
            if expires <= time.monotonic():
                del self._answers[key]
                return None
            self._answers.move_to_end(key)
            return answer

    def put(self, key: Hashable, answer: _Answer) -> None:
        if answer.lifetime <= 0 or sum(len(str(record)) for record in answer.records) > _REMEMBERED_OCTETS:
            return
        with self._lock:
            self._answers[key] = (time.monotonic() + answer.lifetime, answer)
            self._answers.move_to_end(key)
            if len(self._answers) > self._limit:
                self._answers.popitem(last=False)


class _Server:
    """One name server, and whether it is worth asking.

    After two silences in a row it is asked for the root, which every live server knows: only when that too stays
    unanswered does it rest. (Otherwise a sender whose own name servers are silent could switch our checks off.) After
    the rest one look-up is let through; the others go on failing at once until that one has an answer.
    """

    def __init__(self, address: str, port: int) -> None:
        self.address = address
        self.port = port
        self._lock = threading.Lock()
        self._failures = 0
        self._rests_until = 0.0

    def admits(self) -> bool:
        """Whether a look-up may go here now."""
        with self._lock:
            if not self._rests_until:
                return True
            if time.monotonic() < self._rests_until:
                return False
            self._rests_until = time.monotonic() + _REST
            return True

    def ask(self, query: dns.message.Message, timeout: float) -> dns.message.Message:
        """One exchange over UDP, and over TCP when the answer is cut. Raises OSError, DNSException, EOFError."""
        expires = time.monotonic() + timeout
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            # Connected: an ICMP error comes back at once, and the kernel drops what others send.
            sock.connect((self.address, self.port))
            try:
                return dns.query.udp(
                    query, self.address, timeout, self.port, sock=sock, ignore_errors=True, raise_on_truncation=True
                )
            except dns.message.Truncated:
                left = max(expires - time.monotonic(), 0.01)
                return dns.query.tcp(query, self.address, left, self.port)

    def answered(self) -> None:
        """It answered, whatever the answer was."""
        with self._lock:
            if self._rests_until:
                log.info("dns.server.back", server=self.address)
            self._failures, self._rests_until = 0, 0.0

    def failed(self, probe_timeout: float | None) -> None:
        """It was silent for the whole time it gets, or unreachable; None means that there is no time for a probe."""
        with self._lock:
            self._failures += 1
            suspicious = self._failures >= _FAILURES_BEFORE_REST
        if not suspicious or probe_timeout is None:
            return
        if self._lives(probe_timeout):
            self.answered()
            return
        with self._lock:
            self._rests_until = time.monotonic() + _REST
        log.warning("dns.server.away", server=self.address, port=self.port, rest_seconds=_REST)

    def _lives(self, timeout: float) -> bool:
        try:
            self.ask(dns.message.make_query(".", dns.rdatatype.NS), timeout)
        except (OSError, EOFError, dns.exception.DNSException):
            return False
        return True


class DnsResolver:
    """``Resolver`` on the name servers of the settings, or of the machine when there are none."""

    def __init__(self, settings: MailAuth) -> None:
        self._timeout = settings.query_timeout
        self._memory = _Memory(settings.cache_entries)
        self._servers = [_Server(*_endpoint(text)) for text in settings.nameservers or _system_servers()]

    def txt(self, name: str, deadline: float) -> tuple[bytes, ...]:
        return self._look_up(name, dns.rdatatype.TXT, deadline, lambda rdata: b"".join(rdata.strings))

    def a(self, name: str, deadline: float) -> tuple[str, ...]:
        return self._look_up(name, dns.rdatatype.A, deadline, lambda rdata: rdata.address)

    def aaaa(self, name: str, deadline: float) -> tuple[str, ...]:
        return self._look_up(name, dns.rdatatype.AAAA, deadline, lambda rdata: rdata.address)

    def mx(self, name: str, deadline: float) -> tuple[tuple[int, str], ...]:
        return self._look_up(name, dns.rdatatype.MX, deadline, lambda rdata: (rdata.preference, _text(rdata.exchange)))

    def ptr(self, name: str, deadline: float) -> tuple[str, ...]:
        return self._look_up(name, dns.rdatatype.PTR, deadline, lambda rdata: _text(rdata.target))

    def _look_up(
        self, name: str, kind: dns.rdatatype.RdataType, deadline: float, read: Callable[[Any], Any]
    ) -> tuple[Any, ...]:
        wanted = _name(name)
        key = (wanted, kind)
        answer = self._memory.get(key)
        if answer is None:
            answer = self._fetch(wanted, kind, deadline, read)
            self._memory.put(key, answer)
        if answer.error is not None:
            raise answer.error(f"{dns.rdatatype.to_text(kind)} {name}")
        return answer.records

    def _fetch(
        self, name: dns.name.Name, kind: dns.rdatatype.RdataType, deadline: float, read: Callable[[Any], Any]
    ) -> _Answer:
        """Ask one server after the other until one knows."""
        asked = False
        for server in self._servers:
            left = deadline - time.monotonic()
            if left <= 0:
                raise LookupFailed(f"no time left for {name}")
            if not server.admits():
                continue
            asked = True
            response = self._exchange(server, name, kind, deadline)
            answer = None if response is None else _read(response, read)
            if answer is not None:
                return answer
        if not asked:
            raise LookupFailed("the DNS is away")
        if deadline <= time.monotonic():
            raise LookupFailed(f"no time left for {name}")
        return _Answer((), LookupFailed, _FAILURE_MEMORY)

    def _exchange(
        self, server: _Server, name: dns.name.Name, kind: dns.rdatatype.RdataType, deadline: float
    ) -> dns.message.Message | None:
        query = dns.message.make_query(name, kind, use_edns=0, payload=_PAYLOAD)
        timeout = min(self._timeout, deadline - time.monotonic())
        try:
            response = server.ask(query, timeout)
        except dns.exception.Timeout:
            # A wait that our own deadline cut short says nothing about the server.
            if timeout >= self._timeout:
                server.failed(self._probe_timeout(deadline))
            return None
        except (OSError, EOFError):
            server.failed(self._probe_timeout(deadline))
            return None
        except dns.exception.DNSException:
            return None
        server.answered()
        return response

    def _probe_timeout(self, deadline: float) -> float | None:
        """A probe gets its full time or does not take place: half a wait would prove nothing."""
        return self._timeout if deadline - time.monotonic() >= 0.9 * self._timeout else None


def _read(response: dns.message.Message, read: Callable[[Any], Any]) -> _Answer | None:
    """The answer in a response; None when the server could not tell."""
    code = response.rcode()
    if code not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN) or not isinstance(response, dns.message.QueryMessage):
        return None
    try:
        chain = response.resolve_chaining()
        records = tuple(read(rdata) for rdata in chain.answer) if chain.answer is not None else ()
    except (dns.exception.DNSException, ValueError):
        return None
    if records:
        return _Answer(records, None, min(chain.minimum_ttl, _LONGEST_MEMORY))
    lifetime = min(chain.minimum_ttl, _LONGEST_NEGATIVE_MEMORY)
    return _Answer((), NotFound if code == dns.rcode.NXDOMAIN else None, lifetime)


def _name(name: str) -> dns.name.Name:
    try:
        found = dns.name.from_text(ascii_domain(name.rstrip(".")).encode("ascii").decode("ascii")).canonicalize()
    except (dns.exception.DNSException, UnicodeError, ValueError):
        found = dns.name.root
    if found == dns.name.root:
        raise NotFound(f"{name!r} is no name of the DNS")
    return found


def _text(name: dns.name.Name) -> str:
    return "" if name == dns.name.root else name.to_text(omit_final_dot=True).lower()


def _endpoint(text: str) -> tuple[str, int]:
    """``ADDRESS``, ``ADDRESS:PORT`` or ``[IPV6]:PORT``. Raises ValueError."""
    if text.startswith("["):
        address, _, port = text[1:].partition("]")
    elif text.count(":") == 1:
        address, _, port = text.partition(":")
    else:
        address, port = text, ""
    return str(ip_address(address)), int(port.removeprefix(":") or 53)


def _system_servers() -> list[str]:
    try:
        return [str(server) for server in dns.resolver.Resolver().nameservers]
    except dns.resolver.NoResolverConfiguration:
        log.warning("dns.unconfigured", why="the machine has no name servers in /etc/resolv.conf")
        return []
