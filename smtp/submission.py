"""Submission (RFC 6409): users sign in, over TLS, and write to anybody, as themselves."""

from __future__ import annotations

import asyncio
import time

import structlog

from config.settings import Auth, Site, Smtp
from delivery.outcome import Dispositions
from directory import sasl
from directory.api import Recipients, SignInDoor
from directory.model import Account, Credentials, Outcome, SignIn
from message.content import Content
from message.envelope import Envelope, Recipient
from smtp.errors import SIGN_IN_REFUSED, localised, sign_in_reply
from smtp.limits import Hourly
from smtp.peer import Peer
from smtp.service import Ask, OutboundDelivery, Work
from smtp.wire.params import Mailbox, RcptCommand
from smtp.wire.reply import Refused, Reply

log = structlog.get_logger()

NOT_YOURS = Reply(553, "5.7.1", "The sender address is not yours")
UNKNOWN = Reply(550, "5.1.1", "No such address here")
BAD_DOMAIN = Reply(553, "5.1.2", "The domain of this address is malformed")
UNKNOWN_MECHANISM = Reply(504, "5.5.4", "Authentication mechanism not known here")
TOO_MANY_MESSAGES = Reply(450, "4.7.1", "Too many messages in the last hour, try again later")
TOO_MANY_RECIPIENTS = Reply(450, "4.7.1", "Too many recipients in the last hour, try again later")
NO_LONGER_VALID = Reply(421, "4.7.0", "Your sign-in is no longer valid, closing connection")


class Submission:
    """Service of the ports for users. See ``smtp.service.Service`` for the hooks."""

    name = "submission"
    mechanisms: tuple[str, ...] = sasl.MECHANISMS

    def __init__(
        self,
        site: Site,
        settings: Smtp,
        auth: Auth,
        recipients: Recipients,
        door: SignInDoor,
        outbound: OutboundDelivery,
    ) -> None:
        self.size = settings.submission_message_size
        self.recipients = settings.submission_recipients
        self._site = site
        self._failure_delay = auth.failure_delay
        self._directory = recipients
        self._door = door
        self._outbound = outbound
        self._messages = Hourly(settings.messages_per_hour)
        self._addresses = Hourly(settings.recipients_per_hour)

    def wants_tls(self, peer: Peer) -> bool:
        return peer.tls is None and not peer.cleartext

    def wants_sign_in(self, peer: Peer) -> bool:
        return peer.account is None

    # Signing in

    async def sign_in(self, peer: Peer, mechanism: str, initial: bytes | None, ask: Ask, work: Work) -> Reply:
        """AUTH (RFC 4954 section 4). Refusals are all alike and all wait, without holding a thread."""
        exchange = sasl.mechanism(mechanism)
        if exchange is None:
            return UNKNOWN_MECHANISM
        step = exchange.step(initial)
        while isinstance(step, sasl.Challenge):
            step = exchange.step(await ask(step.data))
        if isinstance(step, sasl.Failed):
            log.info("smtp.auth", mechanism=mechanism, outcome="malformed", reason=step.reason)
            reply = SIGN_IN_REFUSED
        else:
            reply = await self._check(peer, mechanism, step.credentials, work)
        if not reply.positive:
            await asyncio.sleep(self._failure_delay)
        return reply

    async def _check(self, peer: Peer, mechanism: str, credentials: Credentials, work: Work) -> Reply:
        answer = await work(self._ask_door, credentials, str(peer.address))
        outcome, account = answer.outcome, answer.account
        name = "ok" if outcome is Outcome.OK else outcome.value
        if outcome is Outcome.OK and (account is None or not _is_self(credentials, account)):
            outcome, name = Outcome.MISMATCH, "not allowed to act for another"
        log.info("smtp.auth", mechanism=mechanism, login=credentials.login[:256], outcome=name)
        if outcome is Outcome.OK:
            peer.account = account
        return sign_in_reply(outcome)

    def _ask_door(self, credentials: Credentials, address: str) -> SignIn:
        return self._door.check(credentials, service="smtp", address=address)

    # Mail

    async def sender(self, peer: Peer, sender: str, work: Work) -> None:
        account = _account(peer)
        if not self._messages.room(account.key, time.monotonic()):
            log.warning("smtp.rate_limit", account=account.key, what="messages")
            raise Refused(TOO_MANY_MESSAGES)
        refusal = await work(self._sender_refusal, account, sender)
        if refusal is not None:
            raise Refused(refusal)

    def _sender_refusal(self, account: Account, sender: str) -> Reply | None:
        if not self._door.still_valid(account):
            return NO_LONGER_VALID
        return None if self._outbound.may_send(account, sender) else NOT_YOURS

    async def recipient(self, peer: Peer, rcpt: RcptCommand, size: int, work: Work) -> Recipient:
        # Nobody is refused for a full mailbox here: mail programs would send the message to none of its recipients.
        account = _account(peer)
        now = time.monotonic()
        if not self._addresses.room(account.key, now):
            log.warning("smtp.rate_limit", account=account.key, what="recipients")
            raise Refused(TOO_MANY_RECIPIENTS)
        # Refused ones count too: a stolen account is known by them.
        self._addresses.add(account.key, now)
        mailbox = rcpt.recipient
        address = self._address(mailbox)
        refusal = BAD_DOMAIN if mailbox.literal else await work(self._recipient_refusal, address, mailbox.domain)
        if refusal is not None:
            raise Refused(refusal)
        return Recipient(address, rcpt.original, rcpt.notify)

    def _address(self, mailbox: Mailbox) -> str:
        if mailbox.domain:
            return mailbox.spec
        return f"{mailbox.local}@{self._site.domains[0] if self._site.domains else self._site.hostname}"

    def _recipient_refusal(self, address: str, domain: str) -> Reply | None:
        """Addresses here must exist; those elsewhere must have a domain that mail can be sent to."""
        if domain and not self._directory.is_local_domain(domain):
            return None if _is_public(domain) else BAD_DOMAIN
        return None if self._directory.resolve(address) is not None else UNKNOWN

    def accept(self, peer: Peer, envelope: Envelope, content: Content) -> Dispositions:
        return self._outbound.accept(envelope, content, _account(peer))

    def kept(self, peer: Peer) -> None:
        self._messages.add(_account(peer).key, time.monotonic())

    def words(self, reply: Reply) -> Reply:
        return localised(reply, self._site.language)


def _account(peer: Peer) -> Account:
    """The account of a session that has passed the verb table's check."""
    if peer.account is None:
        raise LookupError("no account in a session that must have one")
    return peer.account


def _is_self(credentials: Credentials, account: Account) -> bool:
    """True unless the client asked to act for somebody else (RFC 4616 section 2)."""
    wanted = credentials.authorize_as.casefold()
    own = {credentials.login.casefold(), account.login.casefold(), *(a.casefold() for a in account.addresses)}
    return not wanted or wanted in own


def _is_public(domain: str) -> bool:
    """True for two labels at least, the last not a number."""
    labels = domain.split(".")
    return len(labels) > 1 and not labels[-1].isdigit()
