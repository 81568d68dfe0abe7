"""Start, certificates, stop; and programs that others wrote, as clients."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import smtplib
import ssl
import subprocess
import threading
import time
from email.message import EmailMessage

import pytest

from config.settings import Settings, Site, Tls
from smtp import listeners

from .conftest import Rooms, make_certificate

MESSAGE = b"Subject: x\r\n\r\nbody\r\n.\r\n"


def test_a_bad_certificate_stops_the_start(tmp_path):
    (tmp_path / "c.pem").write_text("nothing")
    settings = Settings(site=Site(data=tmp_path), tls=Tls(tmp_path / "c.pem", tmp_path / "c.pem"))
    with pytest.raises(ssl.SSLError):
        asyncio.run(listeners.start(settings, Rooms(), {}))


def test_certificates_are_reloaded_and_bad_ones_refused(make_server, tmp_path):
    certificate, key = make_certificate(tmp_path / "tls")
    server = make_server(tls=Tls(certificate, key))

    def seen() -> bytes:
        client = server.connect("submissions", greet=False).tls()
        return client.socket.getpeercert(binary_form=True)

    old = seen()
    running = server.connect("submissions", greet=False).tls()
    certificate.write_text("broken")
    assert not server.listeners.reload()
    assert seen() == old
    make_certificate(tmp_path / "tls")
    assert server.listeners.reload()
    assert seen() != old
    assert running.reply().startswith(b"220")


def test_stop_sends_idle_clients_away_and_lets_transactions_finish(make_server):
    server = make_server()
    idle = server.connect().hello()
    silent = server.connect()
    busy = server.connect().hello().start()
    waiting = server.connect().hello()
    server.rooms.inbound.gate = threading.Event()
    stopping = asyncio.run_coroutine_threadsafe(server.listeners.stop(grace=10), server.loop)
    assert idle.closed().startswith(b"421 4.3.2")
    assert silent.closed().startswith(b"421 4.3.2")
    assert waiting.closed().startswith(b"421 4.3.2")
    with pytest.raises(OSError):
        server.connect()
    busy.say(b"DATA")
    busy.send(MESSAGE)
    assert server.rooms.inbound.entered.wait(10)
    assert not stopping.done()
    server.rooms.inbound.gate.set()
    assert busy.reply().startswith(b"250 2.0.0")
    assert busy.closed().startswith(b"421 4.3.2")
    stopping.result(10)
    assert len(server.rooms.inbound.kept) == 1


def test_stop_cuts_what_does_not_finish(make_server):
    server = make_server()
    client = server.connect().hello().start()
    began = time.monotonic()
    server.call(server.listeners.stop(grace=0.3))
    assert time.monotonic() - began < 5
    assert client.closed().startswith(b"421 4.3.2")


def test_ten_clients_with_large_messages_at_once(make_server):
    server = make_server(spool_memory=4096)
    octets = b"Subject: x\r\n\r\n" + b"z" * 900 + b"\r\n"

    def send(number: int) -> None:
        with smtplib.SMTP("127.0.0.1", server.ports["mx"], timeout=30) as client:
            for _ in range(3):
                client.sendmail(f"a{number}@far.example", ["marie@ecole.example"], octets * number)

    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        list(pool.map(send, range(1, 11)))
    sizes = sorted(len(one) for _, one in server.rooms.inbound.kept)
    assert sizes == sorted([len(octets) * number for number in range(1, 11)] * 3)


def test_smtplib(make_server):
    server = make_server()
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "marie@ecole.example", "u@far.example", "Été"
    mail.set_content("Ligne\n.\n..deux\n")
    with smtplib.SMTP("127.0.0.1", server.ports["submission"], timeout=30) as client:
        client.starttls(context=context)
        with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
            client.login("marie", "wrong")
        assert refused.value.smtp_code == 535
    with smtplib.SMTP_SSL("127.0.0.1", server.ports["submissions"], timeout=30, context=context) as client:
        client.ehlo()
        code, _ = client.docmd("AUTH", "PLAIN AG1hcmllAHJhZGl1bSDDqQ==")
        assert code == 235
        client.send_message(mail)
    assert server.rooms.submission.kept[0][1].endswith(b"\r\n.\r\n..deux\r\n")


def test_swaks(make_server, need):
    server = make_server(cleartext_auth=("127.0.0.0/8",))
    done = subprocess.run(
        [
            need("swaks", "swaks"), "--server", f"127.0.0.1:{server.ports['submission']}", "--auth", "PLAIN",
            "--auth-user", "marie", "--auth-password", "radium é", "--from", "marie@ecole.example",
            "--to", "u@far.example,jean@ecole.example",
        ],
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(server.rooms.submission.kept[0][0].recipients) == 2


@pytest.mark.parametrize("options", [["-l", "20480"], ["-l", "3000000"], ["-d", "-s", "4"], ["-r", "3"]])
def test_smtp_source(make_server, need, options):
    server = make_server(spool_memory=100_000)
    server.rooms.directory.resolve = lambda address: ()
    done = subprocess.run(
        [
            need("smtp-source", "postfix"), "-m", "20", "-f", "a@far.example", "-t", "marie@ecole.example",
            *options, f"127.0.0.1:{server.ports['mx']}",
        ],
        capture_output=True, timeout=60, check=False, env={**os.environ, "MAIL_CONFIG": "/etc/postfix"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(server.rooms.inbound.kept) == 20


def test_what_is_logged(server, monkeypatch):
    import structlog

    import smtp.conversation
    import smtp.server
    import smtp.submission

    lines: list[dict] = []

    def keep(_, method, event):
        lines.append({**event, "level": method})
        raise structlog.DropEvent

    logger = structlog.wrap_logger(None, processors=[structlog.contextvars.merge_contextvars, keep])
    monkeypatch.setattr(smtp.conversation, "log", logger)
    monkeypatch.setattr(smtp.server, "log", logger)
    monkeypatch.setattr(smtp.submission, "log", logger)
    client = server.connect("submissions", greet=False).tls()
    client.reply()
    client.hello()
    client.say(b"AUTH PLAIN AG1hcmllAHdyb25n")
    client.say(b"AUTH PLAIN AG1hcmllAHJhZGl1bSDDqQ==")
    client.say(b"MAIL FROM:<jean@ecole.example>")
    client.start(b"u@far.example", sender=b"marie@ecole.example")
    identifier = client.data(MESSAGE).split(b"id=")[1].strip().decode()
    client.say(b"QUIT")
    assert server.idle()
    events = {line["event"] for line in lines}
    assert events == {"smtp.connected", "smtp.auth", "smtp.sender_refused", "smtp.message", "smtp.disconnected"}
    assert len({line["session"] for line in lines}) == 1
    (message,) = [line for line in lines if line["event"] == "smtp.message"]
    assert (message["id"], message["reply"], message["sender"]) == (identifier, 250, "marie@ecole.example")
    assert [line["outcome"] for line in lines if line["event"] == "smtp.auth"] == ["mismatch", "ok"]
    assert "radium" not in repr(lines)
    assert "wrong" not in repr(lines)
