"""What a process owes the system: notices to systemd, sockets it inherits, rights it gives up. Stdlib only."""

from __future__ import annotations

import ctypes
import gc
import os
import pwd
import socket
import sys
from pathlib import Path

#: Users that a start as root becomes when nothing else is said, in order of preference.
FALLBACK_USERS = ("mailserver", "nobody")

_FIRST_SOCKET = 3

_PR_SET_KEEPCAPS = 8
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAP_DAC_READ_SEARCH = 2
_CAPABILITY_VERSION_3 = 0x20080522


class CannotDrop(Exception):
    """Rights can't be given up as asked; the text says why and what to do."""


# -------------------------------------------------------------------- systemd


#: Objects made between two looks for circles of them; a message makes thousands, and hardly ever a circle.
COLLECT_AFTER = 10_000


def settle() -> None:
    """The process is up: what is there now stays, and the collector need not look at it again and again."""
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)


def notify(state: str) -> None:
    """Tell systemd (sd_notify(3)): ``READY=1``, ``WATCHDOG=1``, ``STOPPING=1``, ``RELOADING=1``. No-op elsewhere."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path:
        return
    if path.startswith("@"):
        path = "\0" + path[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
            one.sendto(state.encode(), path)
    except OSError:
        # A notice that is not heard costs a restart by systemd, never mail.
        return


def watchdog_interval() -> float | None:
    """Seconds within which systemd wants a WATCHDOG=1, or None (sd_watchdog_enabled(3))."""
    try:
        interval = int(os.environ.get("WATCHDOG_USEC", "0")) / 1e6
        pid = int(os.environ.get("WATCHDOG_PID", os.getpid()))
    except ValueError:
        return None
    return interval if interval > 0 and pid == os.getpid() else None


def inherited_sockets() -> dict[str, list[socket.socket]]:
    """Listening sockets of systemd units by their FileDescriptorName (sd_listen_fds(3)); empty when there are none."""
    try:
        if int(os.environ.get("LISTEN_PID", "0")) != os.getpid():
            return {}
        count = int(os.environ.get("LISTEN_FDS", "0"))
    except ValueError:
        return {}
    names = os.environ.get("LISTEN_FDNAMES", "").split(":")
    sockets: dict[str, list[socket.socket]] = {}
    for index in range(count):
        name = names[index] if index < len(names) else "unknown"
        fd = _FIRST_SOCKET + index
        os.set_inheritable(fd, False)
        sockets.setdefault(name, []).append(socket.socket(fileno=fd))
    return sockets


# -------------------------------------------------------------------- rights


def unprivileged(user: str, data: Path) -> pwd.struct_passwd | None:
    """Whom a process started as root becomes: the user named, the owner of the data folder, or a fallback.

    None when this process is not root: it stays who it is. Raises CannotDrop.
    """
    if os.geteuid() != 0:
        return None
    if user:
        try:
            return pwd.getpwnam(user)
        except KeyError:
            raise CannotDrop(f"there is no user {user!r} (site.user): add it with adduser --system {user}") from None
    try:
        owner = data.stat().st_uid
        if owner != 0:
            return pwd.getpwuid(owner)
    except (FileNotFoundError, KeyError):
        pass
    for name in FALLBACK_USERS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise CannotDrop("there is no unprivileged user to become: set site.user")


def own_tree(folder: Path, user: str = "") -> None:
    """Give a folder and all in it to the user that ``drop_rights`` will become; no-op when not root."""
    who = unprivileged(user, folder)
    if who is None:
        return
    for path, _, files in os.walk(folder):
        for name in (path, *(os.path.join(path, file) for file in files)):
            os.chown(name, who.pw_uid, who.pw_gid, follow_symlinks=False)


def drop_rights(user: str, data: Path) -> None:
    """Become an unprivileged user for good, in this process and all it starts; files are private from here on.

    When that user could not even read this program (an installation below /root, say), the one capability to read
    and search everything is kept, and nothing else. Raises CannotDrop.
    """
    os.umask(0o077)
    who = unprivileged(user, data)
    if who is None:
        return
    blind = not all(_readable_by(who, path) for path in (Path(__file__), Path(sys.executable), data))
    os.initgroups(who.pw_name, who.pw_gid)
    os.setgid(who.pw_gid)
    if blind:
        _keep_reading(who.pw_uid)
    else:
        os.setuid(who.pw_uid)
    os.environ["HOME"] = "/"


def _readable_by(who: pwd.struct_passwd, path: Path) -> bool:
    """Whether a user may read a file: asked of the kernel, in a child that became that user."""
    child = os.fork()
    if child == 0:
        try:
            os.initgroups(who.pw_name, who.pw_gid)
            os.setgid(who.pw_gid)
            os.setuid(who.pw_uid)
            os._exit(0 if os.access(path, os.R_OK) else 1)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _keep_reading(uid: int) -> None:
    """setuid while keeping CAP_DAC_READ_SEARCH, for this process and what it execs (capabilities(7))."""
    libc = ctypes.CDLL(None, use_errno=True)

    def call(function: str, *arguments: object) -> None:
        if getattr(libc, function)(*arguments) != 0:
            raise CannotDrop(f"{function} failed: {os.strerror(ctypes.get_errno())}")

    call("prctl", _PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setuid(uid)
    bit = 1 << _CAP_DAC_READ_SEARCH
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    # effective, permitted, inheritable of the low 32 capabilities, then of the high ones.
    call("capset", header, (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0))
    call("prctl", _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_READ_SEARCH, 0, 0)
