"""kill -9 of the whole process group at random moments: what was answered 250 is there, and once."""

from __future__ import annotations

import imaplib
import os
import random
import re
import shutil
import smtplib
import threading
import time
from collections.abc import Iterator

import pytest

from tests.fakes.postgres import PostgresServer
from tests.whole.conftest import QUIET, Stack, new_stack

#: 50 with ``make torture``.
ROUNDS = int(os.environ.get("MAILSERVER_KILL_ROUNDS", "8"))
SENDERS = 6

pytestmark = [pytest.mark.whole, pytest.mark.timeout(120 * ROUNDS)]


@pytest.fixture(params=["sqlite", "postgresql"])
def doomed(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """A stack on each database, not started. The database server of PostgreSQL is not killed with it."""
    server = PostgresServer(options=()) if request.param == "postgresql" else None
    stack = new_stack(*QUIET)
    if server is not None:
        stack.environment["MAILSERVER_STORE__DATABASE"] = server.database(empty=True)
    try:
        yield stack
    finally:
        if stack.process is not None and stack.process.poll() is None:
            stack.kill()
        shutil.rmtree(stack.folder, ignore_errors=True)
        if server is not None:
            server.close()


class Sender(threading.Thread):
    """Sends numbered messages until its connection breaks; keeps what was answered and what was cut."""

    def __init__(self, port: int, to: str, name: str) -> None:
        super().__init__(daemon=True)
        self.port, self.to, self.tag = port, to, name
        self.answered: list[str] = []
        self.cut: list[str] = []

    def run(self) -> None:
        number = 0
        try:
            with smtplib.SMTP("127.0.0.1", self.port, "client.example.net", timeout=30) as client:
                while True:
                    number += 1
                    token = f"{self.tag}-{number}"
                    body = f"From: a@example.net\r\nSubject: {token}\r\nX-Token: {token}\r\n\r\n" + "texte\r\n" * 200
                    self.cut.append(token)
                    client.sendmail("a@example.net", [self.to], body)
                    self.cut.remove(token)
                    self.answered.append(token)
        except (smtplib.SMTPException, OSError):
            return


class Mover(threading.Thread):
    """Puts numbered messages into Drafts and moves them to Archive, until its connection breaks."""

    def __init__(self, stack: Stack, name: str) -> None:
        super().__init__(daemon=True)
        self.stack, self.tag = stack, name
        self.answered: list[str] = []
        self.cut: list[str] = []

    def run(self) -> None:
        try:
            with self.stack.imap("marc.garnier") as client:
                client.select("Drafts")
                number = 0
                while True:
                    number += 1
                    token = f"{self.tag}-{number}"
                    self.cut.append(token)
                    text = f"Subject: {token}\r\nX-Token: {token}\r\n\r\ntexte\r\n"
                    if client.append("Drafts", "", "", text.encode())[0] != "OK":
                        return
                    self.cut.remove(token)
                    self.answered.append(token)
                    client.uid("MOVE", "1:*", "Archive")
        except (imaplib.IMAP4.error, OSError):
            return


def test_nothing_answered_is_lost_and_nothing_is_doubled(doomed: Stack) -> None:
    stack = doomed
    chance = random.Random(5)
    answered: list[str] = []
    cut: list[str] = []
    uids: dict[int, str] = {}
    validity = None
    for round_number in range(ROUNDS):
        started = time.monotonic()
        stack.start()
        patience = time.monotonic() - started
        to = stack.user("marc.garnier")["address"]
        senders: list[Sender | Mover] = [Mover(stack, f"r{round_number}m")]
        senders += [Sender(stack.facts["mx_port"], to, f"r{round_number}s{n}") for n in range(SENDERS)]
        for sender in senders:
            sender.start()
        time.sleep(0.3 + chance.random() * 1.5)
        stack.kill()
        for sender in senders:
            sender.join(30)
            answered += sender.answered
            cut += sender.cut
        # Not a speed test: a start that waits for something is a defect, a slow machine is not.
        assert patience < 60
    assert len(answered) > ROUNDS * SENDERS
    print(f"{ROUNDS} rounds: {len(answered)} answered, {len(cut)} cut")
    stack.start()
    tokens: list[str] = []
    with stack.imap("marc.garnier") as client:
        for mailbox in ("INBOX", "Junk", "Drafts", "Archive"):
            client.select(mailbox, readonly=True)
            kept = client.untagged_responses.get("UIDVALIDITY")
            if mailbox == "INBOX":
                validity = validity or kept
                assert kept == validity
            _, found = client.fetch("1:*", "(UID BODY.PEEK[HEADER.FIELDS (X-Token)])")
            last = 0
            for item in found:
                if not isinstance(item, tuple):
                    continue
                match = re.search(rb"UID (\d+)", item[0])
                assert match is not None
                assert int(match[1]) > last
                last = int(match[1])
                if token := re.search(rb"X-Token: (\S+)", item[1]):
                    tokens.append(token[1].decode())
                    uids[last] = tokens[-1]
    missing = set(answered) - set(tokens)
    assert not missing
    for token in answered:
        assert tokens.count(token) == 1
    for token in cut:
        assert tokens.count(token) <= 1
    assert set(tokens) <= set(answered) | set(cut)
    said = stack.command("store", "verify")
    assert said.returncode == 0, said.stdout
    assert stack.stop() == 0
