"""The doorbell: "something of account A, mailbox M changed", to all processes of this machine.

Each listening process binds a Unix datagram socket in one folder; ringing sends a few octets to every socket there.
A bell is a hint: it may be lost, doubled or late. Truth is in the database; who heard nothing looks now and then.

The kernel keeps ten datagrams for a socket (``net.unix.max_dgram_qlen``), which a busy process does not take up fast
enough. What finds no room is sent again, once for each mailbox, until there is.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import struct
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

import structlog

log = structlog.get_logger()

#: Account number under which the outgoing queue rings.
QUEUE = 0

Bell = Callable[[int], None]

_FORMAT = struct.Struct("!QQ")
_STOP = b"stop"

#: Bells that the listening thread takes up before it calls the watchers.
_AT_ONCE = 1000

#: Seconds between attempts to send what found no room, and after which a process that takes nothing is given up.
_AGAIN = 0.005
_GIVE_UP = 60.0

#: Mailboxes, of one socket, whose bells wait for room.
_MOST_LATE = 10_000


class Doorbell:
    """Rings and listens. Safe from any thread; watchers are called in the ringing or the listening thread."""

    def __init__(self, folder: Path) -> None:
        """``folder`` holds the sockets; it is made when missing."""
        self._folder = folder
        self._lock = threading.Lock()
        self._watchers: dict[int, set[Bell]] = defaultdict(set)
        self._socket: socket.socket | None = None
        self._name = ""
        self._sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sender.setblocking(False)
        #: What found no room, by the socket's name: since when, and the bells.
        self._late: dict[str, tuple[float, set[bytes]]] = {}
        self._late_lock = threading.Lock()
        self._resending = False

    def watch(self, account: int, bell: Bell) -> Callable[[], None]:
        """Call ``bell(mailbox)`` after changes of the account; returns the function that ends it."""
        with self._lock:
            if self._socket is None:
                self._listen()
            self._watchers[account].add(bell)

        def end() -> None:
            with self._lock:
                bells = self._watchers.get(account)
                if bells is not None:
                    bells.discard(bell)
                    if not bells:
                        del self._watchers[account]

        return end

    def ring(self, rings: Iterable[tuple[int, int]]) -> None:
        """Tell everybody of changes in (account, mailbox) pairs; never raises."""
        for account, mailbox in set(rings):
            self._call(account, mailbox)
            self._send(_FORMAT.pack(account, mailbox))

    def close(self) -> None:
        """Stop listening."""
        with self._lock:
            listening, self._socket = self._socket, None
        if listening is not None:
            with contextlib.suppress(OSError):
                self._sender.sendto(_STOP, str(self._folder / self._name))
            with contextlib.suppress(OSError):
                os.unlink(self._folder / self._name)

    def _listen(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._name = f"{os.getpid()}-{secrets.token_hex(4)}"
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        listening.bind(str(self._folder / self._name))
        self._socket = listening
        threading.Thread(target=self._hear, args=(listening,), name="doorbell", daemon=True).start()

    def _hear(self, listening: socket.socket) -> None:
        with listening:
            while True:
                # A mailbox that many changed meanwhile is told of once.
                heard = {listening.recv(64)}
                with contextlib.suppress(BlockingIOError):
                    while len(heard) < _AT_ONCE:
                        heard.add(listening.recv(64, socket.MSG_DONTWAIT))
                for octets in heard:
                    if len(octets) == _FORMAT.size:
                        self._call(*_FORMAT.unpack(octets))
                if _STOP in heard:
                    return

    def _call(self, account: int, mailbox: int) -> None:
        with self._lock:
            bells = tuple(self._watchers.get(account, ()))
        for bell in bells:
            try:
                bell(mailbox)
            except Exception:
                log.exception("doorbell.watcher_failed", account=account, mailbox=mailbox)

    def _send(self, octets: bytes) -> None:
        try:
            names = os.listdir(self._folder)
        except OSError:
            return
        for name in names:
            if name != self._name and not self._sent(name, octets):
                self._send_later(name, octets)

    def _sent(self, name: str, octets: bytes) -> bool:
        """False when the socket of that name has no room."""
        path = str(self._folder / name)
        try:
            self._sender.sendto(octets, path)
        except BlockingIOError:
            return False
        except (ConnectionRefusedError, FileNotFoundError):
            # Its process ended without taking its socket away.
            with contextlib.suppress(OSError):
                os.unlink(path)
        except OSError as error:
            log.warning("doorbell.not_sent", socket=name, error=str(error))
        return True

    # ---------------------------------------------------------------- what found no room

    def _send_later(self, name: str, octets: bytes) -> None:
        with self._late_lock:
            _, bells = self._late.setdefault(name, (time.monotonic(), set()))
            if len(bells) < _MOST_LATE:
                bells.add(octets)
            if not self._resending:
                self._resending = True
                threading.Thread(target=self._resend, name="doorbell-late", daemon=True).start()

    def _resend(self) -> None:
        """Try again until everything is sent or given up."""
        while True:
            time.sleep(_AGAIN)
            with self._late_lock:
                if not self._late:
                    self._resending = False
                    return
                late, self._late = self._late, {}
            for name, (since, bells) in late.items():
                self._try(name, since, bells)

    def _try(self, name: str, since: float, bells: set[bytes]) -> None:
        now = time.monotonic()
        while bells:
            octets = bells.pop()
            if self._sent(name, octets):
                since = now
                continue
            if now - since > _GIVE_UP:
                log.warning("doorbell.given_up", socket=name, bells=len(bells) + 1)
                return
            with self._late_lock:
                _, newer = self._late.get(name, (since, set()))
                self._late[name] = since, {octets, *bells, *newer}
            return
