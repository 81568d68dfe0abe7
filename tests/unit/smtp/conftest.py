"""A real server on loopback with lower rooms that record what they were given, and a byte-level client."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import ipaddress
import socket
import ssl
import threading
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from config.settings import Auth, Settings, Site, Smtp, Tls
from delivery.outcome import Disposition, Dispositions, Fate, Reason
from directory.api import DirectoryUnavailable, Targets
from directory.model import Account, Credentials, Outcome, Role, SignIn
from smtp import listeners

MARIE = Account("a1", "marie", "Marie Curie", Role.TEACHER, "0750001A", ("marie@ecole.example",))


class Directory:
    """``ecole.example`` with marie, jean and postmaster; ``away`` makes it unavailable."""

    def __init__(self) -> None:
        self.known = {"marie@ecole.example", "jean@ecole.example", "postmaster@ecole.example"}
        self.away = False
        self.remembered: set[str] = set()
        self.asked: list[str] = []
        self.error: Exception | None = None

    def is_local_domain(self, domain: str) -> bool:
        return domain.lower() in ("ecole.example", "autre.example")

    def resolve(self, address: str) -> Targets | None:
        self.asked.append(address)
        if self.error:
            raise self.error
        if self.away:
            raise DirectoryUnavailable("away")
        return Targets((MARIE,)) if address.lower() in self.known else None

    def remembers(self, address: str) -> bool:
        return address in self.remembered

    def may_send_as(self, account: Account, address: str) -> bool:
        return address.lower() in account.addresses


class Door:
    def __init__(self) -> None:
        self.seen: list[tuple[Credentials, str, str]] = []
        self.outcome: Outcome | None = None
        self.valid = True

    def check(self, credentials: Credentials, *, service: str, address: str) -> SignIn:
        self.seen.append((credentials, service, address))
        if self.outcome is not None:
            return SignIn(self.outcome)
        good = credentials.login in ("marie", "marie@ecole.example") and credentials.password == "radium é"
        return SignIn(Outcome.OK, MARIE) if good else SignIn(Outcome.MISMATCH)

    def still_valid(self, account: Account) -> bool:
        return self.valid


class Pipeline:
    """Keeps every message; ``fate``, ``whole``, ``error`` and ``gate`` change that."""

    def __init__(self) -> None:
        self.kept: list[tuple[object, bytes]] = []
        self.accounts: list[Account] = []
        self.each: dict[str, tuple[Fate, Reason]] = {}
        self.whole: Disposition | None = None
        self.error: Exception | None = None
        self.gate: threading.Event | None = None
        self.entered = threading.Event()
        self.full: dict[str, Fate] = {}
        self.announced: list[int] = []

    def may_be_full(self, address: str) -> bool:
        return address in self.full

    def refusal(self, address: str, octets: int) -> Disposition | None:
        fate = self.full.get(address)
        if fate is not None:
            self.announced.append(octets)
        return Disposition(address, fate, Reason.OVER_QUOTA) if fate is not None else None

    def may_send(self, account: Account, sender: str) -> bool:
        return not sender or sender.lower() in account.addresses

    def accept(self, envelope, content, account=None) -> Dispositions:
        octets = b"".join(content.blocks())
        assert content.buffer()[:] == octets
        assert content.size == len(octets)
        self.entered.set()
        if self.gate is not None:
            self.gate.wait(20)
        if self.error:
            raise self.error
        if self.whole is None or self.whole.fate is Fate.KEPT:
            self.kept.append((envelope, octets))
        if account is not None:
            self.accounts.append(account)
        each = tuple(
            Disposition(r.address, *self.each.get(r.address, (Fate.KEPT, Reason.DELIVERED)))
            for r in envelope.recipients
        )
        return Dispositions(each, self.whole)


class Rooms:
    def __init__(self) -> None:
        self.directory = Directory()
        self.door = Door()
        self.inbound = Pipeline()
        self.submission = Pipeline()


class Running:
    """Listeners in a loop of their own thread."""

    def __init__(self, settings: Settings, loop_factory=asyncio.new_event_loop) -> None:
        self.settings = settings
        self.rooms = Rooms()
        self.loop = loop_factory()
        self.faults: list[dict] = []
        self.loop.set_exception_handler(lambda loop, context: self.faults.append(context))
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        sockets = {}
        self.ports = {}
        for name in ("mx", "submission", "submissions"):
            one = socket.socket()
            one.bind(("127.0.0.1", 0))
            one.listen(64)
            sockets[name] = [one]
            self.ports[name] = one.getsockname()[1]
        self.listeners = self.call(listeners.start(settings, self.rooms, sockets))
        for listener in self.listeners._listeners:
            listener.slow_down = 0.01

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    def connect(self, name: str = "mx", *, greet: bool = True, source: str | None = None) -> Client:
        client = Client(self.ports[name], source)
        if greet:
            assert client.reply()[:4] == b"220 "
        return client

    def listener(self, name: str = "mx"):
        return next(one for one in self.listeners._listeners if one.service.name == name)

    def idle(self) -> bool:
        """Wait until no session is left."""
        end = time.monotonic() + 10
        while time.monotonic() < end:
            if not any(one.sessions for one in self.listeners._listeners):
                return True
            time.sleep(0.01)
        return False

    def close(self) -> None:
        self.call(self.listeners.stop(grace=0.2))
        self.call(self.loop.shutdown_default_executor())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()


class Client:
    """A socket that speaks in octets."""

    def __init__(self, port: int, source: str | None = None) -> None:
        self.socket = socket.create_connection(
            ("127.0.0.1", port), timeout=15, source_address=(source, 0) if source else None
        )
        self.buffer = b""

    def send(self, octets: bytes) -> None:
        self.socket.sendall(octets)

    def keep_sending(self, octets: bytes, *, times: int, pause: float = 0.0) -> None:
        for _ in range(times):
            self.send(octets)
            time.sleep(pause)

    def _fill(self) -> bool:
        octets = self.socket.recv(65536)
        self.buffer += octets
        return bool(octets)

    def line(self) -> bytes:
        while b"\n" not in self.buffer:
            if not self._fill():
                raise EOFError(self.buffer)
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line + b"\n"

    def reply(self) -> bytes:
        """A whole reply, all its lines."""
        lines = [self.line()]
        while lines[-1][3:4] == b"-":
            lines.append(self.line())
        return b"".join(lines)

    def say(self, command: bytes) -> bytes:
        self.send(command + b"\r\n")
        return self.reply()

    def code(self, command: bytes) -> bytes:
        """Code and enhanced code of the answer: ``b"250 2.0.0"``."""
        return b" ".join(self.say(command).replace(b"-", b" ", 1).split()[:2])

    def chunk(self, argument: bytes, octets: bytes) -> bytes:
        """Codes of the answer to a chunk."""
        self.send(b"BDAT " + argument + b"\r\n" + octets)
        return b" ".join(self.reply().split()[:2])

    def hello(self) -> Client:
        assert self.say(b"EHLO client.example").startswith(b"250-")
        return self

    def start(self, *recipients: bytes, sender: bytes = b"a@far.example") -> Client:
        assert self.say(b"MAIL FROM:<" + sender + b">").startswith(b"250 2.1.0")
        for recipient in recipients or (b"marie@ecole.example",):
            assert self.say(b"RCPT TO:<" + recipient + b">").startswith(b"250 2.1.5")
        return self

    def data(self, octets: bytes) -> bytes:
        assert self.say(b"DATA").startswith(b"354 ")
        self.send(octets)
        return self.reply()

    def tls(self) -> Client:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.socket = context.wrap_socket(self.socket, server_hostname="mail.ecole.example")
        return self

    def closed(self) -> bytes:
        """What is left until the server closes."""
        try:
            while self._fill():
                pass
        except ConnectionResetError:
            pass
        left, self.buffer = self.buffer, b""
        return left

    def close(self) -> None:
        self.socket.close()


def make_certificate(folder, name: str = "mail.ecole.example"):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    alternative = x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(alternative, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def make_server(tmp_path, certificate):
    """``make_server(mx_recipients=100, ...)`` starts a server with these settings of the smtp section."""
    running: list[Running] = []

    def make(*, loop_factory=asyncio.new_event_loop, auth=None, tls=None, **smtp) -> Running:
        settings = Settings(
            site=Site("mail.ecole.example", ("ecole.example",), tmp_path / f"data{len(running)}", language="en"),
            tls=Tls(*certificate) if tls is None else tls,
            smtp=dataclasses.replace(Smtp(), **smtp),
            auth=auth or Auth(failure_delay=0.05),
        )
        one = Running(settings, loop_factory)
        running.append(one)
        return one

    yield make
    for one in running:
        one.close()
        assert not one.faults, one.faults


@pytest.fixture
def server(make_server):
    return make_server()
