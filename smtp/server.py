"""The server side of SMTP: the verbs, one method each.

The conversation around them (``smtp/conversation.py``) calls a verb where the table of ``smtp/session.py`` allows it.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import re
import time
from collections.abc import Awaitable, Callable

import structlog
from structlog.contextvars import bind_contextvars

from message.envelope import Envelope
from smtp.conversation import Conversation
from smtp.errors import NO_SPACE, failure_reply, final_reply
from smtp.peer import helo_name
from smtp.reception import FLOOD, Flood, Pace, drop_chunk, read_chunk, read_dots
from smtp.session import Phase, Verb
from smtp.spool import TOO_BIG, Spool, header_refusal
from smtp.stream import BareLineFeed, LineTooLong
from smtp.transaction import Transaction, new_id
from smtp.wire.extensions import ehlo_reply
from smtp.wire.params import parse_mail, parse_rcpt
from smtp.wire.replies import (
    AUTH_ALREADY,
    AUTH_ARGUMENT,
    AUTH_CANCELLED,
    BARE_LINE_FEED,
    BDAT_ARGUMENT,
    BYE,
    CANNOT_VERIFY,
    EHLO_FIRST,
    GO_AHEAD,
    HELO_ARGUMENT,
    HELP,
    NO_ARGUMENT,
    NO_LISTS,
    NO_TLS,
    NOT_BASE64,
    OK,
    READY_FOR_TLS,
    RECIPIENT_OK,
    SASL_TOO_LONG,
    SENDER_OK,
    TLS_ALREADY,
    TOO_MANY_MESSAGES,
    TOO_MANY_RECIPIENTS,
)
from smtp.wire.reply import Refused, Reply

log = structlog.get_logger()

SASL_LINE = 12288
FREE_SPACE = 1.5

_CHUNK = re.compile(rb"([0-9]{1,19})(?: +(LAST))?", re.IGNORECASE)


class SmtpServer(Conversation):
    """One session. Made for each connection by the listener's socket server."""

    async def _carry_out(self, verb: Verb, argument: bytes) -> Reply | None:
        return await _METHODS[verb.name](self, argument)

    async def _skip(self, verb: Verb, argument: bytes) -> None:
        if verb.name == "BDAT":
            await self._drop_chunk(argument)

    # ------------------------------------------------------------ EHLO and the small verbs

    async def smtp_EHLO(self, argument: bytes) -> Reply:
        """RFC 5321 section 4.1.1.1."""
        refused = self._greet(argument, extended=True)
        if refused is not None:
            return refused
        service = self._service
        may_sign_in = bool(service.mechanisms) and not service.wants_tls(self._peer) and self._peer.account is None
        return ehlo_reply(
            self.hostname,
            size=service.size,
            starttls=self._peer.tls is None and self._listener.tls_context() is not None,
            mechanisms=service.mechanisms if may_sign_in else (),
        )

    async def smtp_HELO(self, argument: bytes) -> Reply:
        """RFC 5321 section 4.1.1.1."""
        return self._greet(argument, extended=False) or Reply(250, "", self.hostname)

    def _greet(self, argument: bytes, *, extended: bool) -> Reply | None:
        name = helo_name(argument)
        if not name:
            return HELO_ARGUMENT
        self._forget_transaction()
        self._peer.helo = name
        self._peer.greeted_by_ehlo = extended
        self._phase = Phase.GREETED
        return None

    async def smtp_RSET(self, argument: bytes) -> Reply:
        """RFC 5321 section 4.1.1.5; ends a message in chunks too (RFC 3030 section 2)."""
        if argument:
            return NO_ARGUMENT
        self._forget_transaction()
        return OK

    async def smtp_NOOP(self, argument: bytes) -> Reply:
        """RFC 5321 section 4.1.1.9; an argument is ignored."""
        return OK

    async def smtp_HELP(self, argument: bytes) -> Reply:
        """RFC 5321 section 4.1.1.8."""
        return HELP

    async def smtp_VRFY(self, argument: bytes) -> Reply:
        """The same answer for all (RFC 5321 section 7.3): nobody learns who exists."""
        return CANNOT_VERIFY

    async def smtp_EXPN(self, argument: bytes) -> Reply:  # type: ignore[override]
        """Never (RFC 5321 section 7.3)."""
        return NO_LISTS

    async def smtp_QUIT(self, argument: bytes) -> Reply:
        """RFC 5321 section 4.1.1.10."""
        return NO_ARGUMENT if argument else BYE

    # ------------------------------------------------------------ TLS and signing in

    async def smtp_STARTTLS(self, argument: bytes) -> Reply | None:
        """RFC 3207. What was sent in clear behind the command is forgotten, and so is all that was said before."""
        if argument:
            return NO_ARGUMENT
        if self._peer.tls is not None:
            return TLS_ALREADY
        if self._listener.tls_context() is None:
            return NO_TLS
        self._send(READY_FOR_TLS)
        await self._flush()
        self._midway = True
        await self._start_tls()
        self._midway = False
        self._phase = Phase.CONNECTED
        self._peer.helo = ""
        self._peer.account = None
        return None

    async def smtp_AUTH(self, argument: bytes) -> Reply:
        """RFC 4954 section 4."""
        service = self._service
        if service.mechanisms and not self._peer.greeted_by_ehlo:
            return EHLO_FIRST
        if self._peer.account is not None:
            return AUTH_ALREADY
        words = argument.split()
        if not 1 <= len(words) <= 2:
            return AUTH_ARGUMENT
        mechanism = words[0].decode("ascii", "replace")[:20]
        initial = _unbase64(words[1]) if len(words) == 2 else None
        return await service.sign_in(self._peer, mechanism, initial, self._challenge, self._work)

    async def _challenge(self, octets: bytes) -> bytes:
        """Send a challenge, return the response. Raises Refused, Ended, TimedOut."""
        self._stream.write(b"334 " + base64.b64encode(octets) + b"\r\n")
        try:
            line = await self._stream.line(SASL_LINE, self._patience())
        except LineTooLong:
            raise Refused(SASL_TOO_LONG) from None
        except BareLineFeed:
            raise Refused(BARE_LINE_FEED) from None
        if line == b"*":
            raise Refused(AUTH_CANCELLED)
        return _unbase64(line) if line else b""

    # ------------------------------------------------------------ MAIL and RCPT

    async def smtp_MAIL(self, argument: bytes) -> Reply:
        """RFC 5321 section 4.1.1.2."""
        try:
            await self._begin(argument)
        except Refused as error:
            self._log_refusal("smtp.sender_refused", argument, error.reply)
            raise
        return SENDER_OK

    async def _begin(self, argument: bytes) -> None:
        """Open a transaction. Raises Refused."""
        mail = parse_mail(argument, auth=bool(self._service.mechanisms))
        if mail.size is not None and mail.size > self._service.size:
            raise Refused(TOO_BIG)
        if self._messages >= self._settings.messages_per_connection:
            raise Refused(TOO_MANY_MESSAGES)
        if not self._has_space():
            log.error("smtp.no_space", folder=str(self._listener.spool))
            raise Refused(NO_SPACE)
        now = time.time()
        transaction = Transaction(id=new_id(now), mail=mail, received_at=now)
        await self._service.sender(self._peer, transaction.sender, self._work)
        bind_contextvars(id=transaction.id)
        self._transaction = transaction
        self._phase = Phase.MAIL

    def _log_refusal(self, event: str, argument: bytes, reply: Reply) -> None:
        words = argument[:320].decode("utf-8", "backslashreplace")
        log.info(event, argument=words, reply=reply.code, status=reply.status, text=reply.text)

    def _has_space(self) -> bool:
        """True when a message of the largest size fits one and a half times."""
        disk = os.statvfs(self._listener.spool)
        return disk.f_bavail * disk.f_frsize >= FREE_SPACE * self._service.size

    async def smtp_RCPT(self, argument: bytes) -> Reply:
        """RFC 5321 section 4.1.1.3. A recipient that is given twice is taken once."""
        transaction = self._open_transaction()
        transaction.tried = True
        if len(transaction.recipients) >= self._service.recipients:
            return TOO_MANY_RECIPIENTS
        try:
            rcpt = parse_rcpt(argument, smtputf8=transaction.mail.smtputf8)
            recipient = await self._service.recipient(self._peer, rcpt, transaction.mail.size or 0, self._work)
        except Refused as error:
            self._log_refusal("smtp.recipient_refused", argument, error.reply)
            raise
        transaction.recipients.setdefault(recipient.address, recipient)
        self._phase = Phase.RCPT
        return RECIPIENT_OK

    # ------------------------------------------------------------ DATA and BDAT

    async def smtp_DATA(self, argument: bytes) -> Reply:
        """RFC 5321 section 4.1.1.4. Nothing is kept of a message whose end did not come."""
        if argument:
            return NO_ARGUMENT
        transaction = self._open_transaction()
        spool = self._open_spool(transaction)
        self._send(GO_AHEAD)
        self._midway = True
        await read_dots(self._stream, spool, self._pace(transaction), self.loop.time, self._spill, self._service.size)
        self._midway = False
        return await self._finish(transaction, spool)

    async def smtp_BDAT(self, argument: bytes) -> Reply:
        """RFC 3030 section 2. After a chunk that was refused the others are drained and get the same answer."""
        size, last = _chunk(argument)
        transaction = self._open_transaction()
        if transaction.refused is not None:
            await self._drop_chunk(argument)
            if last:
                self._forget_transaction()
            return transaction.refused
        spool = transaction.spool or self._open_spool(transaction)
        self._check_flood(size)
        self._midway = True
        await read_chunk(self._stream, spool, size, self._pace(transaction), self.loop.time, self._spill)
        self._midway = False
        if last:
            return await self._finish(transaction, spool)
        self._phase = Phase.CHUNKS
        if spool.refused:
            transaction.refused = spool.refusal() or NO_SPACE
            return transaction.refused
        return Reply(250, "2.0.0", f"{size} octets taken")

    async def _drop_chunk(self, argument: bytes) -> None:
        """Read the octets of a chunk that is refused. A malformed size says nothing about what follows."""
        found = _CHUNK.fullmatch(argument.strip(b" "))
        if not found:
            return
        self._check_flood(int(found[1]))
        self._midway = True
        pace = Pace(self.loop.time(), self._settings.data_timeout, self._settings.data_rate, self._patience())
        await drop_chunk(self._stream, int(found[1]), pace, self.loop.time)
        self._midway = False

    def _check_flood(self, size: int) -> None:
        """A chunk far above the limit is not worth reading. Raises Flood."""
        if size > FLOOD * self._service.size:
            raise Flood

    async def _finish(self, transaction: Transaction, spool: Spool) -> Reply:
        """Hand the message over; the answer after its end. Whatever happens, the transaction is over."""
        self._messages += 1
        reply = spool.end()
        if reply is None and spool.failure is not None:
            reply = failure_reply(spool.failure)
        if reply is None:
            transaction.spool = None  # from now on the worker's, whatever becomes of this session
            try:
                reply = await self._work(self._deliver, transaction.envelope(self._peer.info()), spool)
            except Exception as error:
                reply = failure_reply(error)
        if reply.positive:
            self._conduct.useful()
            self._service.kept(self._peer)
        log.info(
            "smtp.message",
            sender=transaction.sender,
            recipients=len(transaction.recipients),
            size=spool.size,
            reply=reply.code,
            status=reply.status,
            text=reply.text,
        )
        self._forget_transaction()
        return reply

    def _deliver(self, envelope: Envelope, spool: Spool) -> Reply:
        """In a worker thread: the last checks, then delivery."""
        settings = self._settings
        try:
            with contextlib.closing(spool.finish()) as content:
                refused = header_refusal(content, size=settings.header_size, received=settings.received_fields)
                if refused is not None:
                    return refused
                return final_reply(self._service.accept(self._peer, envelope, content), envelope.id)
        finally:
            spool.discard()

    def _open_transaction(self) -> Transaction:
        """The transaction that the verb table says is there."""
        if self._transaction is None:
            raise LookupError("no transaction in a phase that has one")
        return self._transaction

    def _open_spool(self, transaction: Transaction) -> Spool:
        transaction.began = self.loop.time()
        transaction.spool = Spool(
            self._listener.spool,
            f"{transaction.id}.eml",
            limit=self._service.size,
            memory=self._settings.spool_memory,
        )
        return transaction.spool

    def _pace(self, transaction: Transaction) -> Pace:
        settings = self._settings
        return Pace(transaction.began, settings.data_timeout, settings.data_rate, settings.command_timeout)

    async def _spill(self, spool: Spool) -> None:
        await self._work(spool.spill)


