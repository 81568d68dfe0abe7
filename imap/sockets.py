"""TCP connections that send at once what the socket takes.

Twisted puts all octets into a buffer, asks the kernel whether the socket is ready, and sends in the reactor's next
round. Most answers fit into the socket as it is.
"""

from __future__ import annotations

from twisted.internet.tcp import Server


class PromptServer(Server):
    """A connection that was accepted, for ``Port.transport``."""

    #: True while octets wait in the buffer for the socket, or the end of the connection does.
    _waits = False

    def startWriting(self) -> None:
        self._waits = True
        super().startWriting()  # type: ignore[no-untyped-call]

    def stopWriting(self) -> None:
        self._waits = False
        super().stopWriting()  # type: ignore[no-untyped-call]

    def write(self, data: bytes) -> None:
        """The octets, in order after all that were written before."""
        if data and self.connected and not (self._waits or self.TLS):
            sent = self.writeSomeData(data)
            # A connection that is lost is found so, and told, by the way through the buffer.
            if isinstance(sent, int):
                data = data[sent:]
        if data:
            super().write(data)  # type: ignore[no-untyped-call]
