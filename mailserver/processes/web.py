"""The web process: HTTPS on asyncio."""

from __future__ import annotations

import asyncio
import signal

import structlog

from config.settings import Settings
from mailserver import lifecycle, logs
from mailserver.control import Control
from mailserver.listening import role_sockets
from mailserver.wiring import Rooms
from web import listeners

log = structlog.get_logger()


def run(settings: Settings) -> int:
    """Serve until SIGTERM; returns the exit status."""
    sockets = role_sockets(settings, "web")
    lifecycle.drop_rights(settings.site.user, settings.site.data)
    logs.set_up(settings.log, "web")
    rooms = Rooms(settings)
    return asyncio.run(_serve(settings, rooms, sockets))


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
