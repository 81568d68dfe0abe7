"""The Twisted side: sockets, timers and threads around one session. No grammar and no mail here.

All methods run in the reactor's thread. A connection does one thing at a time: it pulls the running command's steps,
or waits for a line, or takes the next command. What may block is pulled in a worker thread, a portion at a time, and
only while the transport wants more: a client that never reads costs one portion.
"""

from __future__ import annotations

import re
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog
from twisted.internet.interfaces import IDelayedCall, IHandshakeListener, IPushProducer
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from config.settings import Imap as Settings
from directory.api import DirectoryUnavailable, People, SignInDoor
from directory.model import Account
from imap.connections import Connections, Networks, Turns
from imap.deflate import BrokenStream, Deflate
from imap.session.context import Context, Services
from imap.session.pictures import LOOK_AGAIN
from imap.session.places import OTHERS, SHARED
from imap.session.session import Session
from imap.session.steps import BLOCKS, Await, Compress, HangUp, Pause, StartOver, Steps, UpgradeToTls, Wish
from imap.spool import MEMORY, Spool
from imap.stream import PORTION, Portion, pull
from imap.tls import ServerContext
from imap.wire import encoder
from imap.wire.errors import BadName, ParseError
from imap.wire.framing import Announced, Complete, Framer, Literal, Overlong
from imap.wire.parser import Limits, parse
from imap.wire.responses import Kind, Status
from imap.workers import Workers
from storage.api import MailStore
from storage.errors import StoreError

log = structlog.get_logger()

#: Octets received ahead of the running command before the socket is left unread.
_READ_AHEAD = 64 * 1024

#: Messages of one APPEND, and their octets as a multiple of the largest message.
_APPEND_MESSAGES = 50
_APPEND_OCTETS = 4

#: Announced octets from which on the quota is asked before they are sent.
_ASK_QUOTA_FROM = 64 * 1024

#: Commands that are answered in one turn of the reactor.
_IN_ONE_TURN = 32

#: Seconds between signs of life during IDLE. Phones sleep between them.
_STILL_HERE = 120.0

#: Seconds between notices that a command is still at work (RFC 9585).
PROGRESS = 10.0

#: Seconds that the peer has to take the last words.
_LAST_WORDS = 10.0

_APPEND = re.compile(rb"[^ ]+ (?:APPEND|(?:UID )?REPLACE [^ ]+) (.*)", re.IGNORECASE | re.DOTALL)
#: What it needs depends on what it replaces: the commit finds out.
_REPLACE = re.compile(rb"[^ ]+ (?:UID )?REPLACE ", re.IGNORECASE)
#: 30 pairs of 30 and 1024 octets with quotes and blanks (RFC 2971 section 3.3), also before signing in.
_ID, _ID_OCTETS = re.compile(rb"[^ ]+ ID \(", re.IGNORECASE), 34 * 1024
_HTTP = re.compile(rb"(?:GET|HEAD|POST|PUT|DELETE|OPTIONS|CONNECT|PATCH|TRACE|PROPFIND|PRI) \S+ HTTP/")


