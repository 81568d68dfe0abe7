"""Rules on links."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import unquote

from spamfilter.domains import is_address, lookalike, site, unicode_form, within
from spamfilter.lexicon import CREDENTIAL_WORDS, EXECUTABLE, FREE_HOSTING, RISKY_TLDS, SHORTENERS
from spamfilter.links import Link, shown_host
from spamfilter.registry import Finding, rule
from spamfilter.views import Views
from spamfilter.words import unaccented

_REDIRECT_MARKS = ("url=http", "u=http", "redirect=http", "dest=http", "target=http", "link=http", "goto=http")


def _host(views: Views, test: Callable[[str], bool]) -> str | None:
    return next((host[:60] for host in views.link_hosts if test(host)), None)


def _wears_credentials(link: Link) -> str | None:
    text = unaccented(f"{link.host}{link.rest[:300]}")
    return next((word for word in CREDENTIAL_WORDS if word in text), None)


@rule("LINK_TEXT_MISMATCH")
def link_text_mismatch(views: Views) -> Finding:
    """The text names one site, the link leads to another."""
    for link in views.web_links:
        shown = shown_host(link)
        if shown and site(shown) != site(link.host):
            return f"{shown[:60]} -> {link.host[:60]}"
    return None


@rule("LINK_IP")
def link_ip(views: Views) -> Finding:
    return _host(views, is_address)


@rule("LINK_PUNYCODE")
def link_punycode(views: Views) -> Finding:
    host = _host(views, lambda host: "xn--" in host or not host.isascii())
    return unicode_form(host) if host else None


@rule("LINK_LOOKALIKE")
def link_lookalike(views: Views) -> Finding:
    for host in views.link_hosts:
        if imitated := lookalike(host, views.evidence.local_domains):
            return f"{unicode_form(host)[:60]} ~ {imitated}"
    return None


@rule("LINK_SHORTENER")
def link_shortener(views: Views) -> Finding:
    return _host(views, lambda host: host in SHORTENERS or host.removeprefix("www.") in SHORTENERS)


@rule("LINK_FREE_HOSTING")
def link_free_hosting(views: Views) -> Finding:
    return _host(views, lambda host: any(within(host, suffix) for suffix in FREE_HOSTING))


@rule("LINK_RISKY_TLD")
def link_risky_tld(views: Views) -> Finding:
    return _host(views, lambda host: host.rpartition(".")[2] in RISKY_TLDS)


@rule("LINK_CREDENTIAL_WORDS")
def link_credential_words(views: Views) -> Finding:
    """A page that asks for a password, on a site that is neither the author's nor ours."""
    for link in views.web_links:
        if not views.is_authors(link.host) and not views.is_ours(link.host) and _wears_credentials(link):
            return link.host[:60]
    return None


@rule("LINK_USER_PART")
def link_user_part(views: Views) -> Finding:
    """http://www.banque.fr@exemple.top/ leads to exemple.top."""
    return next((link.host[:60] for link in views.web_links if link.has_user), None)


@rule("LINK_ODD_PORT")
def link_odd_port(views: Views) -> Finding:
    usual = ("", "80", "443")
    return next((f"{link.host[:60]}:{link.port}" for link in views.web_links if link.port not in usual), None)


@rule("LINK_HAS_RECIPIENT")
def link_has_recipient(views: Views) -> Finding:
    """The recipient's address in a link fills in the form of the phishing page (and, honestly, unsubscribe pages)."""
    addresses = [r.address.lower() for r in views.evidence.envelope.recipients[:5] if len(r.address) > 5]
    for link in views.web_links:
        url = unquote(link.rest[:1000]).lower()
        if "unsub" not in url and "desinscr" not in url and any(address in url for address in addresses):
            return link.host[:60]
    return None


@rule("LINK_REDIRECT")
def link_redirect(views: Views) -> Finding:
    """Another site's address inside the link: an open redirect hides where it leads."""
    for link in views.web_links:
        rest = unquote(link.rest[:1000]).lower()
        if any(mark in rest for mark in _REDIRECT_MARKS):
            return link.host[:60]
    return None


@rule("LINK_SCRIPT")
def link_script(views: Views) -> Finding:
    return next((link.scheme for link in views.links if link.scheme in ("javascript", "vbscript", "data")), None)


@rule("LINK_PROGRAM")
def link_program(views: Views) -> Finding:
    for link in views.web_links:
        name, dot, extension = link.path.rpartition("/")[2].lower().rpartition(".")
        if name and dot and extension in EXECUTABLE - {"com", "url"}:
            return f"{name[:40]}.{extension}"
    return None


@rule("LINK_MANY_LABELS")
def link_many_labels(views: Views) -> Finding:
    return _host(views, lambda host: host.count(".") >= 5 and not is_address(host))


@rule("LINK_LONG_DIGITS")
def link_long_digits(views: Views) -> Finding:
    """A registered name full of digits is made by a machine."""
    return _host(views, lambda host: not is_address(host) and sum(c.isdigit() for c in site(host)) >= 5)


@rule("LINK_FOREIGN_ONLY")
def link_foreign_only(views: Views) -> Finding:
    """All links lead away from the author's site, and there are few of them."""
    hosts = views.link_hosts
    return 1 <= len(hosts) <= 3 and bool(views.author_domain) and not any(map(views.is_authors, hosts))
