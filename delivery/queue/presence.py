"""A runner's sign of life: a file that it holds locked.

The kernel gives the lock back when the process ends, however it ends. A file that can be locked therefore belonged to a
runner that is dead, and its leases may be given back at once instead of at their end. On a machine that doesn't share
the folder nothing is seen, and leases run out by time.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
from collections.abc import Callable
from pathlib import Path

_TEMPORARY = ".tmp"


class Presence:
    """From its making until ``leave`` or the end of the process, ``name`` is known to be alive."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self.name = f"{socket.gethostname()[:64]}-{os.getpid()}-{secrets.token_hex(4)}"
        # Locked before it has its name: nobody ever sees a living runner's file unlocked.
        temporary = folder / (self.name + _TEMPORARY)
        self._fd = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        os.rename(temporary, folder / self.name)

    def leave(self) -> None:
        """End in order: nothing is leased any more."""
        (self._folder / self.name).unlink(missing_ok=True)
        os.close(self._fd)

    def bury_dead(self, release: Callable[[str], object]) -> None:
        """Call ``release`` with the name of each runner that died here, then forget it."""
        for path in self._folder.iterdir():
            if path.name != self.name and not path.name.endswith(_TEMPORARY):
                self._bury_if_dead(path, release)

    @staticmethod
    def _bury_if_dead(path: Path, release: Callable[[str], object]) -> None:
        try:
            fd = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The leases first: a crash between the two only repeats this.
            release(path.name)
            path.unlink(missing_ok=True)
        except BlockingIOError:
            pass
        finally:
            os.close(fd)
