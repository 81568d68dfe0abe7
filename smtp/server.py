"""The server side of SMTP: a subclass of aiosmtpd's ``SMTP`` with a command loop of its own.

aiosmtpd 1.4.6 gives the protocol object, its session and the verb methods (``smtp_MAIL`` and the like). This class
replaces the loop and the verbs, because aiosmtpd takes command lines that end in LF, drops connections without a
word, answers unknown errors with a permanent 500, holds messages as lists of lines, and knows neither BDAT nor
DSN nor limits.
What is used of it, private names among them, is pinned by ``tests/unit/smtp/test_aiosmtpd_pins.py``.

Verbs return their ``Reply``; the loop counts, delays and sends it. Replies to a pipelined group leave in one write
(RFC 2920).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import contextvars
import logging
import os
import re
import ssl
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar, cast

import structlog
from aiosmtpd.smtp import SMTP
from structlog.contextvars import bind_contextvars, unbind_contextvars

from config.settings import Smtp
from message.envelope import Envelope
from smtp.errors import NO_SPACE, failure_reply, final_reply
from smtp.limits import Networks, Occupancy, client_address, origin
from smtp.peer import Peer, helo_name
from smtp.reception import FLOOD, Flood, Pace, drop_chunk, read_chunk, read_dots
from smtp.service import Service
from smtp.session import HTTP_VERBS, VERBS, Conduct, Phase, Verb, refusal
from smtp.spool import TOO_BIG, Spool, header_refusal
from smtp.stream import BareLineFeed, ClientStream, HandshakeFailed, LineTooLong, SessionOver, TimedOut
from smtp.transaction import Transaction, new_id
from smtp.wire.extensions import ehlo_reply
from smtp.wire.params import parse_mail, parse_rcpt
from smtp.wire.reply import Refused, Reply

log = structlog.get_logger()
logging.getLogger("mail.log").setLevel(logging.CRITICAL)  # aiosmtpd's own words; ours say more

T = TypeVar("T")

SASL_LINE = 12288
FREE_SPACE = 1.5

_CONTROLS = re.compile(rb"[\x00-\x1f\x7f]")
_CHUNK = re.compile(rb"([0-9]{1,19})(?: +(LAST))?", re.IGNORECASE)

OK = Reply(250, "2.0.0", "OK")
BYE = Reply(221, "2.0.0", "Bye")
GO_AHEAD = Reply(354, "", "End data with <CR><LF>.<CR><LF>")
SENDER_OK = Reply(250, "2.1.0", "Sender OK")
RECIPIENT_OK = Reply(250, "2.1.5", "Recipient OK")
HELP = Reply(214, "2.0.0", "Commands: EHLO HELO MAIL RCPT DATA BDAT RSET NOOP QUIT HELP VRFY STARTTLS AUTH")
CANNOT_VERIFY = Reply(252, "2.5.2", "Can't verify addresses; send mail and see")
NO_LISTS = Reply(502, "5.5.1", "EXPN is not offered here")
READY_FOR_TLS = Reply(220, "2.0.0", "Ready to start TLS")

NOT_KNOWN = Reply(500, "5.5.2", "Command not known")
EMPTY_LINE = Reply(500, "5.5.2", "Command expected")
CONTROL_OCTETS = Reply(501, "5.5.2", "Control characters are not allowed in commands")
LINE_TOO_LONG = Reply(500, "5.5.6", "Line too long")
BARE_LINE_FEED = Reply(500, "5.5.2", "Lines end in CR LF, not in LF alone")
NO_ARGUMENT = Reply(501, "5.5.4", "No argument allowed")
HELO_ARGUMENT = Reply(501, "5.5.4", "Give the name of your host")
BDAT_ARGUMENT = Reply(501, "5.5.4", "BDAT takes a number of octets of at most 19 digits, and LAST")
NO_TLS = Reply(502, "5.5.1", "TLS is not offered here")
TLS_ALREADY = Reply(503, "5.5.1", "TLS is already there")
EHLO_FIRST = Reply(503, "5.5.1", "Send EHLO first")
AUTH_ALREADY = Reply(503, "5.5.1", "Already signed in")
AUTH_ARGUMENT = Reply(501, "5.5.4", "AUTH takes a mechanism and an initial response")
AUTH_CANCELLED = Reply(501, "5.7.0", "Authentication cancelled")
NOT_BASE64 = Reply(501, "5.5.2", "Not base64")
SASL_TOO_LONG = Reply(500, "5.5.6", "Authentication line too long")
TOO_MANY_RECIPIENTS = Reply(452, "4.5.3", "Too many recipients")

TOO_MANY_CONNECTIONS = Reply(421, "4.7.0", "Too many connections, try again later")
TOO_MANY_MESSAGES = Reply(421, "4.7.0", "Too many messages in one session, closing connection")
TOO_MANY_ERRORS = Reply(421, "4.7.0", "Too many errors, closing connection")
NO_BROWSERS = Reply(421, "4.7.0", "This is not a web server, closing connection")
TIMED_OUT = Reply(421, "4.4.2", "Waited too long, closing connection")
FLOODED = Reply(421, "4.3.4", "Message far too big, closing connection")
SHUTTING_DOWN = Reply(421, "4.3.2", "Server is shutting down, try again later")


class ShuttingDown(SessionOver):
    """The server stops and this session is not in a transaction."""


@dataclass(slots=True)
class Listener:
    """What all sessions of one port share. ``tls_context`` gives the current context, or None where there is no TLS.

    ``slow_down`` is the wait of a client with many errors, in seconds.
    """

    hostname: str
    settings: Smtp
    service: Service
    tls_context: Callable[[], ssl.SSLContext | None]
    handshake_timeout: float
    occupancy: Occupancy
    pool: Executor
    spool: Path
    implicit_tls: bool = False
    slow_down: float = 1.0
    stopping: bool = False
    sessions: set[SmtpServer] = field(default_factory=set)
    exempt: Networks = field(init=False)
    cleartext: Networks = field(init=False)

    def __post_init__(self) -> None:
        self.exempt = Networks(self.settings.exempt)
        self.cleartext = Networks(self.settings.cleartext_auth)


class SmtpServer(SMTP):
    """One session. Made for each connection by the listener's socket server."""

    def __init__(self, listener: Listener, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(listener.service, hostname=listener.hostname, ident="ESMTP", enable_SMTPUTF8=True, loop=loop)
        settings = listener.settings
        self._listener = listener
        self._settings = settings
        self._service = listener.service
        self._phase = Phase.CONNECTED
        self._transaction: Transaction | None = None
        self._conduct = Conduct(
            delay_at=settings.errors_before_delay,
            close_at=settings.errors_before_close,
            junk_allowed=settings.idle_commands,
        )
        self._messages = 0
        self._midway = False
        self._counted = False
        self._stream: ClientStream
        self._peer: Peer

    # ------------------------------------------------------------ the connection, as asyncio tells of it

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection; turn it away, or start its session."""
        transport = cast(asyncio.Transport, transport)
        self._stream = ClientStream(transport, self.loop)
        peer = self._identify(transport)
        if peer is None:
            transport.abort()
            return
        self._peer = peer
        if not self._listener.occupancy.enter(peer.origin, exempt=peer.exempt):
            log.warning("smtp.turned_away", listener=self._service.name, address=str(peer.address))
            if not self._listener.implicit_tls:
                self._stream.write(TOO_MANY_CONNECTIONS.octets)
            self._stream.close()
            return
        self._counted = True
        self._listener.sessions.add(self)
        super().connection_made(transport)

    def _identify(self, transport: asyncio.Transport) -> Peer | None:
        """The client; None when it is gone already."""
        name = transport.get_extra_info("peername")
        if not name:
            return None
        address = client_address(name[0])
        return Peer(
            address=address,
            port=name[1],
            origin=origin(address),
            exempt=address in self._listener.exempt,
            cleartext=address in self._listener.cleartext,
        )

    def data_received(self, data: bytes) -> None:
        self._stream.feed(data)

    def eof_received(self) -> bool:
        """The client sends no more; what it sent is still answered, except over TLS, which ends in both directions."""
        self._stream.feed_end()
        return self._peer.tls is None

    def connection_lost(self, error: Exception | None) -> None:
        """The session's task finds out at its next read or write; a message being taken is taken to the end."""
        self._stream.lost()
        if self._counted:
            self._counted = False
            self._listener.occupancy.leave(self._peer.origin)
        asyncio.StreamReaderProtocol.connection_lost(self, error)
        self.transport = None

    def pause_writing(self) -> None:
        self._stream.pause_writing()

    def resume_writing(self) -> None:
        self._stream.resume_writing()

    def _reset_timeout(self, duration: float | None = None) -> None:
        """aiosmtpd's timer is not used: each wait has its own deadline."""

    # ------------------------------------------------------------ the session

    async def _handle_client(self) -> None:
        """The whole session, from banner to close. Started by aiosmtpd's ``connection_made``."""
        began = time.monotonic()
        bind_contextvars(session=new_id(time.time()), listener=self._service.name)
        end = "closed"
        try:
            if self._listener.implicit_tls:
                await self._start_tls()
            log.info("smtp.connected", address=str(self._peer.address), tls=self._peer.tls)
            self._send(Reply(220, "", f"{self.hostname} {self.__ident__}"))
            await self._converse()
            end = "quit"
        except TimedOut:
            end = "timed out"
            self._send(TIMED_OUT)
        except ShuttingDown:
            end = "shutting down"
            self._send(SHUTTING_DOWN)
        except Flood:
            end = "flood"
            self._send(FLOODED)
        except HandshakeFailed as error:
            end = f"TLS handshake: {error}"
        except SessionOver:
            end = "lost"
        except asyncio.CancelledError:
            end = "cancelled"
            self._send(SHUTTING_DOWN)
        except Exception as error:
            end = "failure"
            self._send(Reply(421, "4.3.0", failure_reply(error).text))
        finally:
            self._forget_transaction()
            self._stream.close()
            log.info(
                "smtp.disconnected",
                address=str(self._peer.address),
                end=end,
                messages=self._messages,
                errors=self._conduct.errors,
                seconds=round(time.monotonic() - began, 3),
            )
            self._listener.sessions.discard(self)

    async def _converse(self) -> None:
        """Commands and replies until a reply that closes the connection."""
        while True:
            if self._listener.stopping and self._phase in (Phase.CONNECTED, Phase.GREETED):
                raise ShuttingDown
            reply: Reply | None
            try:
                line = await self._stream.line(self._settings.command_line, self._patience())
            except LineTooLong:
                reply, verb = LINE_TOO_LONG, None
            except BareLineFeed:
                reply, verb = BARE_LINE_FEED, None
            else:
                reply, verb = await self._obey(line)
            if await self._answer(reply, verb):
                return

    def _patience(self) -> float:
        """Seconds to wait for a whole command line."""
        settings = self._settings
        patience = settings.command_timeout
        if self._listener.occupancy.stress and not self._peer.exempt:
            patience = min(patience, settings.stress_timeout)
        if self._phase is Phase.CHUNKS and self._transaction is not None:
            left = self._transaction.began + settings.data_timeout - self.loop.time()
            patience = min(patience, max(left, 0.0))
        return patience

    async def _obey(self, line: bytes) -> tuple[Reply | None, Verb | None]:
        """Carry out one command line."""
        word, _, argument = line.partition(b" ")
        verb = VERBS.get(word.upper())
        if verb is None:
            if word.upper() in HTTP_VERBS:
                return NO_BROWSERS, None
            return (NOT_KNOWN if word else EMPTY_LINE), None
        if _CONTROLS.search(line):
            return CONTROL_OCTETS, verb
        refused = refusal(
            verb,
            self._phase,
            tls_missing=self._service.wants_tls(self._peer),
            auth_missing=self._service.wants_sign_in(self._peer),
            tried=self._transaction is not None and self._transaction.tried,
        )
        if refused is not None:
            if verb.name == "BDAT":
                await self._drop_chunk(argument)
            return refused, verb
        if verb.last and self._stream.pending:
            self._conduct.error()
        try:
            return await _METHODS[verb.name](self, argument.strip(b" ")), verb
        except Refused as error:
            return error.reply, verb
        except SessionOver:
            raise
        except Exception as error:
            if self._midway:
                raise  # somewhere within a message: what follows can't be told from commands
            return failure_reply(error), verb

    async def _answer(self, reply: Reply | None, verb: Verb | None) -> bool:
        """Count and send a reply, if there is one; True when the session is over."""
        if reply is None:
            return False
        if reply.code >= 400 and (verb is None or verb.name not in _LOGGED):
            # The words of the client are left out: a command gone wrong may hold a password.
            log.info("smtp.refused", verb=verb.name if verb else None, reply=reply.code, text=reply.text)
        if reply.code >= 500 or reply.code == 421:
            self._conduct.error()
        elif reply is TOO_MANY_RECIPIENTS or (verb is not None and verb.junk):
            self._conduct.junk()
        if self._conduct.enough and not reply.closing:
            self._send(reply)
            reply = TOO_MANY_ERRORS
        if self._conduct.slow and not self._peer.exempt and not reply.closing:
            await self._flush()
            await asyncio.sleep(self._listener.slow_down)
        self._send(reply)
        if self._stream.full:
            await self._flush()
        return reply.closing

    def _send(self, reply: Reply) -> None:
        self._stream.write(self._service.words(reply).octets)

    async def _flush(self) -> None:
        await self._stream.flush(self.loop.time() + self._settings.command_timeout)

    async def _work(self, function: Callable[..., T], *arguments: object) -> T:
        """Run a blocking call in a worker thread, with the log's context."""
        context = contextvars.copy_context()
        return await self.loop.run_in_executor(self._listener.pool, context.run, function, *arguments)

    def stop(self) -> None:
        """End the session when it waits between transactions; ``Listener.stopping`` ends it later otherwise."""
        if self._phase in (Phase.CONNECTED, Phase.GREETED):
            self._stream.interrupt(ShuttingDown())

    def cut(self) -> None:
        """End the session now, whatever it does."""
        if self._handler_coroutine is not None:
            self._handler_coroutine.cancel()

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

    async def _start_tls(self) -> None:
        """The handshake. Raises HandshakeFailed."""
        context = self._listener.tls_context()
        if context is None:
            raise HandshakeFailed("no certificate")
        begin = self._stream.begin_in_tls if self._listener.implicit_tls else self._stream.start_tls
        await begin(self, context, self._listener.handshake_timeout)
        self.transport = self._stream.transport
        tls = self._stream.transport.get_extra_info("ssl_object")
        self._peer.tls = f"{tls.version()} {tls.cipher()[0]}"

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
            recipient = await self._service.recipient(self._peer, rcpt, self._work)
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

    def _forget_transaction(self) -> None:
        """Back to the phase after the greeting; nothing of the message is kept."""
        transaction = self._transaction
        if transaction is None:
            return
        self._transaction = None
        self._phase = Phase.GREETED
        unbind_contextvars("id")
        spool = transaction.spool
        if spool is not None and spool.in_file:
            with contextlib.suppress(RuntimeError):  # the pool is closed already: the next start sweeps the folder
                self._listener.pool.submit(spool.discard)


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


_LOGGED = frozenset({"MAIL", "RCPT", "DATA", "BDAT", "AUTH"})
"""Verbs whose methods log their refusals themselves."""

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
