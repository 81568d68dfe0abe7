"""The relay against real servers: ours, Postfix's smtp-sink, and scripted hostile ones."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import socket
import ssl
import subprocess
import threading
import time

import pytest

from config.settings import Queue, Site
from delivery.queue.model import QueuedMessage, QueuedRecipient, State
from mailauth.exchangers import Exchanger, LookupFailed, NoExchanger, NoSuchDomain, NullMx
from message.content import MemoryContent
from message.envelope import Notify
from smtp.relay.deliver import SmtpRelay, host_and_port

OCTETS = b"Subject: x\r\n\r\n.one\r\n..two\r\n.\r\nend\r\n"


class Source:
    def __init__(self, *exchangers, error=None):
        self.exchangers = exchangers
        self.error = error

    def of(self, domain):
        if self.error:
            raise self.error
        return self.exchangers


def item(*addresses, octets=OCTETS, sender="marie@ecole.example", **more):
    recipients = tuple(
        one if isinstance(one, QueuedRecipient) else QueuedRecipient(one) for one in addresses or ("u@far.example",)
    )
    return QueuedMessage(1, "ID1", sender, "far.example", recipients, MemoryContent(octets), 0.0, 0.0, 0, **more)


@pytest.fixture
def relay():
    relays = []

    def make(port, source=None, *, tls=None, **settings):
        settings = {"connect_timeout": 3.0, "reply_timeout": 3.0, "lease": 60.0, **settings}
        queue = dataclasses.replace(Queue(), port=port, **settings)
        source = source or Source(Exchanger("mx.far.example", 10, ("127.0.0.1",)))
        one = SmtpRelay(queue, Site("mail.ecole.example"), source, tls=tls)
        relays.append(one)
        return one

    yield make
    for one in relays:
        one.close()


class Script:
    """A server that gives these answers, whatever it is told; ``said`` is what it was told.

    An answer is octets, or a function of the connection. After DATA it reads to the final dot. One connection at a
    time.
    """

    def __init__(self, *answers, connections=1):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(10)
        self.port = self.socket.getsockname()[1]
        self.answers = answers
        self.said: list[bytes] = []
        self.connections = 0
        self.thread = threading.Thread(target=self._serve, args=(connections,), daemon=True)
        self.thread.start()

    def _serve(self, connections):
        with contextlib.suppress(OSError):
            for _ in range(connections):
                connection, _ = self.socket.accept()
                self.connections += 1
                with connection, contextlib.suppress(OSError):
                    self._talk(connection)

    def _talk(self, connection):
        lines = connection.makefile("rb")
        for number, answer in enumerate(self.answers):
            if number:
                line = lines.readline()
                if not line or line == b"QUIT\r\n":
                    return
                self.said.append(line)
            if callable(answer):
                answer(connection)
            elif answer:
                connection.sendall(answer)
            if isinstance(answer, bytes) and answer.startswith(b"354"):
                while (line := lines.readline()) not in (b".\r\n", b""):
                    self.said.append(line)
                connection.sendall(self.answers[number + 1])
                lines.readline()
                return
        lines.readline()

    def close(self):
        self.socket.close()


@pytest.fixture
def script():
    made = []

    def make(*answers, **more):
        made.append(Script(*answers, **more))
        return made[-1]

    yield make
    for one in made:
        one.close()


EHLO = b"250-far\r\n250-SIZE 1000000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 DSN\r\n"
OK = b"250 2.0.0 ok\r\n"
GO = b"354 go\r\n"


def test_to_our_own_server_over_tls(relay, make_server):
    server = make_server()
    wishes = QueuedRecipient("jean@ecole.example", "rfc822;j+x@c.example", frozenset({Notify.DELAY, Notify.SUCCESS}))
    done = QueuedRecipient("old@ecole.example", state=State.SENT)
    message = item("marie@ecole.example", done, wishes, "nobody@ecole.example", ret="HDRS", envid="Q+1 x")
    attempts = relay(server.ports["mx"]).attempt(message)
    assert [(one.address, one.code, one.status) for one in attempts] == [
        ("marie@ecole.example", 250, "2.0.0"),
        ("jean@ecole.example", 250, "2.0.0"),
        ("nobody@ecole.example", 550, "5.1.1"),
    ]
    assert attempts[0].remote == "mx.far.example [127.0.0.1]"
    ((envelope, octets),) = server.rooms.inbound.kept
    assert octets == OCTETS
    assert envelope.client.tls
    assert envelope.client.helo == "mail.ecole.example"
    assert (envelope.ret, envelope.envid) == ("HDRS", "Q+1 x")
    assert envelope.recipients[1].original == "rfc822;j+x@c.example"
    assert envelope.recipients[1].notify == {Notify.DELAY, Notify.SUCCESS}


@pytest.mark.parametrize("octets", [OCTETS, b"Subject: x\r\n\r\n" + b".y\r\n" * 400_000, "é\r\n".encode()])
def test_octets_arrive_as_they_are(relay, make_server, octets):
    server = make_server()
    (attempt,) = relay(server.ports["mx"]).attempt(item("marie@ecole.example", octets=octets, sender=""))
    assert attempt.code == 250
    assert server.rooms.inbound.kept[0][1] == octets
    assert server.rooms.inbound.kept[0][0].sender == ""


def test_to_postfix_smtp_sink(relay, need, tmp_path):
    tmp_path.chmod(0o777)
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    sink = subprocess.Popen(
        [
            need("smtp-sink", "postfix"),
            *(["-u", "nobody"] if os.getuid() == 0 else []),
            "-c",
            "-d",
            "%M.",
            f"127.0.0.1:{port}",
            "10",
        ],
        stdout=subprocess.DEVNULL,
        cwd=tmp_path,
    )
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.05)
        attempts = relay(port).attempt(item("a@far.example", "b@far.example"))
    finally:
        sink.terminate()
        sink.wait(10)
    assert [one.code for one in attempts] == [250, 250]
    kept = b"".join(one.read_bytes() for one in tmp_path.iterdir())
    assert b"\n.one\n..two\n.\nend\n" in kept


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (NullMx("x"), 556, "5.1.10"),
        (NoSuchDomain("x"), 550, "5.1.2"),
        (LookupFailed("x"), 450, "4.4.3"),
        (NoExchanger("x"), 554, "5.4.6"),
    ],
)
def test_domains_without_servers(relay, error, code, status):
    (attempt,) = relay(1, Source(error=error)).attempt(item())
    assert (attempt.code, attempt.status) == (code, status)


def test_connection_refused(relay):
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        attempts = relay(one.getsockname()[1]).attempt(item("a@far.example", "b@far.example"))
    assert [(one.code, one.status) for one in attempts] == [(450, "4.4.1")] * 2


def test_hosts_are_tried_in_order(relay, script):
    good = script(b"220 x\r\n", EHLO, OK, OK, GO, OK)
    source = Source(Exchanger("one", 10, ("127.0.0.2",)), Exchanger("two", 20, ("127.0.0.3", "127.0.0.1")))
    (attempt,) = relay(good.port, source).attempt(item())
    assert attempt.code == 250
    assert attempt.remote == "two [127.0.0.1]"


@pytest.mark.parametrize(
    ("answers", "code", "status"),
    [
        ([b"554 5.7.1 go away\r\n"], 450, "4.3.2"),
        ([b"421 4.3.2 later\r\n"], 450, "4.3.2"),
        ([b"garbage\r\n"], 450, "4.4.1"),
        ([b"220 x\r\n", b"421 busy\r\n"], 450, "4.3.2"),
        ([b"220 x\r\n", b"502 no\r\n", b"502 no\r\n"], 450, "4.3.2"),
        ([b"220 x\r\n", EHLO, b"550 5.7.1 not you\r\n"], 550, "5.7.1"),
        ([b"220 x\r\n", EHLO, b"451 later\r\n"], 451, "4.0.0"),
        ([b"220 x\r\n", EHLO, OK, b"550 5.1.1 nobody\r\n"], 550, "5.1.1"),
        ([b"220 x\r\n", EHLO, OK, b"450-4.2.1 grey\r\n450 4.2.1 listed\r\n"], 450, "4.2.1"),
        ([b"220 x\r\n", EHLO, OK, b"552 5.5.3 too many\r\n"], 452, "4.5.3"),
        ([b"220 x\r\n", EHLO, OK, b"552 5.2.2 full\r\n"], 552, "5.2.2"),
        ([b"220 x\r\n", EHLO, OK, OK, b"554 5.7.1 no\r\n"], 554, "5.7.1"),
        ([b"220 x\r\n", EHLO, OK, OK, b"250 2.0.0 already\r\n"], 451, "4.5.0"),
        ([b"220 x\r\n", EHLO, OK, OK, GO, b"550 5.6.0 bad\r\n"], 550, "5.6.0"),
        ([b"220 x\r\n", EHLO, OK, OK, GO, b"999 x\r\n"], 451, "4.5.0"),
        ([b"220 x\r\n", EHLO, OK, OK, GO, b"250 2.0.0 thanks\r\n"], 250, "2.0.0"),
        ([b"220 x\r\n", b"502 no\r\n", b"250 hi\r\n", OK, OK, GO, b"250 thanks\r\n"], 250, "2.0.0"),
    ],
)
def test_what_the_far_server_says(relay, script, answers, code, status):
    (attempt,) = relay(script(*answers).port).attempt(item())
    assert (attempt.code, attempt.status) == (code, status)


def hang_up(connection):
    connection.shutdown(socket.SHUT_RDWR)


def endless(start: bytes, piece: bytes):
    def answer(connection):
        connection.sendall(start)
        with contextlib.suppress(OSError):
            for _ in range(100_000):
                connection.sendall(piece)

    return answer


def trickle(connection):
    with contextlib.suppress(OSError):
        for _ in range(100):
            connection.sendall(b"2")
            time.sleep(0.2)


@pytest.mark.parametrize(
    "answers",
    [
        [hang_up],
        [b""],
        [endless(b"", b"x" * 1000)],
        [endless(b"", b"220-x\r\n" * 100)],
        [b"220 x\r\n", hang_up],
        [b"220 x\r\n", endless(b"", b"250-x\r\n" * 100)],
        [b"220 x\r\n", trickle],
        [b"220 x\r\n", EHLO, OK, hang_up],
        [b"220 x\r\n", EHLO, OK, OK, hang_up],
        [b"220 x\r\n", EHLO, OK, endless(b"250 ", b"x" * 1000)],
        [b"220 x\r\n", EHLO, b"250 \xff\xfe\x00\x1b[2J\r\n", b"5\xb2\xb3 x\r\n"],
    ],
)
def test_hostile_servers_cost_bounded_time_and_never_the_message(relay, script, answers):
    began = time.monotonic()
    (attempt,) = relay(script(*answers).port, connect_timeout=1.0, reply_timeout=1.0).attempt(item())
    assert time.monotonic() - began < 30
    assert 400 <= attempt.code < 500
    assert all(" " <= c <= "~" for c in attempt.text)
    assert len(attempt.text) < 1500


def test_the_whole_attempt_has_a_limit(relay, script):
    server = script(b"220 x\r\n", EHLO, trickle)
    began = time.monotonic()
    (attempt,) = relay(server.port, reply_timeout=100.0, lease=1.0).attempt(item())
    assert time.monotonic() - began < 15
    assert (attempt.code, attempt.status) == (451, "4.4.2")


@pytest.mark.parametrize(
    ("offer", "more", "code", "status"),
    [
        (b"250-far\r\n250 SIZE 10\r\n", {}, 552, "5.3.4"),
        (b"250 far\r\n", {"octets": "Subject: x\r\n\r\né\r\n".encode()}, 554, "5.6.3"),
        (b"250-far\r\n250 8BITMIME\r\n", {"sender": "hélène@ecole.example"}, 553, "5.6.7"),
        (b"250-far\r\n250 8BITMIME\r\n", {"octets": "Subject: é\r\n\r\n".encode(), "smtputf8": True}, 553, "5.6.7"),
        (b"250-far\r\n250 8BITMIME\r\n", {"octets": "Subject: e\r\n\r\né".encode(), "smtputf8": True}, 250, "2.0.0"),
        (b"250 far\r\n", {"smtputf8": True}, 250, "2.0.0"),
    ],
)
def test_what_a_server_can_not_take(relay, script, offer, more, code, status):
    server = script(b"220 x\r\n", offer, OK, OK, GO, OK)
    (attempt,) = relay(server.port).attempt(item(**more))
    assert (attempt.code, attempt.status) == (code, status)


@pytest.mark.parametrize(
    ("offer", "mail", "rcpt"),
    [
        (b"250 far\r\n", b"MAIL FROM:<marie@ecole.example>", b"RCPT TO:<u@far.example>"),
        (
            EHLO,
            b"MAIL FROM:<marie@ecole.example> SIZE=%d RET=FULL ENVID=a+2Bb" % len(OCTETS),
            rb"RCPT TO:<u@far.example> NOTIFY=FAILURE,SUCCESS ORCPT=utf-8;\x{E9}@x",
        ),
    ],
)
def test_parameters_follow_the_offer(relay, script, offer, mail, rcpt):
    server = script(b"220 x\r\n", offer, OK, OK, GO, OK)
    recipient = QueuedRecipient("u@far.example", "utf-8;é@x", frozenset({Notify.SUCCESS, Notify.FAILURE}))
    assert relay(server.port).attempt(item(recipient, ret="FULL", envid="a+b"))[0].code == 250
    assert server.said[1:3] == [mail + b"\r\n", rcpt + b"\r\n"]


def test_who_reports_success(relay, script):
    for offer, dsn in ((EHLO, True), (b"250 far\r\n", False)):
        server = script(b"220 x\r\n", offer, OK, OK, GO, OK)
        assert relay(server.port).attempt(item())[0].dsn is dsn


def test_quoted_and_odd_addresses_are_sent_as_they_are(relay, script):
    server = script(b"220 x\r\n", EHLO, OK, OK, GO, OK)
    relay(server.port).attempt(item('"a b"@far.example', sender='"x>y"@ecole.example'))
    assert server.said[1].startswith(b'MAIL FROM:<"x>y"@ecole.example> ')
    assert server.said[2] == b'RCPT TO:<"a b"@far.example>\r\n'


def test_a_failed_handshake_falls_back_to_clear_in_a_new_connection(relay, script):
    offer = EHLO.replace(b"250 DSN", b"250-DSN\r\n250 STARTTLS")

    class Fallback(Script):
        def _talk(self, connection):
            if self.connections == 1:
                self.answers = (b"220 x\r\n", offer, b"220 go\r\n250 injected\r\n", b"not TLS at all\r\n")
            else:
                self.answers = (b"220 x\r\n", offer, OK, OK, GO, OK)
                self.said.clear()
            super()._talk(connection)

    # In the second connection STARTTLS is offered again and not taken.
    server = Fallback(connections=2)
    try:
        (attempt,) = relay(server.port).attempt(item())
    finally:
        server.close()
    assert attempt.code == 250
    assert server.connections == 2
    assert server.said[1].startswith(b"MAIL FROM:")


def test_starttls_refused_goes_on_in_clear(relay, script):
    offer = EHLO.replace(b"250 DSN", b"250-DSN\r\n250 STARTTLS")
    server = script(b"220 x\r\n", offer, b"454 4.7.0 not now\r\n", connections=2)
    (attempt,) = relay(server.port).attempt(item())
    assert 400 <= attempt.code < 500
    assert server.connections == 2


def test_smarthost_with_a_verified_certificate(relay, make_server, certificate):
    server = make_server()
    port = server.ports["mx"]
    trusted = ssl.create_default_context(cafile=certificate[0])
    good = relay(1, tls=trusted, smarthost=f"127.0.0.1:{port}", smarthost_tls="required")
    assert good.attempt(item("marie@ecole.example"))[0].code == 250
    assert server.rooms.inbound.kept[0][0].client.tls
    strange = relay(1, smarthost=f"127.0.0.1:{port}", smarthost_tls="required")
    (attempt,) = strange.attempt(item("marie@ecole.example"))
    assert (attempt.code, attempt.status) == (450, "4.7.5")
    clear = relay(1, smarthost=f"127.0.0.1:{port}", smarthost_tls="none")
    assert clear.attempt(item("marie@ecole.example"))[0].code == 250
    assert server.rooms.inbound.kept[1][0].client.tls is None
    assert len(server.rooms.inbound.kept) == 2


def test_required_tls_that_is_not_offered(relay, script):
    server = script(b"220 x\r\n", EHLO, OK)
    (attempt,) = relay(1, smarthost=f"127.0.0.1:{server.port}", smarthost_tls="required").attempt(item())
    assert (attempt.code, attempt.status) == (450, "4.7.4")
    assert not any(line.startswith(b"MAIL") for line in server.said)


def test_from_several_threads(relay, make_server):
    server = make_server()
    one = relay(server.ports["mx"])
    codes = []
    threads = [
        threading.Thread(target=lambda: codes.append(one.attempt(item("marie@ecole.example"))[0].code))
        for _ in range(10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert codes == [250] * 10


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("mx.example:587", ("mx.example", 587)),
        ("mx.example", ("mx.example", 25)),
        ("[2001:db8::1]:26", ("2001:db8::1", 26)),
        ("[2001:db8::1]", ("2001:db8::1", 25)),
    ],
)
def test_smarthost_names(text, pair):
    assert host_and_port(text, 25) == pair
