"""``mailserver serve``: all roles on this machine under a supervisor."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from config.settings import Settings
from mailserver import lifecycle, logs
from mailserver.supervisor import Supervisor
from mailserver.wiring import Rooms


def run(settings: Settings, arguments: Sequence[str], on_ready: Callable[[], None] | None = None) -> int:
    """Bind the ports, give up rights, migrate, supervise; returns the exit status."""
    logs.set_up(settings.log, "supervisor")
    supervisor = Supervisor(settings, arguments)
    settings.site.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    lifecycle.drop_rights(settings.site.user or None, settings.site.data)
    rooms = Rooms(settings)
    rooms.migrate()
    rooms.close()
    return supervisor.run(on_ready)
