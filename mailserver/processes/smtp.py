"""The SMTP process: MX and submission on asyncio (uvloop where it is installed)."""

from __future__ import annotations

import asyncio
import signal
import sys

import structlog

from config.settings import Settings
from mailserver import lifecycle, logs
from mailserver.control import Control
from mailserver.listening import role_sockets
from mailserver.wiring import Rooms
from smtp import listeners

log = structlog.get_logger()

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
        return runner.run(_serve(settings, rooms, sockets))


def _new_loop() -> asyncio.AbstractEventLoop:
    """uvloop where it is installed, the stock loop elsewhere: both pass the same tests."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


async def _serve(settings: Settings, rooms: Rooms, sockets: listeners.Sockets) -> int:
    control = Control()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    # Ctrl-C in a terminal reaches all processes; the supervisor decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    server = await listeners.start(settings, rooms, sockets)
    loop.add_signal_handler(signal.SIGHUP, server.reload)
    lifecycle.settle()
    control.ready()
    while not stop.is_set():
        if not control.beat():
            break
        try:
            await asyncio.wait_for(stop.wait(), control.interval)
        except TimeoutError:
            continue
    control.stopping()
    await server.stop()
    rooms.close()
    return 0
