"""The whole stack as real processes: ``mailserver demo`` in a temporary folder, driven over sockets."""

from __future__ import annotations

import contextlib
import imaplib
import json
import os
import secrets
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

PORTS = 8

ROOT = Path(__file__).resolve().parents[2]


def free_base() -> int:
    """First of some consecutive free ports below the range that the kernel gives out."""
    for _ in range(200):
        base = 20000 + secrets.randbelow(1200) * 10
        try:
            with contextlib.ExitStack() as stack:
                for port in range(base, base + PORTS):
                    one = stack.enter_context(socket.socket())
                    one.bind(("127.0.0.1", port))
            return base
        except OSError:
            continue
    raise RuntimeError("no free ports")


@dataclass
class Stack:
    """A running demo académie."""

    folder: Path
    base: int
    options: Sequence[str] = ()
    process: subprocess.Popen[bytes] | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    #: For its processes, beside our own.
    environment: dict[str, str] = field(default_factory=dict)

    # ---------------------------------------------------------------- running

    def start(self, patience: float = 90) -> None:
        ready = self.folder / "ready.json"
        ready.unlink(missing_ok=True)
        with open(self.folder / "demo.out", "ab") as out:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "mailserver", "demo", "--data", str(self.folder / "data")),
                    *("--port-base", str(self.base), "--ready", str(ready), *self.options),
                ],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                env={**os.environ, **self.environment},
            )
        end = time.monotonic() + patience
        while not ready.exists():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError("the demo did not start:\n" + self.output())
            time.sleep(0.05)
        self.facts = json.loads(ready.read_text())

    def output(self) -> str:
        logs = sorted((self.folder / "data" / "log").glob("*.log"))
        parts = [(self.folder / "demo.out").read_text(errors="replace")]
        parts += [f"--- {path.name}\n" + path.read_text(errors="replace")[-4000:] for path in logs]
        return "\n".join(parts)

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(40)

    def kill(self) -> None:
        """kill -9 of the whole process group."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def command(self, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """``mailserver ARGUMENTS`` on this stack's configuration."""
        return subprocess.run(
            [sys.executable, "-m", "mailserver", *arguments, "--config", self.facts["config_file"]],
            cwd=ROOT,
            input=text,
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, **self.environment},
        )

    # ---------------------------------------------------------------- people

    def user(self, login: str) -> dict[str, str]:
        return next(user for user in self.facts["users"] if user["login"] == login)

    @property
    def domain(self) -> str:
        return str(self.facts["domain"])

    @property
    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.facts["ca_file"])

    # ---------------------------------------------------------------- clients

    @contextlib.contextmanager
    def imap(self, login: str, password: str | None = None) -> Iterator[imaplib.IMAP4_SSL]:
        client = imaplib.IMAP4_SSL("localhost", self.facts["imaps_port"], ssl_context=self.tls, timeout=60)
        try:
            client.login(login, password or self.user(login)["password"])
            yield client
        finally:
            with contextlib.suppress(imaplib.IMAP4.error, OSError):
                client.logout()

    @contextlib.contextmanager
    def mx(self) -> Iterator[smtplib.SMTP]:
        with smtplib.SMTP("127.0.0.1", self.facts["mx_port"], "client.example.net", timeout=60) as client:
            yield client

    @contextlib.contextmanager
    def submission(self, login: str, password: str | None = None) -> Iterator[smtplib.SMTP]:
        with smtplib.SMTP("127.0.0.1", self.facts["submission_port"], timeout=60) as client:
            client.starttls(context=ssl._create_unverified_context())
            client.login(login, password or self.user(login)["password"])
            yield client

    def count(self, login: str, mailbox: str = "INBOX") -> int:
        with self.imap(login) as client:
            _, (line,) = client.status(mailbox, "(MESSAGES)")
            return int(line.split()[-1].rstrip(b")"))

    def messages(self, login: str, mailbox: str = "INBOX") -> list[bytes]:
        """All messages of a mailbox, octets as they are."""
        with self.imap(login) as client:
            client.select(mailbox, readonly=True)
            _, found = client.fetch("1:*", "(BODY.PEEK[])")
            return [item[1] for item in found if isinstance(item, tuple)]


@pytest.fixture(scope="session")
def corpus() -> Path:
    """Folder with the development corpora (real mail, never part of this repository)."""
    folder = os.environ.get("MAILSERVER_TEST_CORPUS", "")
    if not folder or not Path(folder).is_dir():
        if os.environ.get("CI"):
            pytest.fail("MAILSERVER_TEST_CORPUS names no folder")
        pytest.skip("needs MAILSERVER_TEST_CORPUS, a folder with corpora of real mail")
    return Path(folder)


def new_stack(*options: str) -> Stack:
    folder = Path(tempfile.mkdtemp(prefix="mailserver-whole-"))
    return Stack(folder, free_base(), options)


#: Spares this machine the limits an address has, and points DNS at a port where nobody answers: refused at once.
QUIET = ("--exempt", "127.0.0.0/8", "--set", 'mailauth.nameservers=["127.0.0.1:9"]')


@pytest.fixture(scope="module")
def options() -> tuple[str, ...]:
    """Options of a module's stack; a module may have its own fixture of this name."""
    return ()


@pytest.fixture(scope="module")
def stack(options: tuple[str, ...]) -> Iterator[Stack]:
    """A stack for the tests of one module."""
    stack = new_stack(*QUIET, *options)
    try:
        stack.start()
        yield stack
    finally:
        running = stack.process is not None and stack.process.poll() is None
        status = stack.stop() if running else 0
        shutil.rmtree(stack.folder, ignore_errors=True)
    assert status == 0, "a process of the server did not stop as it should"


@pytest.fixture
def own_stack() -> Iterator[Stack]:
    """A stack of one's own, not started: for tests that kill it or set its options."""
    stack = new_stack(*QUIET)
    try:
        yield stack
    finally:
        if stack.process is not None and stack.process.poll() is None:
            stack.kill()
        shutil.rmtree(stack.folder, ignore_errors=True)
