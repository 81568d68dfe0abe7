"""Host names as a reader sees them: which site they belong to, and what they are made to look like. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Container, Iterable
from functools import lru_cache

from spamfilter.lexicon import ACADEMIES, OFFICIAL_SITES, SHARED_SUFFIXES
from spamfilter.words import skeleton

_GOVERNMENT = re.compile(r"(?:^|[.-])gouv(?:ernement)?(?:[.-]|$)")
_GENUINE_GOVERNMENT = re.compile(r"(?:^|\.)(?:gouv\.[a-z]{2}|gouv\.qc\.ca|gouvernement\.[a-z]{2})$")
_ACADEMY = re.compile(r"(?:^|\.)(ac-[a-z]{2,20}(?:-[a-z]{2,10})?)[.-]")


def within(host: str, domain: str) -> bool:
    """True when ``host`` is ``domain`` or below it."""
    return host == domain or host.endswith("." + domain)


def within_any(host: str, domains: Container[str]) -> bool:
    """True when ``host`` is one of ``domains`` or below one: in a step a label, however many domains there are."""
    while host not in domains:
        _, dot, host = host.partition(".")
        if not dot:
            return False
    return True


def site(host: str) -> str:
    """The name that somebody registered: "www.ac-lyon.fr" -> "ac-lyon.fr", "shop.example.co.uk" -> "example.co.uk".

    Two labels, or three below the shared suffixes that matter here; a full public suffix list is not needed to compare
    the sites of one message.
    """
    labels = host.rsplit(".", 3)
    if len(labels) < 3:
        return host
    return ".".join(labels[-3:] if ".".join(labels[-2:]) in SHARED_SUFFIXES else labels[-2:])


def is_address(host: str) -> bool:
    """True for IPv4 and IPv6 literals, and for the one-number and hexadecimal spellings that browsers take."""
    if host.startswith("[") or (host[:2] == "0x" and len(host) <= 10):
        return True
    if host.isascii() and host.isdigit() and len(host) <= 10:
        return True
    if not host[-1:].isdigit():
        return False
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return True


def unicode_form(host: str) -> str:
    """The host with its ``xn--`` labels decoded; a label that can't be decoded stays as it is."""
    if "xn--" not in host:
        return host
    return ".".join(_unicode_label(label) for label in host.split("."))


def _unicode_label(label: str) -> str:
    # The length is checked first: decoding punycode takes quadratic time (CVE-2022-45061).
    if not label.startswith("xn--") or len(label) > 63:
        return label
    try:
        return label[4:].encode("ascii").decode("punycode").lower()
    except (UnicodeError, ValueError, OverflowError):
        return label


def official(host: str) -> bool:
    """True for the sites of academies, ministries and the services that staff and families deal with."""
    return _GENUINE_GOVERNMENT.search(host) is not None or within_any(host, OFFICIAL_SITES)


def lookalike(host: str, local_domains: Iterable[str]) -> str | None:
    """The genuine domain that ``host`` imitates: one of ours, an academy's, a ministry's; None when it imitates
    none."""
    return _lookalike(host[:253], frozenset(local_domains))


@lru_cache(maxsize=4096)
def _lookalike(host: str, local_domains: frozenset[str]) -> str | None:
    protected = local_domains | OFFICIAL_SITES
    if not host or within_any(host, protected):
        return None
    if _GENUINE_GOVERNMENT.search(host):
        return None
    return _imitated_site(host, protected) or _imitated_prefix(host, protected) or _imitated_office(host)


def _imitated_site(host: str, protected: frozenset[str]) -> str | None:
    """The registered name equals a protected one at a glance, or but for one letter."""
    name = site(unicode_form(host))
    seen = skeleton(name)
    for domain in sorted(protected):
        ours = site(domain)
        if name == ours:
            continue
        if seen == skeleton(ours) or (len(ours) >= 9 and one_edit(name, ours)):
            return domain
    return None


def _imitated_prefix(host: str, protected: frozenset[str]) -> str | None:
    """A protected name in front, another site behind: "ac-lyon.fr.exemple.top", "ac-lyon-fr.exemple.top"."""
    for domain in sorted(protected):
        if "." in domain and (
            f".{domain}." in f".{host}" or f".{domain.replace('.', '-')}." in f".{host}."
        ):  # fmt: skip
            return domain
    return None


def _imitated_office(host: str) -> str | None:
    """A government or an academy in the name, under a registration that is not theirs."""
    plain = unicode_form(host)
    if _GOVERNMENT.search(plain):
        return "gouv.fr"
    if (match := _ACADEMY.search(plain)) and match[1] in ACADEMIES:
        return match[1] + ".fr"
    return None


def one_edit(a: str, b: str) -> bool:
    """True when one inserted, left out, changed or swapped character makes ``a`` into ``b``."""
    if abs(len(a) - len(b)) > 1 or a == b:
        return False
    start = 0
    while start < min(len(a), len(b)) and a[start] == b[start]:
        start += 1
    rest_a, rest_b = a[start:], b[start:]
    return (
        rest_a[1:] == rest_b[1:]
        or rest_a[1:] == rest_b
        or rest_a == rest_b[1:]
        or (rest_a[:2] == rest_b[1::-1] and rest_a[2:] == rest_b[2:])
    )
