"""The conversation of an SMTP session: a subclass of aiosmtpd's ``SMTP`` with a command loop of its own.

aiosmtpd 1.4.6 gives the protocol object, its session and the verb methods (``smtp_MAIL`` and the like). The loop is
replaced here and the verbs in ``smtp/server.py``, because aiosmtpd takes command lines that end in LF, drops
connections without a word, answers unknown errors with a permanent 500, holds messages as lists of lines, and knows
neither BDAT nor DSN nor limits. What is used of it, private names among them, is pinned by
``tests/unit/smtp/test_aiosmtpd_pins.py``.

Verbs return their ``Reply``; the loop counts, delays and sends it. Replies to a pipelined group leave in one write
(RFC 2920).
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import re
import ssl
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar, cast

import structlog
from aiosmtpd.smtp import SMTP
from structlog.contextvars import bind_contextvars, unbind_contextvars

from config.settings import Smtp
from smtp.errors import failure_reply
from smtp.limits import Networks, Occupancy, client_address, origin
from smtp.peer import Peer
from smtp.reception import Flood
from smtp.service import Service
from smtp.session import HTTP_VERBS, VERBS, Conduct, Phase, Verb, refusal
from smtp.stream import BareLineFeed, ClientStream, HandshakeFailed, LineTooLong, SessionOver, TimedOut
from smtp.transaction import Transaction, new_id
from smtp.wire.replies import (
    BARE_LINE_FEED,
    CONTROL_OCTETS,
    EMPTY_LINE,
    FLOODED,
    LINE_TOO_LONG,
    NO_BROWSERS,
    NOT_KNOWN,
    SHUTTING_DOWN,
    TIMED_OUT,
    TOO_MANY_CONNECTIONS,
    TOO_MANY_ERRORS,
    TOO_MANY_RECIPIENTS,
)
from smtp.wire.reply import Refused, Reply

log = structlog.get_logger()
logging.getLogger("mail.log").setLevel(logging.CRITICAL)  # aiosmtpd's own words; ours say more

T = TypeVar("T")

_CONTROLS = re.compile(rb"[\x00-\x1f\x7f]")

_LOGGED = frozenset({"MAIL", "RCPT", "DATA", "BDAT", "AUTH"})
"""Verbs whose methods log their refusals themselves."""


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
    sessions: set[Conversation] = field(default_factory=set)
    exempt: Networks = field(init=False)
    cleartext: Networks = field(init=False)

    def __post_init__(self) -> None:
        self.exempt = Networks(self.settings.exempt)
        self.cleartext = Networks(self.settings.cleartext_auth)


class Conversation(SMTP, ABC):
    """One session without its verbs, which a subclass carries out."""

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
            await self._skip(verb, argument)
            return refused, verb
        if verb.last and self._stream.pending:
            self._conduct.error()
        try:
            return await self._carry_out(verb, argument.strip(b" ")), verb
        except Refused as error:
            return error.reply, verb
        except SessionOver:
            raise
        except Exception as error:
            if self._midway:
                raise  # somewhere within a message: what follows can't be told from commands
            return failure_reply(error), verb

    @abstractmethod
    async def _carry_out(self, verb: Verb, argument: bytes) -> Reply | None:
        """The reply to a command that is in its place; None when it was sent already. Raises Refused, SessionOver."""

    @abstractmethod
    async def _skip(self, verb: Verb, argument: bytes) -> None:
        """Read the octets that follow a command which was refused for its place. Raises SessionOver."""

    async def _answer(self, reply: Reply | None, verb: Verb | None) -> bool:
        """Count and send a reply, if there is one; True when the session is over."""
        if reply is None:
            return False
        if reply.code >= 400 and (verb is None or verb.name not in _LOGGED):
            # The words of the client are left out: a command gone wrong may hold a password.
            log.info("smtp.refused", verb=verb.name if verb else None, reply=reply.code, text=reply.text)
        # Whoever writes to a full mailbox (X.2.2, RFC 3463 section 3.3) did nothing wrong, but may not go on so.
        full = reply.status.endswith(".2.2")
        if reply.code == 421 or (reply.code >= 500 and not full):
            self._conduct.error()
        elif full or reply is TOO_MANY_RECIPIENTS or (verb is not None and verb.junk):
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

    # ------------------------------------------------------------ what a subclass shares with the session

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
