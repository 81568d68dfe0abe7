"""The web process: HTTPS on asyncio."""

from __future__ import annotations

import asyncio

from config.settings import Settings
from mailserver import lifecycle, logs
from mailserver.listening import role_sockets
from mailserver.processes.asyncio_role import serve
from mailserver.wiring import Rooms
from web import listeners


def run(settings: Settings) -> int:
    """Serve until SIGTERM; returns the exit status."""
    sockets = role_sockets(settings, "web")
    lifecycle.drop_rights(settings.site.user, settings.site.data)
    logs.set_up(settings.log, "web")
    rooms = Rooms(settings)
    return asyncio.run(serve(lambda: listeners.start(settings, rooms, sockets), rooms))
