"""From bound sockets to a running IMAP service, and its orderly end. The caller runs the reactor."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.task import LoopingCall
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol

from config.settings import Imap, Tls
from directory.api import People, SignInDoor
from imap.server import PROGRESS, ImapFactory, Shared
from imap.sockets import PromptServer
from imap.tls import ServerContext
from storage.api import MailStore

log = structlog.get_logger()

#: Seconds between looks at whether the accounts of live sessions are still good.
CHECK_ACCOUNTS = 30.0

#: Seconds that running commands have to end when the service stops.
GRACE = 20.0


class Listeners:
    """A running IMAP service."""

    def __init__(self, shared: Shared, ports: Sequence[Any]) -> None:
        self._shared = shared
        self._ports = ports
        self._checks = LoopingCall(shared.check_accounts)
        self._checks.clock = shared.reactor
        self._checks.start(CHECK_ACCOUNTS, now=False)
        self._progress = LoopingCall(shared.tell_progress)
        self._progress.clock = shared.reactor
        self._progress.start(PROGRESS, now=False)

    @property
    def connections(self) -> int:
        """Connections at the moment."""
        return len(self._shared.live)

    def stop(self) -> Deferred[None]:
        """Take no more connections, say BYE to sessions that rest, let commands end; cut what lasts over ``GRACE``.

        Fires when all is closed. Call it in the reactor's thread, once.
        """
        shared = self._shared
        shared.stopping = True
        self._checks.stop()
        self._progress.stop()
        closed = DeferredList([port.stopListening() for port in self._ports], consumeErrors=True)
        for one in tuple(shared.live):
            one.say_bye("The server restarts: connect again", b"UNAVAILABLE")
        done: Deferred[None] = Deferred()
        deadline = shared.reactor.seconds() + GRACE

        def wait(_: object = None) -> None:
            late = shared.reactor.seconds() > deadline
            for one in tuple(shared.live) if late else ():
                one.transport.abortConnection()
            if shared.live and not late:
                shared.reactor.callLater(0.05, wait)
            else:
                # Joining the threads would hold the reactor that their last words need: let them run out beside it.
                shared.reactor.callInThread(self._join, done)

        closed.addCallback(wait)
        return done

    def _join(self, done: Deferred[None]) -> None:
        self._shared.workers.join()
        self._shared.reactor.callFromThread(done.callback, None)


def listen(
    settings: Imap,
    tls: Tls,
    store: MailStore,
    door: SignInDoor,
    people: People,
    sockets: Mapping[str, Sequence[socket.socket]],
    *,
    failure_delay: float = 2.0,
    spool: Path | None = None,
    reactor: Any = None,
) -> Listeners:
    """Serve on listening sockets: those under ``imap`` in clear with STARTTLS, those under ``imaps`` with TLS at once.

    Call it in the reactor's thread or before the reactor runs. ``failure_delay`` is ``auth.failure_delay``, in seconds;
    ``spool`` the folder for big messages on their way in. Raises OSError or ``OpenSSL.SSL.Error`` when the certificate
    can't be read, ValueError for ``imaps`` without one.
    """
    if reactor is None:
        from twisted.internet import reactor
    context = ServerContext(tls) if tls.certificate else None
    if spool is not None:
        spool.mkdir(parents=True, exist_ok=True, mode=0o700)
    shared = Shared(
        reactor,
        settings,
        store,
        door,
        people,
        context,
        failure_delay=failure_delay,
        handshake_timeout=tls.handshake_timeout,
        spool=spool,
    )
    ports: list[Any] = []
    for name, some in sockets.items():
        for one in some:
            factory: Any = ImapFactory(shared, tls=name == "imaps")
            if name == "imaps":
                if context is None:
                    raise ValueError("implicit TLS needs tls.certificate and tls.key")
                factory = TLSMemoryBIOFactory(context, False, factory)
                # Nothing waits for more to be written: an answer is written at one go.
                factory.protocol = TLSMemoryBIOProtocol
                factory.noisy = False
            one.setblocking(False)
            # The port works on a duplicate of the descriptor.
            port = reactor.adoptStreamPort(one.fileno(), one.family, factory)
            port.transport = PromptServer
            ports.append(port)
    log.info(
        "imap.listening", sockets=[f"{name} {one.getsockname()}" for name, some in sockets.items() for one in some]
    )
    return Listeners(shared, ports)
