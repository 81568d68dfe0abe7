"""Mail to the outside: queued durably, retried, bounced in words, with a far server of our own."""

from __future__ import annotations

import base64
import contextlib
import email
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from tests.whole.conftest import Stack

pytestmark = [pytest.mark.whole]


class FarServer:
    """A small SMTP server that answers RCPT as ``answer`` says and keeps what it takes."""

    def __init__(self, answer: Callable[[str, int], str]) -> None:
        self.answer = answer
        self.taken: list[tuple[str, list[str], bytes]] = []
        self.asked: dict[str, int] = {}
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.open = True
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while self.open:
            try:
                one, _ = self.listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(one,), daemon=True).start()

    def _serve(self, one: socket.socket) -> None:
        # The other side may be killed in the middle of a sentence.
        with contextlib.suppress(OSError), one, one.makefile("rb") as lines:
            sender, recipients = "", []

            def say(text: str) -> None:
                one.sendall(text.encode() + b"\r\n")

            say("220 far.example ESMTP")
            for line in lines:
                verb = line[:4].upper()
                if verb in (b"EHLO", b"HELO"):
                    say("250-far.example\r\n250-8BITMIME\r\n250 PIPELINING")
                elif verb == b"MAIL":
                    sender, recipients = line.split(b"<")[1].split(b">")[0].decode(), []
                    say("250 2.1.0 ok")
                elif verb == b"RCPT":
                    address = line.split(b"<")[1].split(b">")[0].decode()
                    self.asked[address] = self.asked.get(address, 0) + 1
                    said = self.answer(address, self.asked[address])
                    if said.startswith("2"):
                        recipients.append(address)
                    say(said)
                elif verb == b"DATA":
                    say("354 go")
                    body = b""
                    while (data := lines.readline()) not in (b".\r\n", b""):
                        body += data[1:] if data.startswith(b".") else data
                    self.taken.append((sender, recipients, body))
                    say("250 2.0.0 taken")
                elif verb == b"QUIT":
                    say("221 2.0.0 bye")
                    return
                else:
                    say("250 2.0.0 ok")

    def wait(self, count: int, patience: float = 60) -> None:
        end = time.monotonic() + patience
        while len(self.taken) < count and time.monotonic() < end:
            time.sleep(0.05)
        assert len(self.taken) >= count

    def body_for(self, address: str, patience: float = 60) -> bytes:
        """What came for an address, as soon as it is there."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            for _, recipients, body in self.taken:
                if address in recipients:
                    return body
            time.sleep(0.05)
        raise AssertionError(f"nothing came for {address}")

    def close(self) -> None:
        self.open = False
        self.listening.close()


def answer(address: str, time_asked: int) -> str:
    if address.startswith("unknown"):
        return "550 5.1.1 there is nobody of that name"
    if address.startswith("later") and time_asked == 1:
        return "451 4.7.1 come back in a moment"
    return "250 2.1.5 ok"


@pytest.fixture(scope="module")
def far() -> Iterator[FarServer]:
    far = FarServer(answer)
    yield far
    far.close()


@pytest.fixture(scope="module")
def signing_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    path = tmp_path_factory.mktemp("dkim") / "dkim.pem"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


@pytest.fixture(scope="module")
def options(far: FarServer, signing_key: Path) -> tuple[str, ...]:
    wishes = ['queue.retry=["1 s"]', "queue.poll=0.2", f"mailauth.dkim_key={signing_key}"]
    return ("--smarthost", f"127.0.0.1:{far.port}", *(word for wish in wishes for word in ("--set", wish)))


def text_to(*recipients: str, subject: str) -> bytes:
    head = f"From: marc.garnier@ac-demo.test\r\nTo: {', '.join(recipients)}\r\nSubject: {subject}\r\n"
    return head.encode() + b"\r\nBonjour\r\n"


def test_mail_goes_to_the_smarthost_and_local_copies_stay(stack: Any, far: FarServer) -> None:
    me, local = stack.user("marc.garnier")["address"], stack.user("ops")["address"]
    with stack.submission("marc.garnier") as client:
        client.sendmail(me, ["parent@example.net", local], text_to("parent@example.net", subject="dehors"))
    far.wait(1)
    sender, recipients, body = far.taken[-1]
    assert (sender, recipients) == (me, ["parent@example.net"])
    assert b"Subject: dehors" in body
    assert b"127.0.0.1" not in body.split(b"\r\n\r\n")[0]
    assert any(b"Subject: dehors" in one for one in stack.messages("ops"))
    assert stack.command("queue", "list").stdout.strip().endswith("0 in the queue.")


def verified_elsewhere(body: bytes, key: bytes) -> list[str]:
    """What dkimpy says with its own arithmetic, which the server's takes the place of within one process."""
    program = (
        "import sys, dkim\nasked = []\n"
        "def txt(name, timeout=5):\n    asked.append(name.decode())\n    return sys.argv[1].encode()\n"
        "print(dkim.verify(sys.stdin.buffer.read(), dnsfunc=txt), *asked)"
    )
    done = subprocess.run([sys.executable, "-c", program, key], input=body, capture_output=True, timeout=60, check=True)
    return done.stdout.decode().split()


