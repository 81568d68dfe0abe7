"""The MX: mail from other servers for addresses that are here. It relays for nobody."""

from __future__ import annotations

import asyncio
import time

import structlog

from config.settings import Site, Smtp
from delivery.outcome import Dispositions
from directory.api import Recipients
from message.content import Content
from message.envelope import Envelope, Recipient
from smtp.errors import disposition_reply
from smtp.limits import Guesses
from smtp.peer import Peer
from smtp.service import Ask, InboundDelivery, Work
from smtp.wire.params import Mailbox, RcptCommand
from smtp.wire.reply import Refused, Reply

log = structlog.get_logger()

RELAY_DENIED = Reply(550, "5.7.1", "Relaying denied: this server takes mail for its own domains only")
UNKNOWN = Reply(550, "5.1.1", "No such address here")
GUESSING = Reply(421, "4.7.0", "Too many unknown recipients, closing connection")
NO_AUTH = Reply(502, "5.5.1", "AUTH is not offered here; users sign in at the submission port")


class Ingress:
    """Service of the MX port. See ``smtp.service.Service`` for the hooks."""

    name = "mx"
    mechanisms: tuple[str, ...] = ()

    def __init__(
        self, site: Site, settings: Smtp, recipients: Recipients, inbound: InboundDelivery, *, pause: float = 1.0
    ) -> None:
        """``pause`` is the wait of a guesser, in seconds."""
        self.size = settings.mx_message_size
        self.recipients = settings.mx_recipients
        self._site = site
        self._directory = recipients
        self._inbound = inbound
        self._pause = pause
        self._close_at = settings.unknown_recipients_before_close
        self._guesses = Guesses(slow_from=max(1, self._close_at // 2))

    def wants_tls(self, peer: Peer) -> bool:
        return False

    def wants_sign_in(self, peer: Peer) -> bool:
        return False

    async def sign_in(self, peer: Peer, mechanism: str, initial: bytes | None, ask: Ask, work: Work) -> Reply:
        return NO_AUTH

    async def sender(self, peer: Peer, sender: str, work: Work) -> None:
        """Anybody may write to us, the null sender always (RFC 5321 section 4.5.5). It gives no right."""

    async def recipient(self, peer: Peer, rcpt: RcptCommand, size: int, work: Work) -> Recipient:
        mailbox = rcpt.recipient
        if mailbox.literal or mailbox.routed:
            raise Refused(RELAY_DENIED)
        address = self._address(mailbox)
        if self._directory.remembers(address) and not self._inbound.may_be_full(address):
            return Recipient(address, rcpt.original, rcpt.notify)
        refusal = await work(self._look_up, address, mailbox.domain, size)
        if refusal is UNKNOWN:
            await self._guessed(peer)
        if refusal is not None:
            raise Refused(refusal)
        return Recipient(address, rcpt.original, rcpt.notify)

    def _address(self, mailbox: Mailbox) -> str:
        """``postmaster`` without a domain is ours (RFC 5321 section 4.5.1)."""
        if mailbox.domain:
            return mailbox.spec
        return f"{mailbox.local}@{self._site.domains[0] if self._site.domains else self._site.hostname}"

    def _look_up(self, address: str, domain: str, size: int) -> Reply | None:
        if domain and not self._directory.is_local_domain(domain):
            return RELAY_DENIED
        if self._directory.resolve(address) is None:
            return UNKNOWN
        full = self._inbound.refusal(address, size)
        return disposition_reply(full) if full is not None else None

    async def _guessed(self, peer: Peer) -> None:
        """Address harvesting is slowed down, then cut off."""
        peer.unknown_recipients += 1
        slow = self._guesses.add(peer.origin, time.monotonic())
        if peer.exempt:
            return
        if slow:
            await asyncio.sleep(self._pause)
        if peer.unknown_recipients >= self._close_at:
            log.warning("smtp.guessing", address=str(peer.address), unknown=peer.unknown_recipients)
            raise Refused(GUESSING)

    def accept(self, peer: Peer, envelope: Envelope, content: Content) -> Dispositions:
        return self._inbound.accept(envelope, content)

    def kept(self, peer: Peer) -> None:
        return None

    def words(self, reply: Reply) -> Reply:
        return reply
