"""The IMAP process: Twisted on its epoll reactor."""

from __future__ import annotations

import signal
import sys
from typing import Any

import structlog

from config.settings import Settings
from mailserver import lifecycle, logs
from mailserver.control import Control
from mailserver.listening import role_sockets
from mailserver.wiring import Rooms

log = structlog.get_logger()

#: Seconds after which a thread that renders an answer gives the interpreter to the reactor.
SWITCH_INTERVAL = 0.001


def run(settings: Settings) -> int:
    """Serve until SIGTERM; returns the exit status."""
    sockets = role_sockets(settings, "imap")
    lifecycle.drop_rights(settings.site.user, settings.site.data)
    logs.set_up(settings.log, "imap")
    rooms = Rooms(settings)
    # Importing the reactor installs it: only this process may.
    from twisted.internet import reactor as installed
    from twisted.internet.task import LoopingCall

    from imap.listeners import listen

    sys.setswitchinterval(SWITCH_INTERVAL)
    reactor: Any = installed
    listeners = listen(
        settings.imap,
        settings.tls,
        rooms.store,
        rooms.door,
        rooms.directory,
        sockets,
        failure_delay=settings.auth.failure_delay,
        spool=settings.site.data / "spool",
    )
    control = Control()
    stopping = False

    def stop(*_: object) -> None:
        nonlocal stopping
        if not stopping:
            stopping = True
            control.stopping()
            listeners.stop().addBoth(lambda _: reactor.stop())

    def beat() -> None:
        if not control.beat():
            stop()

    # A signal handler runs between two byte codes: the reactor does the work in its own turn.
    signal.signal(signal.SIGTERM, lambda *_: reactor.callFromThread(stop))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Certificates that changed are taken at the next handshake.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    lifecycle.settle()
    beats = LoopingCall(beat)
    reactor.callWhenRunning(control.ready)
    reactor.callWhenRunning(lambda: beats.start(control.interval))
    reactor.run(installSignalHandlers=False)
    rooms.close()
    return 0
