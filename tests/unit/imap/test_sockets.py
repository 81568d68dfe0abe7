"""What is sent past the buffer arrives in order, whether the peer reads or not."""

from __future__ import annotations

import random
import socket
from typing import Any

import pytest
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.threads import blockingCallFromThread

from imap.sockets import PromptServer
from tests.fakes.imap_service import running_reactor


class Talker(Protocol):
    """Sends what it is told to, and hangs up."""

    pieces: list[bytes]

    def dataReceived(self, data: bytes) -> None:
        transport: Any = self.transport
        for piece in self.pieces:
            transport.write(piece)
        transport.loseConnection()


@pytest.mark.parametrize("size", [10, 3_000, 300_000])
def test_all_octets_in_order(size: int) -> None:
    chance = random.Random(size)
    pieces = [chance.randbytes(chance.randint(0, size)) for _ in range(100)]
    factory: Any = Factory.forProtocol(Talker)
    Talker.pieces = pieces
    reactor = running_reactor()
    with socket.create_server(("127.0.0.1", 0)) as bound:
        bound.setblocking(False)

        def listen() -> Any:
            port = reactor.adoptStreamPort(bound.fileno(), bound.family, factory)
            port.transport = PromptServer
            return port

        port = blockingCallFromThread(reactor, listen)
        address = bound.getsockname()
    try:
        with socket.create_connection(address, 30) as peer:
            peer.sendall(b"go")
            received = bytearray()
            while octets := peer.recv(chance.randint(1, 100_000)):
                received += octets
        assert received == b"".join(pieces)
    finally:
        blockingCallFromThread(reactor, port.stopListening)
