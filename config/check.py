"""Rules across settings that no single value can break."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations

from config.settings import Settings

_DOMAIN = re.compile(r"(?=.{1,253}$)(?!-)[\w-]{1,63}(?<!-)(\.(?!-)[\w-]{1,63}(?<!-))*", re.UNICODE)
_URL = re.compile(r"https://[A-Za-z0-9.-]{1,253}(:\d{1,5})?/?")
_HOST_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:\[\]]+):(\d{1,5})")


def complaints(settings: Settings) -> Iterator[tuple[str, str]]:
    """(section.key, what is wrong and what would be right) for each rule that is broken."""
    yield from _names(settings)
    yield from _ports(settings)
    yield from _tls(settings)
    yield from _queue(settings)
    yield from _sizes(settings)
    if settings.web.url and not _URL.fullmatch(settings.web.url):
        yield "web.url", f"must be as https://courriel.example, without a path, not {settings.web.url!r}"
    if settings.spam.reject_from and settings.spam.reject_from <= settings.spam.junk_from:
        yield "spam.reject_from", "must be above spam.junk_from, or 0 to refuse nothing"
    yield from _reports(settings)
    if settings.smtp.errors_before_close <= settings.smtp.errors_before_delay:
        yield "smtp.errors_before_close", "must be above smtp.errors_before_delay"


#: Octets of the header fields that we put on top of a message, at most.
TRACE = 1024 * 1024


def _sizes(settings: Settings) -> Iterator[tuple[str, str]]:
    kept = settings.store.message_size
    for place, size in (
        ("smtp.mx_message_size", settings.smtp.mx_message_size),
        ("smtp.submission_message_size", settings.smtp.submission_message_size),
        ("imap.append_limit", settings.imap.append_limit),
    ):
        if size + TRACE > kept:
            yield place, f"must be 1 MiB below store.message_size ({kept} octets), or what came in could not be kept"


def _names(settings: Settings) -> Iterator[tuple[str, str]]:
    if not settings.site.domains:
        yield "site.domains", "needs at least one mail domain"
    for domain in settings.site.domains:
        if not _DOMAIN.fullmatch(domain):
            yield "site.domains", f"{domain!r} is not a domain name"
    if not _DOMAIN.fullmatch(settings.site.hostname):
        yield "site.hostname", f"{settings.site.hostname!r} is not a host name"


def _reports(settings: Settings) -> Iterator[tuple[str, str]]:
    spam, domains = settings.spam, {domain.lower() for domain in settings.site.domains}
    for place, address in (("spam.report_phishing", spam.report_phishing), ("spam.report_ham", spam.report_ham)):
        local, _, domain = address.lower().rpartition("@")
        if address and not (local and domain in domains):
            yield place, f"must be an address in one of site.domains, or empty, not {address!r}"
        if local in ("postmaster", "abuse", "mailer-daemon"):
            yield place, f"{address!r} is read by people: name an address of its own"
    if spam.report_ham and spam.report_ham.lower() == spam.report_phishing.lower():
        yield "spam.report_ham", "must not be spam.report_phishing: one says what is bad, the other what is good"
    if spam.hotline and "@" not in spam.hotline:
        yield "spam.hotline", f"must be an address, or empty, not {spam.hotline!r}"


def _ports(settings: Settings) -> Iterator[tuple[str, str]]:
    ports = {
        "smtp.mx_port": settings.smtp.mx_port,
        "smtp.submission_port": settings.smtp.submission_port,
        "smtp.submissions_port": settings.smtp.submissions_port,
        "imap.port": settings.imap.port,
        "imap.tls_port": settings.imap.tls_port,
        "web.port": settings.web.port,
    }
    for (one, port), (other, same) in combinations(ports.items(), 2):
        if port and port == same:
            yield other, f"port {port} is that of {one} too"


def _tls(settings: Settings) -> Iterator[tuple[str, str]]:
    tls, smtp, imap = settings.tls, settings.smtp, settings.imap
    if (tls.certificate is None) != (tls.key is None):
        yield "tls.key", "tls.certificate and tls.key go together: set both or none"
    if tls.certificate is None:
        for place, port in (
            ("smtp.submissions_port", smtp.submissions_port),
            ("imap.tls_port", imap.tls_port),
            ("web.port", settings.web.port),
        ):
            if port:
                yield place, "needs tls.certificate and tls.key; set the port to 0 to do without"
    else:
        for place, path in (("tls.certificate", tls.certificate), ("tls.key", tls.key)):
            if path is not None and not path.is_file():
                yield place, f"there is no file {path}"


def _queue(settings: Settings) -> Iterator[tuple[str, str]]:
    queue = settings.queue
    if queue.smarthost and not _HOST_PORT.fullmatch(queue.smarthost):
        yield "queue.smarthost", f"must be HOST:PORT, not {queue.smarthost!r}"
    if not queue.retry:
        yield "queue.retry", "needs at least one wait"
    if any(wait <= 0 for wait in queue.retry):
        yield "queue.retry", "waits must be above 0"
    if queue.per_destination > queue.connections:
        yield "queue.per_destination", "can't be above queue.connections"
