"""A small name server on loopback, and messages to check against it."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import pytest

from config.settings import MailAuth
from mailauth.resolver import DnsResolver
from message.envelope import ClientInfo, Envelope, Recipient

Zone = dict[str, list[str]]


@dataclass
class NameServer:
    """Answers from ``zone`` (name -> ``["TXT text", "A 192.0.2.1", ...]``) and writes down what it was asked."""

    zone: Zone = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    silent: bool = False
    silent_for: set[str] = field(default_factory=set)
    truncating: bool = False
    ttl: int = 300
    asked: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.udp, self.tcp = _sockets()
        self.port = self.udp.getsockname()[1]
        self.threads = [threading.Thread(target=self._serve_udp), threading.Thread(target=self._serve_tcp)]
        for thread in self.threads:
            thread.start()

    def close(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", self.port))
        socket.create_connection(("127.0.0.1", self.port)).close()
        for thread in self.threads:
            thread.join(5)
        self.udp.close()
        self.tcp.close()

    def _serve_udp(self) -> None:
        while True:
            octets, client = self.udp.recvfrom(4096)
            if not octets:
                return
            response = self.answer(octets)
            if response is None:
                continue
            if self.truncating:
                response.flags |= dns.flags.TC
                response.answer.clear()
            self.udp.sendto(response.to_wire(), client)

    def _serve_tcp(self) -> None:
        while True:
            connection, _ = self.tcp.accept()
            with connection:
                prefix = connection.recv(2)
                if not prefix:
                    return
                response = self.answer(connection.recv(struct.unpack("!H", prefix)[0]))
                if response is not None:
                    wire = response.to_wire(max_size=65535)
                    connection.sendall(struct.pack("!H", len(wire)) + wire)

    def answer(self, octets: bytes) -> dns.message.Message | None:
        query = dns.message.from_wire(octets)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        self.asked.append((name, dns.rdatatype.to_text(question.rdtype)))
        response = dns.message.make_response(query, recursion_available=True)
        if self.silent or name in self.silent_for:
            return None
        if name in self.broken:
            response.set_rcode(dns.rcode.SERVFAIL)
        elif question.name == dns.name.root:
            response.answer.append(dns.rrset.from_text(".", 1, "IN", "NS", "a.root-servers.example."))
        else:
            self._fill(response, question.name, name, dns.rdatatype.to_text(question.rdtype))
        return response

    def _fill(self, response: dns.message.Message, owner: dns.name.Name, name: str, kind: str) -> None:
        if name not in self.zone and not any(other.endswith(f".{name}") for other in self.zone):
            response.set_rcode(dns.rcode.NXDOMAIN)
        for line in self.zone.get(name, []):
            record_kind, _, data = line.partition(" ")
            if record_kind == "CNAME":
                response.answer.append(dns.rrset.from_text(owner, self.ttl, "IN", "CNAME", f"{data}."))
                if data != name:
                    self._fill(response, dns.name.from_text(data), data, kind)
            elif record_kind == kind:
                if kind == "TXT" and not data.startswith('"'):
                    pieces = [data[i : i + 255] for i in range(0, len(data), 255)] or [""]
                    data = " ".join('"' + piece.replace("\\", "\\\\").replace('"', '\\"') + '"' for piece in pieces)
                rrset = response.get_rrset(
                    response.answer, owner, dns.rdataclass.IN, dns.rdatatype.from_text(kind), create=True
                )
                assert rrset is not None
                rrset.add(dns.rdata.from_text("IN", kind, data), self.ttl)


def _sockets() -> tuple[socket.socket, socket.socket]:
    """A UDP and a TCP socket on the same free port."""
    while True:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        try:
            return udp, socket.create_server(("127.0.0.1", udp.getsockname()[1]))
        except OSError:
            udp.close()


@pytest.fixture
def server() -> Iterator[NameServer]:
    server = NameServer()
    yield server
    server.close()


@pytest.fixture
def settings(server: NameServer) -> MailAuth:
    return replace(MailAuth(), nameservers=(f"127.0.0.1:{server.port}",), query_timeout=5.0, total_timeout=15.0)


@pytest.fixture
def impatient(settings: MailAuth) -> MailAuth:
    """Settings for servers that do not answer."""
    return replace(settings, query_timeout=0.1, total_timeout=0.5)


@pytest.fixture
def resolver(settings: MailAuth) -> DnsResolver:
    return DnsResolver(settings)


@pytest.fixture
def deadline() -> float:
    return time.monotonic() + 30


@pytest.fixture
def envelope() -> Callable[..., Envelope]:
    def make(sender: str = "anna@example.org", address: str = "192.0.2.1", helo: str = "mail.example.org") -> Envelope:
        client = ClientInfo(address=address, helo=helo)
        return Envelope("id1", sender, (Recipient("marie@ici.example"),), client, time.time())

    return make
