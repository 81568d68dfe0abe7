"""Where mail for a domain is to be sent: its mail exchangers with their addresses (RFC 5321 section 5.1)."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from config.settings import MailAuth
from mailauth.resolver import LookupFailed, NotFound, Resolver
from message.address import ascii_domain

__all__ = ["Exchanger", "Exchangers", "LookupFailed", "NoExchanger", "NoSuchDomain", "NullMx"]

_MOST_EXCHANGERS = 20
_MOST_ADDRESSES = 10
# A domain may have many exchangers, and delivery has more time than the checks of a message that is coming in.
_PATIENCE = 5

_GLOBAL_UNICAST = ip_network("2000::/3")  # all that IANA has given out (RFC 4291 section 2.4)
_NAT64 = ip_network("64:ff9b::/96")  # what a DNS64 makes of IPv4 addresses (RFC 6052)


class NullMx(Exception):
    """The domain says that it takes no mail (RFC 7505)."""


class NoSuchDomain(Exception):
    """The domain does not exist, or nothing in the DNS says where its mail goes. Permanent."""


class NoExchanger(NoSuchDomain):
    """All that the DNS says about the domain's mail leads to this machine or to private networks. Permanent."""


@dataclass(frozen=True, slots=True)
class Exchanger:
    """One host to try; ``addresses`` are textual IP addresses, IPv6 first."""

    host: str
    preference: int
    addresses: tuple[str, ...]


class Exchangers:
    """Finds mail exchangers. Safe from several threads.

    Addresses on loopback, in private or otherwise not public networks and of this machine are left out, because
    anybody can publish them for his domain and make us talk to hosts inside. ``allow_private`` keeps them, for labs.
    """

    def __init__(self, resolver: Resolver, settings: MailAuth, *, allow_private: bool = False) -> None:
        self._resolver = resolver
        self._allow_private = allow_private
        self._patience = _PATIENCE * settings.total_timeout

    def of(self, domain: str) -> tuple[Exchanger, ...]:
        """The hosts for a domain, best preference first, at most 20, each with at least one address.

        A domain without MX records is its own exchanger (RFC 5321 section 5.1). Raises NullMx, NoSuchDomain and, for
        what may be better later, LookupFailed.
        """
        deadline = time.monotonic() + self._patience
        name = ascii_domain(domain).rstrip(".")
        hosts = self._hosts(name, deadline)
        found: list[Exchanger] = []
        failure: LookupFailed | None = None
        left_out = False
        for preference, host in hosts:
            try:
                addresses = self._addresses(host, deadline)
            except LookupFailed as error:
                failure = failure or error
                continue
            if not self._allow_private and any(_is_ours(address) for address in addresses):
                # From our own place on the list on, mail would come back to us (RFC 5321 section 5.1).
                found = [other for other in found if other.preference < preference]
                left_out = True
                break
            public = tuple(address for address in addresses if self._allow_private or _is_public(address))
            left_out = left_out or len(public) < len(addresses)
            if public:
                found.append(Exchanger(host, preference, public[:_MOST_ADDRESSES]))
        if found:
            return tuple(found)
        if failure is not None:
            raise failure
        if left_out:
            raise NoExchanger(f"the mail exchangers of {name} have no public address")
        raise NoSuchDomain(f"the mail exchangers of {name} have no address")

    def _hosts(self, domain: str, deadline: float) -> list[tuple[int, str]]:
        try:
            records = self._resolver.mx(domain, deadline)
        except NotFound:
            raise NoSuchDomain(f"the domain {domain} does not exist") from None
        if not records:
            return [(0, domain)]
        hosts = sorted({(preference, host) for preference, host in records if host})
        if not hosts:
            raise NullMx(f"{domain} takes no mail")
        return hosts[:_MOST_EXCHANGERS]

    def _addresses(self, host: str, deadline: float) -> list[str]:
        """All addresses; raises LookupFailed only when neither family has an answer."""
        found: list[str] = []
        failure: LookupFailed | None = None
        look_ups: tuple[Callable[[str, float], tuple[str, ...]], ...] = (self._resolver.aaaa, self._resolver.a)
        for look_up in look_ups:
            try:
                found.extend(look_up(host, deadline))
            except NotFound:
                return found
            except LookupFailed as error:
                failure = error
        if not found and failure is not None:
            raise failure
        return found


def _is_public(address: str) -> bool:
    """A unicast address in the Internet (RFC 6890), looking into IPv4 that is wrapped in IPv6."""
    ip = ip_address(address)
    if isinstance(ip, IPv6Address):
        if ip in _NAT64:
            return IPv4Address(int(ip) & 0xFFFFFFFF).is_global
        if ip not in _GLOBAL_UNICAST or (ip.sixtofour is not None and not ip.sixtofour.is_global):
            return False
    return ip.is_global and not ip.is_multicast


def _is_ours(address: str) -> bool:
    """Whether this machine has the address: only then a socket can be bound to it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True
