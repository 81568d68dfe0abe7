"""Each role as its systemd unit runs it: handed sockets, notices, watchdog, no writable code, no new privileges."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailserver import certificates, lifecycle

ROOT = Path(__file__).resolve().parents[2]

PATIENCE = 60.0

#: Does what systemd does before it starts the program: sockets from descriptor 3 on, NoNewPrivileges,
#: MemoryDenyWriteExecute (the kernel's own form of it, from 6.3 on; older ones go without).
START = textwrap.dedent("""
    import ctypes, os, sys
    names, *command = sys.argv[1:]
    given = [int(number) for number in os.environ.pop("GIVEN").split()]
    for index, number in enumerate(given):
        os.dup2(number, 100 + index)
    for index in range(len(given)):
        os.dup2(100 + index, 3 + index, inheritable=True)
        os.close(100 + index)
    os.environ |= {"LISTEN_FDS": str(len(given)), "LISTEN_FDNAMES": names, "LISTEN_PID": str(os.getpid())}
    os.environ["WATCHDOG_PID"] = str(os.getpid())
    prctl = ctypes.CDLL(None).prctl
    prctl(38, 1, 0, 0, 0)
    prctl(65, 1, 0, 0, 0)
    os.execv(sys.executable, [sys.executable, "-m", "mailserver", *command])
""")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A site of its own, below /tmp so that the user a root becomes may reach it."""
    folder = Path(tempfile.mkdtemp(prefix="mailserver-"))
    folder.chmod(0o755)
    (folder / "data").mkdir()
    _, certificate, key = certificates.make(folder / "tls", "Essai", ["localhost", "127.0.0.1"])
    (folder / "mailserver.toml").write_text(
        textwrap.dedent(f"""
            [site]
            domains = ["ac-exemple.fr"]
            data = "{folder}/data"
            user = "{"daemon" if os.geteuid() == 0 else ""}"
            [tls]
            certificate = "{certificate}"
            key = "{key}"
            [mailauth]
            nameservers = ["127.0.0.1:9"]
        """)
    )
    lifecycle.own_tree(folder, "daemon")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def ports_of(role: str) -> list[str]:
    """Names of the sockets that the unit files hand to the role."""
    units = [unit.read_text("utf-8") for unit in sorted((ROOT / "systemd").glob("*.socket"))]
    own = [unit for unit in units if f"\nService=mailserver-{role}.service\n" in unit]
    return [name for unit in own for name in re.findall(r"^FileDescriptorName=(\w+)$", unit, re.M)]


def greeting(port: int, *, tls: bool) -> bytes:
    with contextlib.ExitStack() as stack:
        connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE))
        if tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection = stack.enter_context(context.wrap_socket(connection))
        return connection.recv(1000)


def wait_for(systemd: socket.socket, state: bytes, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + PATIENCE
    systemd.settimeout(1)
    while time.monotonic() < end:
        with contextlib.suppress(TimeoutError):
            if systemd.recv(100) == state:
                return
            continue
        assert process.poll() is None, f"ended with {process.returncode} before {state!r}"
    raise AssertionError(f"no {state!r} came")


@pytest.mark.whole
@pytest.mark.parametrize("role", ["smtp", "imap", "queue"])
def test_role_lives_in_its_unit(folder: Path, role: str) -> None:
    config = ["--config", str(folder / "mailserver.toml")]
    migrated = subprocess.run(
        [sys.executable, "-m", "mailserver", "migrate", *config], cwd=ROOT, timeout=PATIENCE, check=False
    )
    assert migrated.returncode == 0
    with contextlib.ExitStack() as stack:
        systemd = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        systemd.bind(str(folder / "notify"))
        (folder / "notify").chmod(0o777)
        sockets = {name: stack.enter_context(socket.create_server(("127.0.0.1", 0))) for name in ports_of(role)}
        numbers = [one.fileno() for one in sockets.values()]
        process = subprocess.Popen(
            [sys.executable, "-c", START, ":".join(sockets), "serve", role, *config],
            cwd=ROOT,
            pass_fds=numbers,
            env={
                **os.environ,
                "GIVEN": " ".join(map(str, numbers)),
                "NOTIFY_SOCKET": str(folder / "notify"),
                "WATCHDOG_USEC": "2000000",
            },
        )
        stack.callback(process.wait)
        stack.callback(process.kill)
        wait_for(systemd, b"READY=1", process)
        wait_for(systemd, b"WATCHDOG=1", process)
        for name, one in sockets.items():
            expected = b"* OK" if role == "imap" else b"220 "
            assert greeting(one.getsockname()[1], tls=name.endswith("s")).startswith(expected), name
        process.send_signal(signal.SIGTERM)
        wait_for(systemd, b"STOPPING=1", process)
        assert process.wait(PATIENCE) == 0
