"""Mail from our users: the right to the sender, small repairs, signing, one transaction for near and far recipients.

RFC 6409 sections 6 and 8. What is checked is what is sent: line ends are put right first, then every field that names
an author is read from the octets, all of its kind, and all addresses in it.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Protocol

import structlog
from sqlalchemy import Connection

from config.settings import Settings
from delivery.dsn import ReportWriter
from delivery.fields import ALL_FIELDS, ours, protocol, without_fields
from delivery.filing import Also, Filer, Letter, route
from delivery.guard import for_all, guarded
from delivery.lines import with_line_ends
from delivery.outcome import Dispositions, Fate, Reason
from delivery.policy import AUTHOR_LIMIT
from delivery.queue.store import QueueStore
from delivery.reports.log import Kind, ReportMail, expect
from delivery.texts import say
from directory.api import Recipients
from directory.model import Account
from mailauth import results
from message import trace
from message.address import parse_addresses
from message.content import Content, PrefixedContent
from message.envelope import Envelope
from message.headers import HeaderBlock, parse_headers
from spamfilter.people import note_written
from storage.api import MailStore

log = structlog.get_logger()

#: Fields that say who wrote or sent a message (RFC 5322 sections 3.6.2 and 3.6.6).
AUTHORS = (b"From", b"Sender", b"Resent-From", b"Resent-Sender")

#: Fields that nobody but the sender may see (RFC 5322 section 3.6.3).
BLIND = (b"Bcc", b"Resent-Bcc")


class Signer(Protocol):
    """Signs a message for a domain."""

    def sign(self, octets: bytes, domain: str) -> bytes:
        """The DKIM-Signature field with its CRLF, or ``b""`` when there is no key for the domain."""
        ...


class SubmissionPipeline:
    """What happens to a message from a signed-in user. Blocks; safe from any thread."""

    def __init__(
        self,
        store: MailStore,
        recipients: Recipients,
        signer: Signer | None,
        queue: QueueStore,
        settings: Settings,
        ring: Callable[[], None] = lambda: None,
    ) -> None:
        """None for ``signer`` leaves signing out. ``ring`` wakes the queue's runner."""
        self._directory = recipients
        self._signer = signer
        self._settings = settings
        self._hostname = settings.site.hostname
        self._language = settings.site.language
        reports = ReportWriter(settings.site, settings.queue)
        fate = Fate.REFUSED if settings.store.refuse_when_full else Fate.LATER
        self._filer = Filer(store, queue, reports, settings.site, ring, fate)

    def may_send(self, account: Account, sender: str) -> bool:
        """Whether ``account`` may give ``sender`` as reverse path.

        The null one is allowed: disposition notifications need it (RFC 8098 section 3). From is checked all the same.
        """
        return not sender or self._directory.may_send_as(account, sender)

    def accept(self, envelope: Envelope, content: Content, account: Account) -> Dispositions:
        """Keep, refuse or put off a message; returns one disposition per recipient of the envelope, in order.

        KEPT means durable. Never raises: what nobody foresaw is put off, and logged with an id.
        """
        return guarded(envelope, content, self._language, lambda: self._accept(envelope, content, account))

    def _accept(self, envelope: Envelope, content: Content, account: Account) -> Dispositions:
        content = with_line_ends(content)
        headers = parse_headers(content.buffer(), max_fields=ALL_FIELDS)
        fault = self._fault(headers)
        if fault:
            return self._refused(envelope, account, Reason.BAD_HEADER, fault)
        stranger = self._stranger(envelope, headers, account)
        if stranger is not None:
            return self._refused(envelope, account, Reason.NOT_SENDER, stranger)
        routes = tuple(
            route(self._directory, recipient, self._language, relay=True) for recipient in envelope.recipients
        )
        local, remote = self._finished(envelope, content, headers, account)
        log.info(
            "submission.accepted",
            id=envelope.id,
            account=account.key,
            sender=envelope.sender,
            recipients=len(envelope.recipients),
            size=content.size,
        )
        try:
            return Dispositions(
                self._filer.keep(Letter(envelope, routes, local, remote), self._along(envelope, account))
            )
        finally:
            local.close()

    def _along(self, envelope: Envelope, account: Account) -> Also:
        """What is noted with the message: whom people write to, for their answers are no strangers' mail, and that it
        is a report."""
        addresses = [recipient.address for recipient in envelope.recipients]
        spam = self._settings.spam
        kinds = {spam.report_phishing.lower(): Kind.PHISHING, spam.report_ham.lower(): Kind.HAM}
        reported = next((one for one in addresses if one and one.lower() in kinds), None)

        def note(connection: Connection) -> None:
            note_written(connection, account.key, addresses, envelope.received_at)
            if reported is not None:
                mail = ReportMail(envelope.id, account.key, reported, kinds[reported.lower()])
                expect(connection, mail, envelope.received_at)

        return lambda _: note

    # ------------------------------------------------------------ rights

    def _fault(self, headers: HeaderBlock) -> str:
        """What is wrong with the header's form, or ``""``."""
        if headers.body_start - headers.start > self._settings.smtp.header_size or not headers.complete:
            return "the header is too large"
        if len(headers.named(b"Received")) > self._settings.smtp.received_fields:
            return "too many Received fields"
        authors = headers.all(b"From")
        if len(authors) != 1:
            return "several From fields" if authors else "no From field"
        if not parse_addresses(authors[0]):
            return "no address in From"
        if any(field.end - field.start > AUTHOR_LIMIT for field in headers.named(*AUTHORS)):
            return "a sender field is too long"
        return ""

    def _stranger(self, envelope: Envelope, headers: HeaderBlock, account: Account) -> str | None:
        """The first address among the sender's that isn't the account's, or None."""
        if not self.may_send(account, envelope.sender):
            return envelope.sender
        for address in claimed(headers):
            if not self._directory.may_send_as(account, address):
                return address
        return None

    def _refused(self, envelope: Envelope, account: Account, reason: Reason, detail: str) -> Dispositions:
        log.info("submission.refused", id=envelope.id, account=account.key, reason=reason.value, detail=detail[:200])
        return for_all(envelope, Fate.REFUSED, reason, say(reason, self._language, detail))

    # ------------------------------------------------------------ repairs, trace, signature

    def _finished(
        self, envelope: Envelope, content: Content, headers: HeaderBlock, account: Account
    ) -> tuple[PrefixedContent, PrefixedContent]:
        """The message as our mailboxes and as other servers get it."""
        domain = parse_addresses(headers.all(b"From")[0])[0].domain
        forged = [
            *headers.named(*BLIND),
            *headers.named(b"Return-Path"),
            *results.foreign(headers, self._hostname),
            *ours(headers),
        ]
        message = b"".join((self._repairs(envelope, headers, content, domain), without_fields(headers, forged)))
        # Where a user sits is nobody's business: Received names this server and the time only.
        private = replace(envelope, client=replace(envelope.client, address="", port=0, helo=""))
        received = trace.received(private, self._hostname, protocol(envelope))
        signature = self._signature(message, content, headers.body_start, domain)
        local = b"".join((trace.return_path(envelope.sender), received, self._authenticated(account), message))
        remote = b"".join((received, signature, message))
        return PrefixedContent(local, content, headers.body_start), PrefixedContent(remote, content, headers.body_start)

    def _repairs(self, envelope: Envelope, headers: HeaderBlock, content: Content, domain: str) -> bytes:
        """Fields that are missing (RFC 6409 sections 8.2 and 8.3; RFC 2045 section 4)."""
        fields = []
        if not headers.named(b"Date"):
            fields.append(f"Date: {trace.rfc5322_date(envelope.received_at)}\r\n")
        if not headers.named(b"Message-ID"):
            fields.append(f"Message-ID: <{secrets.token_hex(16)}@{domain if domain.isascii() else self._hostname}>\r\n")
        if not headers.named(b"MIME-Version") and not all(block.isascii() for block in content.blocks()):
            fields.append("MIME-Version: 1.0\r\n")
        return "".join(fields).encode("ascii")

    def _signature(self, head: bytes, content: Content, skip: int, domain: str) -> bytes:
        if self._signer is None:
            return b""
        return self._signer.sign(b"".join(PrefixedContent(head, content, skip).blocks()), domain)

    def _authenticated(self, account: Account) -> bytes:
        """Tells our users that the sender signed in (RFC 8601 section 2.7.4)."""
        address = re.sub(r"[^A-Za-z0-9@._+-]", "?", account.addresses[0] if account.addresses else account.key)
        return f'Authentication-Results: {self._hostname};\r\n\tauth=pass smtp.auth="{address}"\r\n'.encode()