def test_what_leaves_is_signed_for_the_author(stack: Stack, far: FarServer, signing_key: Path) -> None:
    me = stack.user("marc.garnier")["address"]
    with stack.submission("marc.garnier") as client:
        client.sendmail(me, ["signed@example.net"], text_to("signed@example.net", subject="signed"))
    body = far.body_for("signed@example.net")
    public = load_pem_private_key(signing_key.read_bytes(), None).public_key()
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    key = b"v=DKIM1; k=rsa; p=" + base64.b64encode(der)
    assert verified_elsewhere(body, key) == ["True", "mail._domainkey.ac-demo.test."]
    assert verified_elsewhere(body.replace(b"Bonjour", b"Bonsoir"), key)[0] == "False"
    local = [one for one in stack.messages("marc.garnier") if b"DKIM-Signature:" in one]
    assert local == []


def test_a_refusal_comes_back_as_a_report_people_can_read(stack: Any, far: FarServer) -> None:
    me = stack.user("marc.garnier")["address"]
    before = stack.count("marc.garnier")
    with stack.submission("marc.garnier") as client:
        client.sendmail(me, ["unknown@example.net", "friend@example.net"], text_to("x@example.net", subject="retour"))
    end = time.monotonic() + 60
    while stack.count("marc.garnier") == before and time.monotonic() < end:
        time.sleep(0.2)
    report = email.message_from_bytes(stack.messages("marc.garnier")[-1], policy=default)
    assert report.get_content_type() == "multipart/report"
    assert report.get_param("report-type") == "delivery-status"
    assert report["Return-Path"] == "<>"
    parts = list(report.iter_parts())
    words = parts[0].get_content()
    assert "unknown@example.net" in words
    assert "there is nobody of that name" in words
    status = parts[1].as_string()
    assert "Action: failed" in status
    assert "Status: 5.1.1" in status
    assert "friend@example.net" not in status
    assert far.asked["friend@example.net"] == 1


def test_what_was_put_off_is_tried_again(stack: Any, far: FarServer) -> None:
    me = stack.user("marc.garnier")["address"]
    count = len(far.taken)
    with stack.submission("marc.garnier") as client:
        client.sendmail(me, ["later@example.net"], text_to("later@example.net", subject="patience"))
    far.wait(count + 1)
    assert far.asked["later@example.net"] == 2


def test_the_queue_survives_kill_9(own_stack: Any) -> None:
    far = FarServer(lambda address, _: "250 2.1.5 ok" if open_for_business.is_set() else "451 4.3.0 not now")
    open_for_business = threading.Event()
    own_stack.options = (
        *own_stack.options,
        *("--smarthost", f"127.0.0.1:{far.port}", "--set", 'queue.retry=["1 s"]', "--set", "queue.poll=0.2"),
    )
    own_stack.start()
    me = own_stack.user("marc.garnier")["address"]
    with own_stack.submission("marc.garnier") as client:
        for number in range(5):
            client.sendmail(me, [f"r{number}@example.net"], text_to("r@example.net", subject=f"n{number}"))
    own_stack.kill()
    open_for_business.set()
    own_stack.start()
    far.wait(5)
    time.sleep(2)
    assert sorted(recipients for _, recipients, _ in far.taken) == [[f"r{n}@example.net"] for n in range(5)]
    assert own_stack.stop() == 0
    far.close()


def test_an_outsider_is_told_of_success_when_asked(stack: Any, far: FarServer) -> None:
    """NOTIFY=SUCCESS for a local mailbox gives a report to the sender, through the queue."""
    count = len(far.taken)
    with stack.mx() as client:
        client.ehlo()
        client.mail("asker@example.net", ["RET=HDRS", "ENVID=abc+2B1"])
        client.rcpt(stack.user("ops")["address"], ["NOTIFY=SUCCESS", "ORCPT=rfc822;ops@ac-demo.test"])
        client.data(b"From: asker@example.net\r\nSubject: accuse\r\n\r\nx\r\n")
    far.wait(count + 1)
    sender, recipients, body = far.taken[-1]
    assert (sender, recipients) == ("", ["asker@example.net"])
    assert b"Action: delivered" in body
    assert b"Original-Envelope-Id: abc+1" in body
