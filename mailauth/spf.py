"""Sender Policy Framework (RFC 7208): may this client send mail for that domain?

The evaluation is pyspf's, with its limits of 10 look-ups and 2 void look-ups (section 4.6.4). pyspf looks names up
through one global function; ours takes the resolver and the deadline of the calling thread.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address, ip_address

import spf as pyspf

from mailauth.resolver import LookupFailed, NotFound, Resolver
from mailauth.results import Outcome, SpfResult
from message.address import ascii_domain, split
from message.envelope import Envelope

# A domain name with a dot and without anything odd; others have no SPF result (section 4.3).
_DOMAIN = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9-]{1,63}", re.IGNORECASE)
# pyspf takes time that grows with the square of a record. RFC 7208 section 3.4 wants records below 512 octets.
_LONGEST_RECORD = 4096
_LONGEST_EXPLANATION = 512
_EXPLAINED = (Outcome.FAIL, Outcome.PERMERROR, Outcome.TEMPERROR)


class _Asker(threading.local):
    """What the look-up function of this thread uses while an evaluation is under way."""

    resolver: Resolver
    deadline: float


_asker = _Asker()


@contextmanager
def _asking(resolver: Resolver, deadline: float) -> Iterator[None]:
    _asker.resolver, _asker.deadline = resolver, deadline
    try:
        yield
    finally:
        del _asker.resolver, _asker.deadline


def _dns_lookup(name: str, kind: str, strict: bool, timeout: float) -> list[tuple[tuple[str, str], object]]:
    """pyspf's look-up: records as ``((name, kind), data)``; a name that does not exist has none."""
    try:
        records = _records(_asker.resolver, name, kind, _asker.deadline)
    except NotFound:
        return []
    except LookupFailed as error:
        raise pyspf.TempError(f"no answer from the DNS for {error}") from error
    return [((name, kind), record) for record in records]


def _records(resolver: Resolver, name: str, kind: str, deadline: float) -> list[object]:
    if kind == "A":
        return list(resolver.a(name, deadline))
    if kind == "AAAA":
        return list(resolver.aaaa(name, deadline))
    if kind == "MX":
        return list(resolver.mx(name, deadline))
    if kind == "PTR":
        return list(resolver.ptr(name, deadline))
    if kind == "TXT":
        return [[record] for record in resolver.txt(name, deadline) if _bounded(record, name)]
    return []


def _bounded(record: bytes, name: str) -> bool:
    if record[:6].lower() != b"v=spf1":
        return len(record) <= _LONGEST_EXPLANATION
    if len(record) > _LONGEST_RECORD:
        raise pyspf.PermError(f"the SPF record of {name} is too long")
    return True


pyspf.DNSLookup = _dns_lookup


def evaluate(envelope: Envelope, resolver: Resolver, deadline: float) -> SpfResult:
    """The result for MAIL FROM or, for the null sender, for HELO (section 2.4). Look-ups end by ``deadline``."""
    local, domain, scope = _identity(envelope)
    address = _client_address(envelope)
    if address is None or not _DOMAIN.fullmatch(domain):
        return SpfResult(Outcome.NONE, "", scope)
    with _asking(resolver, deadline):
        word, _, explanation = pyspf.query(
            i=address, s=f"{local}@{domain}", h=ascii_domain(envelope.client.helo)
        ).check()
    outcome = Outcome(word)
    return SpfResult(outcome, domain, scope, explanation[:200] if outcome in _EXPLAINED else "")


def _identity(envelope: Envelope) -> tuple[str, str, str]:
    """Local part, domain and scope."""
    if envelope.sender:
        local, domain = split(envelope.sender)
        return local or "postmaster", ascii_domain(domain), "mailfrom"
    return "postmaster", ascii_domain(envelope.client.helo).rstrip("."), "helo"


def _client_address(envelope: Envelope) -> str | None:
    """The client's address; one mapped into IPv6 counts as the IPv4 address that it is (section 5)."""
    try:
        address = ip_address(envelope.client.address.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)
