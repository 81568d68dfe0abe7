"""The life of a process that serves on asyncio: ready, beats, a new certificate on SIGHUP, the end on SIGTERM."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import Protocol

from mailserver import lifecycle
from mailserver.control import Control
from mailserver.wiring import Rooms


class Server(Protocol):
    """What listens on the ports of a role."""

    def reload(self) -> bool:
        """Read the certificate again; false when the new one can't be used."""
        ...

    async def stop(self) -> None:
        """Take no more, and finish what is under way."""
        ...


async def serve(start: Callable[[], Awaitable[Server]], rooms: Rooms) -> int:
    """Serve until SIGTERM, or until the supervisor is gone; closes ``rooms`` and returns the exit status."""
    control = Control()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    # Ctrl-C in a terminal reaches all processes; the supervisor decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    server = await start()
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
