"""``mailserver serve``: all roles on this machine under a supervisor."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from config.settings import Settings
from mailserver import lifecycle, logs
from mailserver.supervisor import Supervisor
from mailserver.wiring import Rooms


def run(
    settings: Settings,
    arguments: Sequence[str],
    before: Callable[[], None] | None = None,
    on_ready: Callable[[], None] | None = None,
) -> int:
    """Bind the ports, give up rights, migrate, supervise; returns the exit status.

    ``before`` is called when the database is there and before the roles start, ``on_ready`` when all ports answer.
    """
    supervisor = Supervisor(settings, arguments)
    settings.site.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    lifecycle.drop_rights(settings.site.user, settings.site.data)
    logs.set_up(settings.log, "supervisor")
    rooms = Rooms(settings)
    rooms.migrate()
    rooms.close()
    if before is not None:
        before()
    return supervisor.run(on_ready)