def _unbase64(word: bytes) -> bytes:
    """Decode base64; ``=`` is the empty response (RFC 4954 section 4). Raises Refused."""
    if word == b"=":
        return b""
    try:
        return base64.b64decode(word, validate=True)
    except binascii.Error:
        raise Refused(NOT_BASE64) from None


def _chunk(argument: bytes) -> tuple[int, bool]:
    """Size of a chunk, and whether it is the last. Raises Refused."""
    found = _CHUNK.fullmatch(argument)
    if not found:
        raise Refused(BDAT_ARGUMENT)
    return int(found[1]), found[2] is not None


Method = Callable[[SmtpServer, bytes], Awaitable[Reply | None]]

_METHODS: dict[str, Method] = {
    "EHLO": SmtpServer.smtp_EHLO,
    "HELO": SmtpServer.smtp_HELO,
    "MAIL": SmtpServer.smtp_MAIL,
    "RCPT": SmtpServer.smtp_RCPT,
    "DATA": SmtpServer.smtp_DATA,
    "BDAT": SmtpServer.smtp_BDAT,
    "RSET": SmtpServer.smtp_RSET,
    "NOOP": SmtpServer.smtp_NOOP,
    "VRFY": SmtpServer.smtp_VRFY,
    "EXPN": SmtpServer.smtp_EXPN,
    "HELP": SmtpServer.smtp_HELP,
    "STARTTLS": SmtpServer.smtp_STARTTLS,
    "AUTH": SmtpServer.smtp_AUTH,
    "QUIT": SmtpServer.smtp_QUIT,
}