class Shared:
    """What all connections of a process use."""

    def __init__(
        self,
        reactor: Any,
        settings: Settings,
        store: MailStore,
        door: SignInDoor,
        people: People,
        tls: ServerContext | None,
        *,
        failure_delay: float,
        handshake_timeout: float,
        spool: Path | None,
    ) -> None:
        self.reactor = reactor
        self.settings = settings
        self.tls = tls
        self.spool = spool
        self.handshake_timeout = handshake_timeout
        self.connections = Connections(settings)
        self.trusted = Networks(settings.cleartext_auth)
        self.services = Services(store, door, people, settings, self.connections, failure_delay, tls is not None, spool)
        #: What one command may hold, before and after sign-in.
        self.limits = [
            Limits(depth, settings.set_members, settings.search_keys)
            for depth in (settings.depth_before_login, settings.depth)
        ]
        self.turns = Turns(settings.commands_per_user)
        self.workers = Workers(reactor, settings.threads, "imap")
        self.live: set[ImapConnection] = set()
        self.stopping = False

    def check_accounts(self) -> None:
        """End the sessions of accounts that may no longer sign in within a minute."""
        sessions = [(one, account) for one in self.live if (account := one.context.account) is not None]
        if sessions:
            self.workers.run(lambda: self._ended(sessions), self._end, self._unchecked)

    def tell_progress(self) -> None:
        """Commands that have been at work for long say so (RFC 9585)."""
        for one in self.live:
            one.tell_progress()

    def _ended(self, sessions: list[tuple[ImapConnection, Account]]) -> list[ImapConnection]:
        try:
            return [one for one, account in sessions if not self.services.door.still_valid(account)]
        except DirectoryUnavailable:
            return []

    def _end(self, ended: list[ImapConnection]) -> None:
        for one in ended:
            one.say_bye("Your account was changed: sign in again")

    def _unchecked(self, trace: str) -> None:
        log.error("imap.account_check_failed", error=trace)


class ImapFactory(Factory):
    """Makes connections. ``tls`` is true behind a listener that starts with TLS."""

    noisy = False

    def __init__(self, shared: Shared, *, tls: bool) -> None:
        self._shared = shared
        self._tls = tls

    def buildProtocol(self, addr: Any) -> ImapConnection:
        connection = ImapConnection(self._shared, tls=self._tls)
        connection.factory = self
        return connection