_MARK = re.compile(rb"\\.|[\"()]", re.DOTALL)
_ADDRESS = re.compile(rb"[^\s<>,;:()\[\]\"\\]+@[^\s<>,;:()\"\\]+")


def claimed(headers: HeaderBlock) -> Iterator[str]:
    """Every address that any author field names.

    Those that our parser finds, and whatever else looks like one outside of quoted strings and comments: a reader's
    program may see an address where ours sees none.
    """
    for value in (value for name in AUTHORS for value in headers.all(name)):
        for address in parse_addresses(value):
            yield address.spec
        for match in _ADDRESS.finditer(_bare(value)):
            yield match.group().decode("utf-8", "replace")


def _bare(value: bytes) -> bytes:
    """A field value without quoted strings and comments (RFC 5322 section 3.2); what is left open stays."""
    pieces: list[bytes] = []
    shown = 0
    quoted = False
    depth = 0
    for match in _MARK.finditer(value):
        mark = match.group()
        if mark == b'"' and not depth:
            if not quoted:
                pieces.append(value[shown : match.start()])
                shown = match.start()
            else:
                shown = match.end()
            quoted = not quoted
        elif mark == b"(" and not quoted:
            if not depth:
                pieces.append(value[shown : match.start()])
                shown = match.start()
            depth += 1
        elif mark == b")" and depth:
            depth -= 1
            if not depth:
                shown = match.end()
    pieces.append(value[shown:])
    return b" ".join(pieces)
