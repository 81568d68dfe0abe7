"""The SMTP process: MX and submission on asyncio (uvloop where it is installed)."""

from __future__ import annotations

import asyncio
import sys

from config.settings import Settings
from mailserver import lifecycle, logs
from mailserver.listening import role_sockets
from mailserver.processes.asyncio_role import serve
from mailserver.wiring import Rooms
from smtp import listeners

#: Seconds after which a thread that computes gives the interpreter to another that wants it.
SWITCH_INTERVAL = 0.002


def run(settings: Settings) -> int:
    """Serve until SIGTERM; returns the exit status."""
    sockets = role_sockets(settings, "smtp")
    lifecycle.drop_rights(settings.site.user, settings.site.data)
    logs.set_up(settings.log, "smtp")
    rooms = Rooms(settings)
    # The loop shares the interpreter with threads that compute: it must not wait 5 ms for each of its turns.
    sys.setswitchinterval(SWITCH_INTERVAL)
    with asyncio.Runner(loop_factory=_new_loop) as runner:
        return runner.run(serve(lambda: listeners.start(settings, rooms, sockets), rooms))


def _new_loop() -> asyncio.AbstractEventLoop:
    """uvloop where it is installed, the stock loop elsewhere: both pass the same tests."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
