"""A disk that fails under the running server: put off in each protocol's words, and all heals by itself."""

from __future__ import annotations

import errno
import imaplib
import pwd
import shutil
import smtplib
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.database import BUSY_TIMEOUT
from tests.fakes.disk import Disk, build
from tests.whole.conftest import QUIET, Stack, new_stack

pytestmark = [pytest.mark.whole, pytest.mark.timeout(300)]

#: Seconds after which all works again.
HEALED = 5.0

OPTIONS = (*QUIET, "--set", "spam.enabled=false")

LETTER = "From: a@example.net\r\nSubject: {}\r\n\r\nBonjour\r\n"


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disk]:
    folder = Path(new_stack().folder)
    disk = Disk(build(tmp_path_factory.mktemp("disk")), folder)
    yield disk
    disk.close()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def stack(disk: Disk) -> Iterator[Stack]:
    stack = new_stack(*OPTIONS)
    shutil.rmtree(stack.folder)
    stack.folder = Path(disk.environment["DISK_ROOT"])
    stack.environment = {**disk.environment, "DISK_ROOT": str(stack.folder / "data")}
    try:
        stack.start()
        yield stack
    finally:
        disk.heal()
        if stack.process is not None and stack.process.poll() is None:
            stack.stop()


def processes(stack: Stack) -> set[int]:
    """The processes of the server."""
    assert stack.process is not None
    found = subprocess.run(["pgrep", "-g", str(stack.process.pid)], capture_output=True, text=True, check=True)
    return {int(line) for line in found.stdout.split()}


def send(stack: Stack, subject: str) -> int:
    """Deliver over the MX; returns the reply code that decided."""
    to = stack.user("marc.garnier")["address"]
    try:
        with stack.mx() as client:
            client.sendmail("a@example.net", [to], LETTER.format(subject).encode())
    except smtplib.SMTPRecipientsRefused as refused:
        return int(refused.recipients[to][0])
    except smtplib.SMTPResponseException as refused:
        return int(refused.smtp_code)
    return 250


def append(client: imaplib.IMAP4, subject: str) -> str:
    return client.append("INBOX", "", "", LETTER.format(subject).encode())[0]  # type: ignore[arg-type]


def heals(stack: Stack, client: imaplib.IMAP4, subject: str) -> None:
    """The same processes, and the same session, work again in time; what was refused is not there."""
    end = time.monotonic() + HEALED
    code, answer = send(stack, subject), append(client, f"{subject} range")
    while (code, answer) != (250, "OK"):
        assert time.monotonic() < end, (code, answer, stack.output())
        time.sleep(0.2)
        code = code if code == 250 else send(stack, subject)
        answer = answer if answer == "OK" else append(client, f"{subject} range")
    found = b"".join(stack.messages("marc.garnier"))
    assert found.count(f"Subject: {subject}\r\n".encode()) == 1
    assert found.count(f"Subject: {subject} range\r\n".encode()) == 1
    assert b"refus" not in found


@pytest.mark.parametrize(
    ("error", "kinds", "codes"),
    [
        (errno.EIO, "owslrumt", {451}),
        (errno.EIO, "s", {451}),
        (errno.ENOSPC, "owlmt", {452}),
        (errno.EROFS, "owslrumt", {451}),
    ],
    ids=["EIO", "EIO at fsync", "full", "read-only"],
)
def test_a_disk_that_fails_and_heals(stack: Stack, disk: Disk, error: int, kinds: str, codes: set[int]) -> None:
    name = f"{errno.errorcode[error]}-{kinds}"
    assert send(stack, f"avant {name}") == 250
    before = processes(stack)
    with stack.imap("marc.garnier") as client:
        client.select("INBOX")
        with disk.failing(error, kinds):
            assert send(stack, f"refus {name}") in codes
            assert append(client, f"refus {name}") == "NO"
            assert client.store("1", "+FLAGS", f"${name}")[0] == "NO"
            # Reading goes on.
            status, found = client.fetch("1", "(FLAGS BODY.PEEK[])")
            assert (status, f"${name}".encode() in found[0][0]) == ("OK", False)  # type: ignore[index]
        heals(stack, client, f"apres {name}")
        assert client.store("1", "+FLAGS", f"${name}")[0] == "OK"
    assert processes(stack) == before
    assert stack.command("store", "verify").returncode == 0


def test_a_database_that_somebody_holds(stack: Stack) -> None:
    """As an operator's shell may: longer than writers wait."""
    before = processes(stack)
    codes: list[int] = []
    with stack.imap("marc.garnier") as client:
        client.select("INBOX")
        database = sqlite3.connect(stack.folder / "data" / "mailserver.db", isolation_level=None)
        database.execute("BEGIN IMMEDIATE")
        begun = time.monotonic()
        sender = threading.Thread(target=lambda: codes.append(send(stack, "refus tenu")))
        sender.start()
        assert append(client, "refus tenu") == "NO"
        sender.join(120)
        # Those who wait for one another don't add up their patience.
        assert time.monotonic() - begun < 1.8 * BUSY_TIMEOUT
        database.execute("ROLLBACK")
        database.close()
        assert codes[0] in (421, 451)
        heals(stack, client, "apres tenu")
    assert processes(stack) == before


def test_a_disk_that_is_really_full() -> None:
    stack = new_stack(*OPTIONS)
    data = stack.folder / "data"
    data.mkdir()
    user = pwd.getpwnam("nobody")
    mount = [
        "mount",
        "-t",
        "tmpfs",
        "-o",
        f"size=48m,mode=0700,uid={user.pw_uid},gid={user.pw_gid}",
        "mailserver-test",
        str(data),
    ]
    if subprocess.run(mount, capture_output=True).returncode:
        shutil.rmtree(stack.folder)
        pytest.skip("needs the right to mount a file system")
    try:
        stack.start()
        assert send(stack, "avant") == 250
        before = processes(stack)
        with stack.imap("marc.garnier") as client:
            client.select("INBOX")
            filler = data / "filler"
            with open(filler, "wb", buffering=0) as file:
                for size in (2**16, 2**12, 1):
                    try:
                        while True:
                            file.write(bytes(size))
                    except OSError:
                        continue
            assert send(stack, "refus") == 452
            assert append(client, "refus") == "NO"
            assert client.fetch("1", "(FLAGS BODY.PEEK[])")[0] == "OK"
            filler.unlink()
            heals(stack, client, "apres")
        assert processes(stack) == before
        assert stack.command("store", "verify").returncode == 0
        assert stack.stop() == 0
    finally:
        if stack.process is not None and stack.process.poll() is None:
            stack.stop()
        subprocess.run(["umount", "-l", str(data)], check=True)
        shutil.rmtree(stack.folder, ignore_errors=True)
