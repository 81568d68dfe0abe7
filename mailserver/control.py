"""A role's side of the supervisor: saying that it is ready and alive, and hearing that the supervisor is gone.

Without a supervisor (a systemd unit per role) the same calls speak to systemd instead.
"""

from __future__ import annotations

import os
import socket

from mailserver import lifecycle

VARIABLE = "MAILSERVER_CONTROL_FD"

#: Seconds between beats.
BEAT = 5.0


class Control:
    """Beats from inside the role's own loop: a stalled loop goes silent and is replaced."""

    def __init__(self) -> None:
        number = os.environ.pop(VARIABLE, "")
        self._socket: socket.socket | None = None
        if number:
            self._socket = socket.socket(fileno=int(number))
            self._socket.setblocking(False)
        interval = lifecycle.watchdog_interval()
        #: Seconds between calls of ``beat``.
        self.interval = min(BEAT, interval / 2) if interval else BEAT

    def ready(self) -> None:
        """Every port of this role answers."""
        self._say(b"ready\n")
        lifecycle.notify("READY=1")

    def beat(self) -> bool:
        """The loop is alive. False when the supervisor is gone: then stop."""
        lifecycle.notify("WATCHDOG=1")
        return self._say(b".") and not self._gone()

    def stopping(self) -> None:
        """The role is ending."""
        lifecycle.notify("STOPPING=1")

    def _say(self, octets: bytes) -> bool:
        if self._socket is None:
            return True
        try:
            self._socket.send(octets)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return True

    def _gone(self) -> bool:
        if self._socket is None:
            return False
        try:
            return self._socket.recv(64) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True
