"""STARTTLS, LOGIN, AUTHENTICATE (RFC 3501 section 6.2): the way through the one door."""

from __future__ import annotations

import binascii

import structlog

from directory import sasl
from directory.model import Credentials, Outcome, SignIn
from imap.commands.basic import capability_names
from imap.errors import Refused
from imap.session.context import Context
from imap.session.steps import BLOCKS, Await, CommandSteps, HangUp, Pause, StartOver, UpgradeToTls
from imap.wire import commands as c
from imap.wire.errors import ParseError
from imap.wire.parser import base64
from imap.wire.responses import Kind, Status

log = structlog.get_logger()

#: One text for every refusal, so that nobody learns which half was wrong.
REFUSAL = "Adresse ou mot de passe incorrect / Wrong address or password"


def starttls(context: Context, tag: bytes, command: c.StartTls) -> CommandSteps:
    """RFC 3501 section 6.2.1."""
    if context.tls:
        raise ParseError("TLS is on already")
    if not context.services.tls:
        raise ParseError("TLS is not available here")
    yield Status(Kind.OK, "Begin TLS now", None, tag)
    yield UpgradeToTls()


def login(context: Context, tag: bytes, command: c.Login) -> CommandSteps:
    """RFC 3501 section 6.2.3; NO in clear (LOGINDISABLED)."""
    _need_privacy(context)
    try:
        credentials = Credentials(command.user.decode(), command.password.decode())
    except UnicodeDecodeError:
        yield from _refuse(context, tag)
        return
    yield from _sign_in(context, tag, credentials)


def authenticate(context: Context, tag: bytes, command: c.Authenticate) -> CommandSteps:
    """RFC 3501 section 6.2.2, RFC 4959: the exchange, then the door."""
    _need_privacy(context)
    exchange = sasl.mechanism(command.mechanism)
    if exchange is None:
        raise Refused("There is no such mechanism", b"CANNOT")
    step = exchange.step(None) if command.initial is None else exchange.step(command.initial)
    while isinstance(step, sasl.Challenge):
        line = yield Await(binascii.b2a_base64(step.data, newline=False))
        if line is None or line == b"*":
            raise ParseError("AUTHENTICATE was cancelled")
        step = exchange.step(base64(line))
    if isinstance(step, sasl.Failed):
        log.info("imap.sign_in_malformed", address=context.address, reason=step.reason)
        yield from _refuse(context, tag)
        return
    yield from _sign_in(context, tag, step.credentials)


def unauthenticate(context: Context, tag: bytes, command: c.Unauthenticate) -> CommandSteps:
    """RFC 8437: never NO. A selected mailbox is left without removing anything."""
    context.sign_out()
    yield Status(Kind.OK, "Nobody is signed in", None, tag)
    yield StartOver()


def _need_privacy(context: Context) -> None:
    if not context.may_sign_in:
        raise Refused("Connexion sans TLS interdite / Signing in takes TLS", b"PRIVACYREQUIRED")


def _sign_in(context: Context, tag: bytes, credentials: Credentials) -> CommandSteps:
    yield BLOCKS
    answer = _ask(context, credentials)
    if answer.outcome is Outcome.UNAVAILABLE:
        raise Refused("The directory is away for the moment: try again later", b"UNAVAILABLE")
    if answer.outcome is Outcome.FORBIDDEN:
        yield from _refuse(context, tag, "You may act for yourself only", b"AUTHORIZATIONFAILED")
        return
    if answer.outcome is not Outcome.OK or answer.account is None:
        yield from _refuse(context, tag)
        return
    account = answer.account
    context.number = context.store.open_account(account.key)
    if not context.services.admission.admit(account.key, context.address):
        log.warning("imap.too_many_sessions", account=account.key, address=context.address)
        text = "Trop de connexions pour ce compte / Too many connections for this account"
        yield Status(Kind.BYE, text, b"ALERT")
        yield Status(Kind.NO, text, b"LIMIT", tag)
        yield HangUp()
        return
    context.signed_in(account)
    log.debug("imap.signed_in", account=account.key, address=context.address, tls=context.tls)
    yield Status(Kind.OK, "Signed in", b"CAPABILITY " + b" ".join(capability_names(context)), tag)


def _ask(context: Context, credentials: Credentials) -> SignIn:
    return context.services.door.check(credentials, service="imap", address=context.address)


def _refuse(context: Context, tag: bytes, text: str = REFUSAL, code: bytes = b"AUTHENTICATIONFAILED") -> CommandSteps:
    """NO after a while; BYE after too many (RFC 5530 section 3)."""
    context.failures += 1
    yield Pause(context.services.failure_delay)
    last = context.failures >= context.settings.failed_logins
    if last:
        yield Status(Kind.BYE, "Too many failed sign-ins")
    yield Status(Kind.NO, text, code, tag)
    if last:
        yield HangUp()