@implementer(IPushProducer, IHandshakeListener)
class ImapConnection(Protocol):
    """One client."""

    context: Context
    transport: Any

    def __init__(self, shared: Shared, *, tls: bool) -> None:
        self._shared = shared
        self._tls = tls
        self._framer = Framer(shared.settings.line_before_login, (_ID, _ID_OCTETS))
        #: Steps of the running command, and of news during IDLE, which come first.
        self._steps: Steps | None = None
        #: Tag of the running command and its begin, as long as nothing was answered.
        self._running: tuple[bytes, float] | None = None
        self._news: Steps | None = None
        self._value: bytes | None = None
        self._await: Await | None = None
        #: The steps being pulled have come to where they may wait.
        self._blocks = False
        self._busy = False
        self._paused = False
        self._unread = False
        self._counted = False
        self._signed_in = False
        self._deflate: Deflate | None = None
        self._closing = False
        self._lost = False
        self._literals: tuple[Literal, ...] = ()
        self._still_here = 0.0
        self._bye: tuple[str, bytes | None] | None = None
        self._active = 0.0
        self._timer: IDelayedCall | None = None
        self._handshake: IDelayedCall | None = None
        self._look: IDelayedCall | None = None

    # ---------------------------------------------------------------- the connection's life

    def connectionMade(self) -> None:
        shared = self._shared
        self._address = str(getattr(self.transport.getPeer(), "host", ""))
        self.context = Context(
            shared.services,
            self._address,
            tls=self._tls,
            trusted=self._address in shared.trusted,
            wake=lambda: shared.reactor.callFromThread(self._bell),
        )
        self._session = Session(self.context)
        self._active = time.monotonic()
        # One portion may be on its way while the next one is made.
        getattr(self.transport, "transport", self.transport).bufferSize = PORTION + PORTION // 2
        self.transport.registerProducer(self, True)
        shared.live.add(self)
        if not shared.connections.arrive(self._address):
            log.warning("imap.too_many_connections", address=self._address)
            self.say_bye("Trop de connexions / Too many connections", b"ALERT")
            return
        self._counted = True
        self.transport.setTcpNoDelay(True)
        self._timer = shared.reactor.callLater(shared.settings.login_timeout, self._too_slow)
        if self._tls:
            self._await_handshake()
        self.transport.write(self._session.greeting())

    def _await_handshake(self) -> None:
        self._handshake = self._shared.reactor.callLater(self._shared.handshake_timeout, self._abort)

    def handshakeCompleted(self) -> None:
        """TLS is up."""
        _cancel(self._handshake)
        self._handshake = None

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._lost = self._closing = True
        for timer in (self._timer, self._handshake, self._look):
            _cancel(timer)
        self._framer.clear()
        self._shared.live.discard(self)
        if not self._busy:
            self._clean_up()

    def _clean_up(self) -> None:
        """After the connection and the last piece of work ended."""
        for steps in (self._news, self._steps):
            if steps is not None:
                steps.close()
        self._news = self._steps = None
        self._release_literals()
        self.context.close()
        if self._counted:
            self._counted = False
            self._shared.connections.depart(self._address, signed_in=self._signed_in)

    def say_bye(self, text: str, code: bytes | None = None) -> None:
        """BYE and close, when the running command, if any, has been answered."""
        if self._closing:
            return
        if self._steps is not None and self._await is None:
            self._bye = (text, code)
            return
        self._write(encoder.status(Status(Kind.BYE, text, code)))
        self._hang_up()

    def _hang_up(self) -> None:
        if self._closing:
            return
        self._closing = True
        _cancel(self._timer)
        self._timer = self._shared.reactor.callLater(_LAST_WORDS, self._abort)
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    def _abort(self) -> None:
        self._closing = True
        for timer in (self._timer, self._handshake):
            _cancel(timer)
        self.transport.abortConnection()

    # ---------------------------------------------------------------- time limits

    def _too_slow(self) -> None:
        self._timer = None
        if not self._signed_in:
            self._end_silence("Too slow to sign in")
            return
        left = self._active + self._shared.settings.idle_timeout - time.monotonic()
        if left > 0 or (self._busy and not self._paused):
            self._timer = self._shared.reactor.callLater(max(left, 60.0), self._too_slow)
        else:
            self._end_silence("Quiet for too long")

    def _end_silence(self, text: str) -> None:
        if self._closing:
            return
        self._write(encoder.status(Status(Kind.BYE, text)))
        self._hang_up()

    def tell_progress(self) -> None:
        """That the command still runs, as long as nothing of its answer was sent: within that it may not stand."""
        if self._running is None or self._paused or self._closing or not self._signed_in:
            return
        tag, since = self._running
        if self._steps is not None and self._await is None and time.monotonic() - since >= PROGRESS:
            code = b'INPROGRESS ("' + tag + b'" NIL NIL)'
            self._write(encoder.status(Status(Kind.OK, "Toujours en cours / Still at it", code)))

    # ---------------------------------------------------------------- transport

    def dataReceived(self, data: bytes) -> None:
        if self._closing:
            return
        self._active = time.monotonic()
        if self._deflate is None:
            self._framer.feed(data)
        else:
            self._deflate.receive(data)
        self._go()

    def pauseProducing(self) -> None:
        """The transport has enough for the moment."""
        self._paused = True

    def resumeProducing(self) -> None:
        """The peer takes octets again."""
        self._paused = False
        self._active = time.monotonic()
        self._go()

    def stopProducing(self) -> None:
        """The connection is lost; ``connectionLost`` follows."""
        self._paused = True

    def _write(self, octets: bytes) -> None:
        if octets and not self._closing:
            self.transport.write(octets if self._deflate is None else self._deflate.deflated(octets))

    def _regulate_reading(self) -> None:
        """Leave the socket unread while there is enough to do."""
        waiting = self._deflate is not None and self._deflate.waiting
        full = (self._framer.buffered > _READ_AHEAD or waiting) and (self._busy or self._paused)
        if full and not self._unread:
            self._unread = True
            self.transport.pauseProducing()
        elif self._unread and not full:
            self._unread = False
            self.transport.resumeProducing()

    # ---------------------------------------------------------------- one thing after the other

    def _go(self) -> None:
        turns = inflated = 0
        while not (self._busy or self._paused or self._closing):
            if self._news is not None:
                self._pull(self._news, None, self._after_news)
            elif self._await is not None and self._take_line(self._await):
                continue
            elif self._steps is not None and self._await is None:
                value, self._value = self._value, None
                self._pull(self._steps, value, self._after_steps)
            elif self._steps is None and self._await is None and self.context.may_push:
                self._begin_news(self._session.pushed_news())
            elif turns == _IN_ONE_TURN or inflated > _READ_AHEAD:
                # A flood of small commands, or of octets from few: the others have their turn.
                self._busy = True
                self._shared.reactor.callLater(0, self._continue)
            elif self._await is None and self._take_command():
                turns += 1
            elif self._deflate is not None and self._deflate.waiting:
                inflated += self._inflate(self._deflate)
            elif self._deflate is not None and self._deflate.ended:
                self._end_silence("The compressed stream has ended")
            else:
                break
        if not self._closing:
            self._regulate_reading()

    def _inflate(self, deflate: Deflate) -> int:
        """Feed the framer with a portion of what the peer sent compressed; returns the octets."""
        try:
            octets = deflate.inflated(_READ_AHEAD)
        except BrokenStream:
            self._end_silence("That is not DEFLATE")
            return 0
        self._framer.feed(octets)
        return len(octets)

    def _pull(self, steps: Steps, value: bytes | None, after: Callable[[Portion], None]) -> None:
        begun = b""
        if not self._blocks:
            try:
                portion = pull(steps, value, may_block=False)
            except Exception:
                self._broken(traceback.format_exc())
                return
            if portion.wish is not BLOCKS:
                after(portion)
                return
            begun, value, self._blocks = portion.octets, None, True
        self._busy = True
        account = self.context.number or id(self)

        def done(portion: Portion) -> None:
            self._released(account)
            if not self._lost:
                after(portion)
                self._go()

        def failed(trace: str) -> None:
            self._released(account)
            self._broken(trace)

        def start() -> None:
            self._shared.workers.run(lambda: pull(steps, value, may_block=True, before=begun), done, failed)

        self._shared.turns.take(account, start)

    def _broken(self, trace: str) -> None:
        log.error("imap.session_failed", error=trace)
        if not self._lost:
            self._steps = self._news = None
            self._end_silence("Internal error")

    def _released(self, account: int) -> None:
        self._busy = False
        self._shared.turns.give_back(account)
        if self._lost:
            self._clean_up()

    def _after_steps(self, portion: Portion) -> None:
        if portion.octets:
            self._running = None
        self._write(portion.octets)
        if portion.ended:
            self._steps = None
            self._command_ended()
        elif portion.wish is not None:
            self._fulfil(portion.wish)

    def _after_news(self, portion: Portion) -> None:
        self._write(portion.octets)
        if portion.ended:
            self._news = None
            self._watch_out()
        elif portion.wish is not None:
            self._news = None
            self._fulfil(portion.wish)

    def _fulfil(self, wish: Wish) -> None:
        match wish:
            case Await(text=text, news=news):
                self._write(encoder.continuation(text))
                self._await = wish
                if news:
                    if self._deflate is not None:
                        self._deflate.rest()
                    self._still_here = time.monotonic()
                    self._watch_out()
                    self._look_later()
            case Pause(seconds=seconds):
                self._busy = True
                self._shared.reactor.callLater(seconds, self._continue)
            case UpgradeToTls():
                assert self._shared.tls is not None
                self._framer.clear()
                self.transport.startTLS(self._shared.tls)
                self.context.tls = self._tls = True
                self._await_handshake()
            case Compress():
                # What came behind the command is compressed already.
                self._deflate = Deflate()
                self._deflate.receive(self._framer.taken_back())
            case StartOver():
                self._start_over()
            case HangUp():
                self._hang_up()

    def _start_over(self) -> None:
        """UNAUTHENTICATE was answered (RFC 8437): as it was before signing in, TLS apart."""
        if self._deflate is not None:
            left, self._deflate = self._deflate.left(), None
            self._framer.clear()
            self._framer.feed(left)
        self._framer.line = self._shared.settings.line_before_login
        self._signed_in = False
        self._shared.connections.signed_out(self._address)
        _cancel(self._timer)
        self._timer = self._shared.reactor.callLater(self._shared.settings.login_timeout, self._too_slow)

    def _continue(self) -> None:
        self._busy = False
        if self._lost:
            self._clean_up()
        else:
            self._go()

    def _release_literals(self) -> None:
        """Give back what messages were spooled in, whatever became of the command."""
        for literal in self._literals:
            if not isinstance(literal, bytes):
                literal.close()
        self._literals = ()

    def _command_ended(self) -> None:
        self._release_literals()
        if self._closing:
            return
        context = self.context
        if context.pushes:
            self._look_later()
        if not self._signed_in and context.account is not None:
            self._signed_in = True
            self._shared.connections.signed_in(self._address)
            self._framer.line = self._shared.settings.line
            _cancel(self._timer)
            self._timer = self._shared.reactor.callLater(self._shared.settings.idle_timeout, self._too_slow)
        if self._session.bad >= self._shared.settings.bad_commands:
            self._bye = ("Too many bad commands", None)
        if self._shared.stopping and self._bye is None:
            self._bye = ("The server restarts: connect again", b"UNAVAILABLE")
        if self._bye is not None:
            self.say_bye(*self._bye)

    # ---------------------------------------------------------------- IDLE

    @property
    def _idles(self) -> bool:
        return self._await is not None and self._await.news

    def _bell(self) -> None:
        """Something happened to a mailbox."""
        if not self._closing and (self._idles or self.context.pushes):
            self._watch_out()
            self._go()

    def _watch_out(self) -> None:
        """While IDLE lasts: be woken by the bell, and tell what it rang for already."""
        if not self._idles:
            return
        self.context.wait(True)
        if self._news is None and self.context.may_have_news:
            self._begin_news(self._session.idle_news())

    def _begin_news(self, steps: Steps) -> None:
        self._news = steps
        self._blocks = False

    def _look_later(self) -> None:
        """See to it that there is a look now and then while the client waits for news."""
        if self._look is None:
            self._look = self._shared.reactor.callLater(LOOK_AGAIN, self._look_again)

    def _look_again(self) -> None:
        """No bell for a while: it may have been lost, and the peer may be. The write finds out."""
        self._look = None
        if self._closing or not (self._idles or self.context.pushes):
            return
        self._look_later()
        if self._idles and not self._paused and time.monotonic() - self._still_here >= _STILL_HERE:
            self._still_here = time.monotonic()
            self._write(encoder.status(Status(Kind.OK, "Still here")))
        self._bell()

    def _take_line(self, awaited: Await) -> bool:
        line = self._framer.next_line()
        if line is None:
            return False
        if isinstance(line, Overlong):
            self._end_silence("The line is too long")
            return False
        if awaited.news and not self.context.pushes:
            self.context.wait(False)
            _cancel(self._look)
            self._look = None
        self._await = None
        self._value = line
        self._blocks = False
        return True

    # ---------------------------------------------------------------- commands

    def _take_command(self) -> bool:
        """Start the next command, or deal with what announces one; False when there is nothing whole."""
        event = self._framer.next_command()
        match event:
            case None:
                return False
            case Announced():
                self._literal(event)
            case Overlong(start=start):
                if start:
                    self._answer(_tag_of(start), Kind.BAD, "The command is too long", b"TOOBIG")
                self._end_silence("The command is too long")
            case Complete():
                self._command(event)
        return True

    def _command(self, event: Complete) -> None:
        self._literals = event.literals
        try:
            limits = self._shared.limits[self._signed_in]
            request = parse(event.texts, event.literals, limits, self.context.utf8)
        except ParseError as error:
            if not self._signed_in and _HTTP.match(event.texts[0]):
                # A web page that was made to talk to us: it learns nothing.
                self._hang_up()
                return
            self._session.bad += 1
            self._answer(error.tag or b"*", Kind.BAD, error.text)
            self._command_ended()
            return
        except BadName as error:
            self._answer(error.tag, Kind.NO, error.text, b"CANNOT")
            self._command_ended()
            return
        self._blocks = False
        self._steps = self._session.run(request)
        self._running = request.tag, time.monotonic()

    def _answer(self, tag: bytes, kind: Kind, text: str, code: bytes | None = None) -> None:
        self._write(encoder.status(Status(kind, text, code, tag)))

    # ---------------------------------------------------------------- literals

    def _literal(self, event: Announced) -> None:
        """Take a literal within the limits, else refuse it before it is sent (RFC 7888 section 4)."""
        settings = self._shared.settings
        if self._signed_in and _is_message(event):
            spooled = [one for one in event.literals if isinstance(one, Spool)]
            octets = sum(one.size for one in spooled)
            too_big = event.size > settings.append_limit
            too_much = octets + event.size > _APPEND_OCTETS * settings.append_limit
            if too_big or too_much or len(spooled) >= _APPEND_MESSAGES:
                self._refuse(event, Kind.NO, f"A message may have {settings.append_limit} octets", b"TOOBIG")
            elif event.size >= _ASK_QUOTA_FROM and not _goes_elsewhere(event) and not _REPLACE.match(event.texts[0]):
                self._ask_quota(event, octets)
            else:
                self._take_message(event, octets)
            return
        limit = settings.literal if self._signed_in else settings.literal_before_login
        held = sum(len(one) for one in event.literals if isinstance(one, bytes))
        if held + event.size > limit:
            self._session.bad += 1
            self._refuse(event, Kind.BAD, f"Literals may have {limit} octets here", b"TOOBIG")
            return
        self._framer.accept()
        if event.synchronising:
            self._write(encoder.continuation(b"OK"))

    def _take_message(self, event: Announced, before: int) -> None:
        self._framer.accept(Spool(self._shared.spool, max(0, MEMORY - before)))
        if event.synchronising:
            self._write(encoder.continuation(b"OK"))

    def _ask_quota(self, event: Announced, before: int) -> None:
        """Refuse what can't be kept before it is sent."""
        self._busy = True
        context = self.context

        def done(over: bool) -> None:
            self._busy = False
            if self._lost:
                self._clean_up()
                return
            if over:
                self._refuse(event, Kind.NO, "Quota atteint / The quota is reached", b"OVERQUOTA")
            else:
                self._take_message(event, before)
            self._go()

        def over_quota() -> bool:
            try:
                quota = context.store.quota(context.number)
            except StoreError:
                # The commit will find out.
                return False
            # It may be for the mailbox of sent mail.
            used = quota.used_bytes + before + event.size - quota.sent_reserve
            return quota.limit_bytes is not None and used > quota.limit_bytes

        self._shared.workers.run(over_quota, done, lambda trace: done(False))

    def _refuse(self, event: Announced, kind: Kind, text: str, code: bytes) -> None:
        self._answer(_tag_of(event.texts[0]), kind, text, code)
        self._framer.refuse()
        if not event.synchronising and not self._signed_in:
            self._end_silence("The literal is too big")


def _is_message(event: Announced) -> bool:
    """True for a literal of APPEND or REPLACE other than the name of a mailbox or a URL."""
    found = _APPEND.match(event.texts[0])
    return found is not None and bool(event.literals or found[1]) and not event.texts[-1].upper().endswith(b"URL ")


def _goes_elsewhere(event: Announced) -> bool:
    """True for an APPEND to a name that may be of another account: its quota is looked at when all is there."""
    found = _APPEND.match(event.texts[0])
    first = event.literals[0] if event.literals and not (found and found[1]) else b""
    name = found[1].lstrip(b'"') if found and found[1] else first
    return isinstance(name, bytes) and name.startswith((OTHERS.encode(), SHARED.encode()))


def _tag_of(text: bytes) -> bytes:
    tag = text.partition(b" ")[0]
    return tag if re.fullmatch(rb"[A-Za-z0-9.\-_$#]{1,64}", tag) else b"*"


def _cancel(timer: IDelayedCall | None) -> None:
    if timer is not None and timer.active():
        timer.cancel()
