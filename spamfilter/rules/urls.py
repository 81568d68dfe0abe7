"""Rules on links."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from urllib.parse import unquote

from spamfilter.domains import is_address, lookalike, official, site, unicode_form, within_any
from spamfilter.lexicon import (
    BRANDS,
    CHEAP_TLDS,
    CREDENTIAL_WORDS,
    EXECUTABLE,
    FILE_SHARES,
    FORM_SERVICES,
    FREE_HOSTING,
    MESSENGERS,
    OPEN_REDIRECTS,
    RISKY_TLDS,
    SHORTENERS,
)
from spamfilter.links import Link, read_link, shown_host
from spamfilter.registry import Finding, rule
from spamfilter.views import Views
from spamfilter.words import BLOCK, meaningless, mixed_scripts, unaccented

#: Blocks of which the smallest code is made, less those that are white.
_BLOCKS = 120
_REDIRECTED = re.compile(r"=(?:https?:)?//+([\w.-]{4,100})", re.IGNORECASE)
_ADDRESS = re.compile(r"[\w.+-]{2,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}")


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
    return _host(views, lambda host: within_any(host, FREE_HOSTING))


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
        inner = _REDIRECTED.search(unquote(link.rest[:1000])) if "=" in link.rest else None
        if inner and site(inner[1].lower()) != site(link.host):
            return f"{link.host[:60]} -> {inner[1][:60]}"
    return None


@rule("LINK_HAS_ADDRESS")
def link_has_address(views: Views) -> Finding:
    """Somebody's mail address in a link to another site, other than one to leave a list by."""
    for link in views.web_links:
        if "@" in link.rest or "%40" in link.rest:
            rest = unquote(link.rest[:1000]).lower()
            to_leave = "unsub" in rest or "desinscr" in rest
            if not to_leave and not views.is_authors(link.host) and _ADDRESS.search(rest):
                return link.host[:60]
    return None


@rule("LINK_CHEAP_TLD")
def link_cheap_tld(views: Views) -> Finding:
    return _host(views, lambda host: host.rpartition(".")[2] in CHEAP_TLDS and not views.is_authors(host))


@rule("LINK_RANDOM_HOST")
def link_random_host(views: Views) -> Finding:
    """The registered name is no word of any language."""
    return _host(views, lambda host: not is_address(host) and meaningless(site(host).partition(".")[0], 8))


@rule("LINK_LONG_NAME")
def link_long_name(views: Views) -> Finding:
    """A registered name longer than anybody would spell out."""
    return _host(views, lambda host: len(site(host)) >= 32)


@rule("ANSWER_BY_BUTTON")
def answer_by_button(views: Views) -> Finding:
    """A button writes a mail to somebody who is not of the author's site: the answer itself is the bait."""
    for link in views.links:
        if link.scheme != "mailto" or not link.shown or "@" in link.shown:
            continue
        domain = unquote(link.rest[:300]).partition("?")[0].rpartition("@")[2].strip().lower()
        if domain and not views.is_authors(domain) and not views.is_ours(domain) and not official(domain):
            return f"{link.shown[:30]} -> {domain[:60]}"
    return None


@rule("ANSWER_BY_BUTTON_ONLY")
def answer_by_button_only(views: Views) -> Finding:
    """Buttons that write mails, and no page to look at."""
    buttons = [link for link in views.links if link.scheme == "mailto" and link.shown and "@" not in link.shown]
    return len(buttons) >= 2 and not views.web_links


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


_SITE_SOFTWARE = ("/wp-content/", "/wp-includes/", "/wp-admin/", "/sites/default/files/", "/cgi-bin/", "/.well-known/")
_BETWEEN = re.compile(r"[.-]")
_LONG_BRAND = 8
_PLAIN_BRANDS = {name: sites for name, sites in BRANDS.items() if name.isalpha() and len(name) >= 5}


@rule("LINK_SHOWN_OFFICIAL")
def link_shown_official(views: Views) -> Finding:
    """The text names one of our sites or an official one, the link leads to somebody else's."""
    for link in views.web_links:
        shown = shown_host(link)
        if shown and (views.is_ours(shown) or official(shown)) and site(shown) != site(link.host):
            return f"{shown[:60]} -> {link.host[:60]}"
    return None


@rule("LINK_OFFICIAL_IN_PATH")
def link_official_in_path(views: Views) -> Finding:
    """The name of an official site or ours behind the host of another: http://exemple.top/impots.gouv.fr/."""
    names = (*views.evidence.local_domains, "gouv.fr", "ameli.fr", "caf.fr")
    for link in views.web_links:
        if official(link.host) or views.is_ours(link.host):
            continue
        path = link.path[:300].lower()
        if any(f"/{name}" in path or f".{name}" in path for name in names):
            return f"{link.host[:60]}{path[:40]}"
    return None


