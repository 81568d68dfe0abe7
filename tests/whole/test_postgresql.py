"""The whole stack on PostgreSQL: mail in, mail out, folders, sign-in, and a server that restarts under it."""

from __future__ import annotations

import imaplib
import re
import shutil
import smtplib
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes.postgres import PostgresServer
from tests.whole.conftest import QUIET, Stack, new_stack

pytestmark = [pytest.mark.whole, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    server = PostgresServer(options=())
    yield server
    server.close()


@pytest.fixture(scope="module")
def stack(server: PostgresServer) -> Iterator[Stack]:
    stack = new_stack(*QUIET, "--set", f"store.database={server.database(empty=True)}")
    try:
        stack.start()
        yield stack
    finally:
        if stack.process is not None and stack.process.poll() is None:
            stack.stop()
        shutil.rmtree(stack.folder, ignore_errors=True)


def send(stack: Stack, subject: str) -> None:
    to = stack.user("marc.garnier")["address"]
    with stack.mx() as client:
        client.sendmail("a@example.net", [to], f"From: a@example.net\r\nSubject: {subject}\r\n\r\nBonjour\r\n")


def subjects(stack: Stack) -> list[bytes]:
    return [line for body in stack.messages("marc.garnier") for line in body.splitlines() if line[:8] == b"Subject:"]


def test_mail_goes_in_and_out(stack: Stack) -> None:
    assert not (stack.folder / "data" / "mailserver.db").exists()
    send(stack, "un")
    assert b"Subject: un" in subjects(stack)
    to = stack.user("marc.garnier")["address"]
    with stack.submission("marc.garnier") as client:
        client.sendmail(to, [to], f"From: {to}\r\nSubject: deux\r\n\r\nBonjour\r\n")
    assert b"Subject: deux" in subjects(stack)


def test_flags_folders_and_wrong_passwords(stack: Stack) -> None:
    with stack.imap("marc.garnier") as client:
        client.select("INBOX")
        client.create("Projets/2026")
        assert client.copy("1", "Projets/2026")[0] == "OK"
        assert client.store("1", "+FLAGS", r"(\Flagged $travail)")[0] == "OK"
        _, found = client.fetch("1", "(FLAGS)")
        assert b"$travail" in found[0]  # type: ignore[operator]
    with pytest.raises(imaplib.IMAP4.error), stack.imap("marc.garnier", "x"):
        pass


def test_the_database_restarts_under_it(stack: Stack, server: PostgresServer) -> None:
    server.stop()
    # Who is who may still be remembered; what is to be kept is refused for now.
    with pytest.raises((smtplib.SMTPDataError, smtplib.SMTPSenderRefused, smtplib.SMTPRecipientsRefused)) as refused:
        send(stack, "trop vite")
    assert re.findall(r"\b[245](?=\d\d\b)", str(refused.value))[:1] == ["4"]
    server.restart()
    end = time.monotonic() + 30
    answer: Any = None
    while time.monotonic() < end:
        try:
            send(stack, "trois")
            answer = True
            break
        except Exception as error:
            answer = error
            time.sleep(0.2)
    assert answer is True
    assert b"Subject: trois" in subjects(stack)
    assert stack.stop() == 0
