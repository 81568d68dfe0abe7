"""The ports for users: checklist section 2."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
import socket
import ssl

import pytest
import uvloop

from config.settings import Auth, Tls
from delivery.outcome import Disposition, Fate, Reason
from directory.api import DirectoryUnavailable
from directory.model import Outcome

from .conftest import MARIE

MESSAGE = b"From: marie@ecole.example\r\nSubject: x\r\n\r\nbody\r\n.\r\n"


def plain(login: str, password: str, authzid: str = "") -> bytes:
    return base64.b64encode(f"{authzid}\0{login}\0{password}".encode())


GOOD = plain("marie", "radium é")


@pytest.fixture
def client(server):
    """Greeted, over TLS, not signed in."""
    client = server.connect("submission").hello()
    assert client.code(b"STARTTLS") == b"220 2.0.0"
    return client.tls().hello()


@pytest.fixture
def signed_in(client):
    assert client.code(b"AUTH PLAIN " + GOOD) == b"235 2.7.0"
    return client


def test_a_message(server, signed_in):
    signed_in.start(b"u@far.example", b"jean@ecole.example", sender=b"marie@ecole.example")
    assert signed_in.data(MESSAGE).startswith(b"250 2.0.0 OK id=")
    ((envelope, octets),) = server.rooms.submission.kept
    assert octets == MESSAGE[:-3]
    assert envelope.client.account == "a1"
    assert envelope.client.tls.startswith("TLSv1.3")
    assert [one.address for one in envelope.recipients] == ["u@far.example", "jean@ecole.example"]
    assert server.rooms.submission.accounts == [MARIE]
    ((credentials, service, address),) = server.rooms.door.seen
    assert (credentials.login, credentials.password, service, address) == ("marie", "radium é", "smtp", "127.0.0.1")
    assert not server.rooms.inbound.kept


def test_implicit_tls(server):
    client = server.connect("submissions", greet=False).tls()
    assert client.reply().startswith(b"220 ")
    offered = client.say(b"EHLO x")
    assert b"AUTH PLAIN LOGIN" in offered
    assert b"STARTTLS" not in offered
    assert client.code(b"STARTTLS") == b"503 5.5.1"
    assert client.code(b"AUTH PLAIN " + GOOD) == b"235 2.7.0"
    client.start(b"u@far.example", sender=b"marie@ecole.example")
    assert client.data(MESSAGE).startswith(b"250")


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_handshake_that_begins_before_the_session(make_server, loop_factory):
    server = make_server(loop_factory=loop_factory)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    for _ in range(20):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing)
        with pytest.raises(ssl.SSLWantReadError):
            tls.do_handshake()
        hello = outgoing.read()
        client = server.connect("submissions", greet=False)
        client.send(hello[:7])
        client.send(hello[7:])
        banner = b""
        while not banner:
            incoming.write(client.socket.recv(65536))
            with contextlib.suppress(ssl.SSLWantReadError):
                tls.do_handshake()
                client.send(outgoing.read())
                banner = tls.read(100)
        assert banner.startswith(b"220 ")
        client.socket.close()
    gone = server.connect("submissions", greet=False)
    gone.send(hello[:7])
    gone.socket.shutdown(socket.SHUT_WR)
    gone.closed()
    assert server.idle()


@pytest.mark.parametrize(
    "command",
    [b"AUTH PLAIN " + GOOD, b"AUTH LOGIN", b"MAIL FROM:<marie@ecole.example>", b"VRFY x", b"BDAT 4 LAST\r\nQUIT"],
)
def test_nothing_before_tls(server, command):
    client = server.connect("submission")
    offered = client.say(b"EHLO x")
    assert b"AUTH" not in offered
    assert b"STARTTLS" in offered
    client.send(command + (b"" if command.startswith(b"BDAT") else b"\r\n"))
    assert client.reply().startswith(b"530 5.7.0")
    assert client.code(b"NOOP") == b"250 2.0.0"
    assert not server.rooms.door.seen


@pytest.mark.parametrize("command", [b"MAIL FROM:<marie@ecole.example>", b"MAIL FROM:<>", b"BDAT 4 LAST\r\nQUIT"])
def test_nothing_before_sign_in(client, command):
    client.send(command + (b"" if command.startswith(b"BDAT") else b"\r\n"))
    assert client.reply().startswith(b"530 5.7.0")
    assert client.code(b"NOOP") == b"250 2.0.0"


def test_networks_of_a_tls_proxy_may_sign_in_in_clear(make_server):
    server = make_server(cleartext_auth=("127.0.0.2/32",))
    client = server.connect("submission", source="127.0.0.2")
    assert b"AUTH PLAIN" in client.say(b"EHLO x")
    assert client.code(b"AUTH PLAIN " + GOOD) == b"235 2.7.0"
    other = server.connect("submission").hello()
    assert other.code(b"AUTH PLAIN " + GOOD) == b"530 5.7.0"


def test_without_a_certificate_nobody_signs_in(make_server):
    server = make_server(tls=Tls())
    client = server.connect("submission")
    offered = client.say(b"EHLO x")
    assert b"STARTTLS" not in offered
    assert b"AUTH" not in offered
    assert client.code(b"STARTTLS") == b"502 5.5.1"
    assert client.code(b"AUTH PLAIN " + GOOD) == b"530 5.7.0"


def b64(text: str) -> bytes:
    return base64.b64encode(text.encode())


@pytest.mark.parametrize(
    ("lines", "answers"),
    [
        ([b"AUTH PLAIN " + GOOD], [b"235 2.7.0"]),
        ([b"auth plain " + GOOD], [b"235 2.7.0"]),
        ([b"AUTH PLAIN", GOOD], [b"334", b"235 2.7.0"]),
        ([b"AUTH LOGIN", b64("marie"), b64("radium é")], [b"334 VXNlcm5hbWU6", b"334 UGFzc3dvcmQ6", b"235 2.7.0"]),
        ([b"AUTH LOGIN " + b64("marie"), b64("radium é")], [b"334 UGFzc3dvcmQ6", b"235 2.7.0"]),
        ([b"AUTH PLAIN " + plain("marie", "radium é", "marie@ecole.example")], [b"235 2.7.0"]),
        ([b"AUTH PLAIN " + plain("marie", "radium é", "Marie")], [b"235 2.7.0"]),
        ([b"AUTH PLAIN " + plain("marie", "radium é", "jean")], [b"535 5.7.8"]),
        ([b"AUTH PLAIN " + plain("marie", "wrong")], [b"535 5.7.8"]),
        ([b"AUTH PLAIN " + plain("nobody", "radium é")], [b"535 5.7.8"]),
        ([b"AUTH PLAIN " + b64("no nul")], [b"535 5.7.8"]),
        ([b"AUTH PLAIN " + b64("\0\0\0\0\0")], [b"535 5.7.8"]),
        ([b"AUTH PLAIN " + base64.b64encode(b"\0\xff\0\xfe")], [b"535 5.7.8"]),
        ([b"AUTH PLAIN ="], [b"535 5.7.8"]),
        ([b"AUTH PLAIN", b"="], [b"334", b"535 5.7.8"]),
        ([b"AUTH PLAIN", b""], [b"334", b"535 5.7.8"]),
        ([b"AUTH PLAIN", b"*"], [b"334", b"501 5.7.0"]),
        ([b"AUTH LOGIN", b64("marie"), b"*"], [b"334 VXNlcm5hbWU6", b"334 UGFzc3dvcmQ6", b"501 5.7.0"]),
        ([b"AUTH PLAIN !!!!"], [b"501 5.5.2"]),
        ([b"AUTH PLAIN", b"QUIT"[:3]], [b"334", b"501 5.5.2"]),
        ([b"AUTH PLAIN", b"x" * 12287], [b"334", b"500 5.5.6"]),
        ([b"AUTH PLAIN", b"x" * 1_000_000], [b"334", b"500 5.5.6"]),
        ([b"AUTH PLAIN " + b"x" * 1_000_000], [b"500 5.5.6"]),
        ([b"AUTH"], [b"501 5.5.4"]),
        ([b"AUTH PLAIN a b"], [b"501 5.5.4"]),
        ([b"AUTH CRAM-MD5"], [b"504 5.5.4"]),
        ([b"AUTH GSSAPI"], [b"504 5.5.4"]),
    ],
)
def test_auth_exchanges(client, lines, answers):
    for line, answer in zip(lines, answers, strict=True):
        assert client.code(line) == answer
    assert client.code(b"NOOP") == b"250 2.0.0"


def test_authentication_happens_once_and_not_within_mail(client):
    assert client.code(b"AUTH PLAIN " + GOOD) == b"235 2.7.0"
    assert client.code(b"AUTH PLAIN " + GOOD) == b"503 5.5.1"
    assert b"AUTH" not in client.say(b"EHLO x")
    client.say(b"MAIL FROM:<marie@ecole.example>")
    assert client.code(b"AUTH PLAIN " + GOOD) == b"503 5.5.1"
    assert client.code(b"RCPT TO:<u@far.example>") == b"250 2.1.5"


def test_auth_needs_ehlo(server):
    client = server.connect("submission").hello()
    client.say(b"STARTTLS")
    client.tls()
    assert client.code(b"AUTH PLAIN " + GOOD) == b"503 5.5.1"
    client.say(b"HELO x")
    assert client.code(b"AUTH PLAIN " + GOOD) == b"503 5.5.1"


@pytest.mark.parametrize("outcome", [one for one in Outcome if one is not Outcome.OK])
def test_outcomes_are_told_alike(server, client, outcome):
    server.rooms.door.outcome = outcome
    answer = client.say(b"AUTH PLAIN " + GOOD)
    if outcome is Outcome.UNAVAILABLE:
        assert answer.startswith(b"454 4.7.0")
    else:
        assert answer == b"535 5.7.8 Authentication credentials invalid\r\n"
    assert client.code(b"MAIL FROM:<marie@ecole.example>") == b"530 5.7.0"


def test_guessing_passwords_ends_the_session(make_server):
    server = make_server(errors_before_delay=2, errors_before_close=4, auth=Auth(failure_delay=0))
    client = server.connect("submissions", greet=False).tls()
    client.reply()
    client.hello()
    for _ in range(3):
        assert client.code(b"AUTH PLAIN " + plain("marie", "x")) == b"535 5.7.8"
    client.send(b"AUTH PLAIN " + plain("marie", "x") + b"\r\n")
    assert client.closed().endswith(b"421 4.7.0 Too many errors, closing connection\r\n")


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (b"MAIL FROM:<marie@ecole.example>", b"250 2.1.0"),
        (b"MAIL FROM:<MARIE@Ecole.example> AUTH=<>", b"250 2.1.0"),
        (b"MAIL FROM:<>", b"250 2.1.0"),
        (b"MAIL FROM:<jean@ecole.example>", b"553 5.7.1"),
        (b"MAIL FROM:<marie@far.example>", b"553 5.7.1"),
        (b"MAIL FROM:<marie@ecole.example> SIZE=26214401", b"552 5.3.4"),
    ],
)
def test_senders(signed_in, command, code):
    assert signed_in.code(command) == code


@pytest.mark.parametrize(
    ("address", "code"),
    [
        (b"u@far.example", b"250 2.1.5"),
        (b"u%x@far.example", b"250 2.1.5"),
        (b'"u x"@far.example', b"250 2.1.5"),
        (b"jean@ecole.example", b"250 2.1.5"),
        (b"postmaster", b"250 2.1.5"),
        (b"nobody@ecole.example", b"550 5.1.1"),
        (b"u@far", b"553 5.1.2"),
        (b"u@192.0.2.1", b"553 5.1.2"),
        (b"u@[192.0.2.1]", b"553 5.1.2"),
        (b"u@far..example", b"501 5.5.2"),
        (b"@a.example:u@far.example", b"550 5.7.1"),
    ],
)
def test_recipients(signed_in, address, code):
    signed_in.say(b"MAIL FROM:<marie@ecole.example>")
    assert signed_in.code(b"RCPT TO:<" + address + b">") == code


def test_directory_away(server, signed_in):
    signed_in.say(b"MAIL FROM:<marie@ecole.example>")
    server.rooms.directory.away = True
    assert signed_in.code(b"RCPT TO:<jean@ecole.example>") == b"451 4.4.3"
    assert signed_in.code(b"RCPT TO:<u@far.example>") == b"250 2.1.5"
    server.rooms.door.check = _away
    assert signed_in.code(b"NOOP") == b"250 2.0.0"


def _away(*_, **__):
    raise DirectoryUnavailable("away")


def test_a_locked_account_loses_its_session(server, signed_in):
    signed_in.start(b"u@far.example", sender=b"marie@ecole.example")
    assert signed_in.data(MESSAGE).startswith(b"250")
    server.rooms.door.valid = False
    assert signed_in.code(b"MAIL FROM:<marie@ecole.example>") == b"421 4.7.0"
    assert signed_in.closed() == b""


def submissions(server):
    client = server.connect("submissions", greet=False).tls()
    client.reply()
    client.hello()
    assert client.code(b"AUTH PLAIN " + GOOD) == b"235 2.7.0"
    return client


def test_messages_an_hour(make_server):
    server = make_server(messages_per_hour=3)
    for _ in range(3):
        client = submissions(server)
        client.start(b"u@far.example", sender=b"marie@ecole.example")
        assert client.data(MESSAGE).startswith(b"250")
    client = submissions(server)
    assert client.code(b"MAIL FROM:<marie@ecole.example>") == b"450 4.7.1"
    assert len(server.rooms.submission.kept) == 3


def test_recipients_an_hour_refused_ones_included(make_server):
    server = make_server(recipients_per_hour=3)
    client = submissions(server)
    client.say(b"MAIL FROM:<marie@ecole.example>")
    assert client.code(b"RCPT TO:<u@far.example>") == b"250 2.1.5"
    assert client.code(b"RCPT TO:<x@ecole.example>") == b"550 5.1.1"
    assert client.code(b"RCPT TO:<v@far.example>") == b"250 2.1.5"
    assert client.code(b"RCPT TO:<w@far.example>") == b"450 4.7.1"


def test_a_message_that_was_refused_does_not_count(make_server):
    server = make_server(messages_per_hour=1)
    client = submissions(server)
    server.rooms.submission.whole = Disposition("", Fate.REFUSED, Reason.NOT_SENDER)
    client.start(b"u@far.example", sender=b"marie@ecole.example")
    assert client.data(MESSAGE).startswith(b"550 5.7.1")
    server.rooms.submission.whole = None
    client.start(b"u@far.example", sender=b"marie@ecole.example")
    assert client.data(MESSAGE).startswith(b"250 2.0.0")


def test_users_read_french(make_server):
    server = make_server()
    service = server.listener("submission").service
    service._site = dataclasses.replace(service._site, language="fr")
    client = server.connect("submission").hello()
    assert client.say(b"AUTH LOGIN").startswith(b"530 5.7.0 Connexion chiffree requise")
    client.say(b"STARTTLS")
    client.tls().hello()
    answer = client.say(b"AUTH PLAIN " + plain("marie", "x"))
    assert answer == b"535 5.7.8 Identifiant ou mot de passe incorrect\r\n"