@rule("LINK_BRAND_IN_HOST")
def link_brand_in_host(views: Views) -> Finding:
    """The name of a bank, carrier or service in a host that is not theirs: a short name by itself, a long one
    anywhere."""
    for host in views.link_hosts:
        pieces = frozenset(_BETWEEN.split(host))
        name = next((b for b in _PLAIN_BRANDS if b in host and (len(b) >= _LONG_BRAND or b in pieces)), None)
        if name and not within_any(host, _PLAIN_BRANDS[name]):
            return host[:60]
    return None


@rule("LINK_CODED_RECIPIENT")
def link_coded_recipient(views: Views) -> Finding:
    """The recipient's address in a link, in base64 or hexadecimal: the page behind it knows whom it robs."""
    addresses = [r.address.encode("utf-8", "replace") for r in views.evidence.envelope.recipients[:5]]
    codes = [b64encode(address).decode().rstrip("=")[:-1] for address in addresses if len(address) > 5]
    codes += [address.hex() for address in addresses if len(address) > 5]
    return next((link.host[:60] for link in views.web_links if any(code in link.rest for code in codes)), None)


@rule("LINK_SITE_SOFTWARE")
def link_site_software(views: Views) -> Finding:
    """Into the inside of a web site's software, where pages of burglars lie."""
    for link in views.web_links:
        if any(mark in link.path[:300] for mark in _SITE_SOFTWARE) and not views.is_authors(link.host):
            name = link.path.rpartition("/")[2].lower()
            if not name.endswith((".pdf", ".png", ".jpg", ".jpeg", ".gif", ".docx", ".odt")):
                return link.host[:60]
    return None


@rule("LINK_OPEN_REDIRECT")
def link_open_redirect(views: Views) -> Finding:
    """Through a large site that leads anybody anywhere."""
    for link in views.web_links:
        paths = OPEN_REDIRECTS.get(site(link.host), ())
        if any(link.path.startswith(path) for path in paths) and _LEADS_ON.search(unquote(link.rest[:1000])):
            return link.host[:60]
    return None


@rule("LINK_PUBLISHED_DOCUMENT")
def link_published_document(views: Views) -> Finding:
    """A drawing, presentation or script that anybody publishes under the name of a large site."""
    for link in views.web_links:
        if link.host in ("docs.google.com", "script.google.com") and link.path.startswith(_PUBLISHED):
            return f"{link.host}{link.path[:20]}"
    return None


_LEADS_ON = re.compile(r"http|/amp/s/|//")
_PUBLISHED = ("/drawings/", "/presentation/", "/document/d/e/", "/macros/")


@rule("LINK_MESSENGER")
def link_messenger(views: Views) -> Finding:
    return _host(views, lambda host: within_any(host, MESSENGERS))


@rule("LINK_FORM_SERVICE")
def link_form_service(views: Views) -> Finding:
    for link in views.web_links:
        google = link.host == "docs.google.com" and link.path.startswith("/forms/")
        if google or within_any(link.host, FORM_SERVICES):
            return link.host[:60]
    return None


@rule("LINK_FILE_SHARE")
def link_file_share(views: Views) -> Finding:
    return _host(views, lambda host: within_any(host, FILE_SHARES))


@rule("LINK_HYPHENS")
def link_hyphens(views: Views) -> Finding:
    """ "ma-banque-securite-compte-client.fr": names that genuine services have no need of."""
    return _host(views, lambda host: site(host).count("-") >= 3 and "xn--" not in host)


@rule("LINK_ENCODED_HOST")
def link_encoded_host(views: Views) -> Finding:
    return _host(views, lambda host: "%" in host)


@rule("LINK_MIXED_SCRIPTS")
def link_mixed_scripts(views: Views) -> Finding:
    """A host name whose letters come from alphabets that look alike."""
    return _host(views, lambda host: bool(mixed_scripts(unicode_form(host))))


@rule("LINK_CLEAR_LOGIN")
def link_clear_login(views: Views) -> Finding:
    """A page that asks for a password, without encryption."""
    return next(
        (link.host[:60] for link in views.web_links if link.scheme == "http" and _wears_credentials(link)), None
    )


@rule("LINK_MANY_SITES")
def link_many_sites(views: Views) -> Finding:
    return len({site(host) for host in views.link_hosts}) >= 25


@rule("QR_LINK")
def qr_link(views: Views) -> Finding:
    """A QR code leads to a site that is neither ours nor official."""
    hosts = (read_link(code, "").host for code in views.codes)
    return next((host[:60] for host in hosts if host and not views.is_ours(host) and not official(host)), None)


@rule("QR_DRAWN")
def qr_drawn(views: Views) -> Finding:
    """A QR code made of letters: no picture, so that those who look at pictures don't see it."""
    return sum(views.body[: 4 * BLOCK].count(block) for block in "\u2588\u2580\u2584") >= _BLOCKS
