"""The supervisor: binds the ports, gives its rights up, and keeps one process per role (and worker) running.

Children are exec'd, never forked copies. Each gets the listening sockets of its role, so that connections wait in the
backlog while a role restarts, and one end of a control socket: it writes ``ready`` and then a beat every few seconds,
and ends when it reads the end of the stream (the supervisor is gone). A child that dies is started again; one that
stops beating is killed first.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from config.settings import Settings
from mailserver import lifecycle
from mailserver.listening import bind_all, sockets_variable

log = structlog.get_logger()

#: Names of the roles, in the order in which they start and stop.
ROLES = ("queue", "smtp", "imap", "web")

#: Seconds without a beat after which a role is killed.
STALL = 30.0

#: Seconds that a role may take to start, and to stop after SIGTERM.
START = 60.0
STOP = 25.0

#: Restart waits: the first is short, later ones grow up to the last while a role keeps dying young.
WAITS = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


@dataclass(slots=True)
class _Child:
    """One process of a role."""

    role: str
    worker: int
    process: subprocess.Popen[bytes] | None = None
    control: socket.socket | None = None
    ready: bool = False
    started: float = 0.0
    beat: float = 0.0
    deaths: int = 0
    due: float = field(default=0.0)

    @property
    def name(self) -> str:
        return f"{self.role}-{self.worker}"


class Supervisor:
    """Runs all roles in the foreground until SIGTERM or SIGINT."""

    def __init__(self, settings: Settings, arguments: Sequence[str]) -> None:
        """``arguments`` are those that make a child load the same settings (``--config F --set ...``)."""
        self._settings = settings
        self._arguments = list(arguments)
        self._sockets = bind_all(settings)
        self._selector = selectors.DefaultSelector()
        self._children = [_Child(role, worker) for role in ROLES for worker in range(_workers(settings, role))]
        self._stopping = False
        self._wake, self._wake_writer = socket.socketpair()
        self._wake.setblocking(False)
        self._wake_writer.setblocking(False)

    def run(self, on_ready: Callable[[], None] | None = None) -> int:
        """Start, supervise, stop; returns the exit status: 1 when a role did not stop as it should.

        ``on_ready`` is called once when every role is ready.
        """
        signal.set_wakeup_fd(self._wake_writer.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop)
        signal.signal(signal.SIGHUP, self._on_reload)
        self._selector.register(self._wake, selectors.EVENT_READ, None)
        told = False
        try:
            while not self._stopping:
                self._start_due()
                for key, _ in self._selector.select(self._patience()):
                    if key.data is None:
                        with contextlib.suppress(BlockingIOError):
                            self._wake.recv(4096)
                    else:
                        self._hear(key.data)
                self._bury()
                if not told and all(child.ready for child in self._children):
                    told = True
                    log.info("supervisor.ready", roles=[child.name for child in self._children])
                    lifecycle.notify("READY=1")
                    if on_ready is not None:
                        on_ready()
                if told:
                    lifecycle.notify("WATCHDOG=1")
        finally:
            well = self._stop_all()
        return 0 if well else 1

    # ---------------------------------------------------------------- children

    def _start_due(self) -> None:
        now = time.monotonic()
        for child in self._children:
            if child.process is None and child.due <= now:
                self._start(child)

    def _start(self, child: _Child) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        sockets = {name: one for name, one in self._sockets.items() if one.role == child.role}
        handed = [one.socket.fileno() for one in sockets.values()]
        environment = {
            **os.environ,
            "MAILSERVER_CONTROL_FD": str(theirs.fileno()),
            "MAILSERVER_SOCKETS": sockets_variable(sockets),
        }
        for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"):
            environment.pop(name, None)
        child.process = subprocess.Popen(
            [sys.executable, "-m", "mailserver", "serve", child.role, *self._arguments],
            stdin=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(), *handed),
            env=environment,
        )
        theirs.close()
        child.control = ours
        child.ready = False
        child.started = child.beat = time.monotonic()
        self._selector.register(ours, selectors.EVENT_READ, child)
        log.info("supervisor.started", child=child.name, child_pid=child.process.pid)

    def _hear(self, child: _Child) -> None:
        assert child.control is not None
        try:
            octets = child.control.recv(4096)
        except OSError:
            octets = b""
        if not octets:
            self._selector.unregister(child.control)
            child.control.close()
            child.control = None
            return
        child.beat = time.monotonic()
        if b"ready" in octets:
            child.ready = True

    def _bury(self) -> None:
        now = time.monotonic()
        for child in self._children:
            process = child.process
            if process is None:
                continue
            limit = STALL if child.ready else START
            if process.poll() is None:
                if now - child.beat > limit:
                    log.error("supervisor.stalled", child=child.name, child_pid=process.pid)
                    process.kill()
                continue
            lived = now - child.started
            child.deaths = child.deaths + 1 if lived < 60 else 1
            wait = WAITS[min(child.deaths - 1, len(WAITS) - 1)]
            log.error("supervisor.died", child=child.name, status=process.returncode, restart_in=wait)
            self._forget(child)
            child.due = now + wait

    def _forget(self, child: _Child) -> None:
        if child.control is not None:
            self._selector.unregister(child.control)
            child.control.close()
            child.control = None
        child.process = None
        child.ready = False

    def _patience(self) -> float:
        waits = [child.due - time.monotonic() for child in self._children if child.process is None]
        return max(0.0, min([1.0, *waits]))

    # ---------------------------------------------------------------- signals

    def _on_stop(self, *_: object) -> None:
        self._stopping = True

    def _on_reload(self, *_: object) -> None:
        for child in self._children:
            if child.process is not None and child.process.poll() is None:
                child.process.send_signal(signal.SIGHUP)

    def _stop_all(self) -> bool:
        """Ask all roles to stop, and see to it; false when one had to be killed or failed at it."""
        lifecycle.notify("STOPPING=1")
        running = [child for child in self._children if child.process is not None]
        # The listeners first, so that what they accepted still finds the rest.
        for child in reversed(running):
            assert child.process is not None
            with contextlib.suppress(ProcessLookupError):
                child.process.terminate()
        well = True
        end = time.monotonic() + STOP
        for child in running:
            assert child.process is not None
            try:
                child.process.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.error("supervisor.killed", child=child.name)
                child.process.kill()
                child.process.wait()
            # One that had not come to catch the signal yet ends by it.
            if child.process.returncode not in (0, -signal.SIGTERM):
                log.error("supervisor.stopped_badly", child=child.name, status=child.process.returncode)
                well = False
        for one in self._sockets.values():
            one.socket.close()
        log.info("supervisor.stopped")
        return well


def _workers(settings: Settings, role: str) -> int:
    web = 1 if settings.web.port else 0
    return {"smtp": settings.smtp.workers, "imap": settings.imap.workers, "web": web}.get(role, 1)
