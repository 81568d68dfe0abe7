"""ClamAV as a judge of viruses, asked over its socket (clamd's INSTREAM command, see clamd(8)).

The daemon is another program on this machine or next door: it can be away, slow or full. What then happens to mail is
the operator's choice (``spam.clamd_away``); it is never taken for clean.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from config.settings import Spam
from message.content import Content

log = structlog.get_logger()

#: Octets of an answer that are read; clamd's are a line.
_ANSWER = 4096

_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Scan:
    """What was found: the name of a virus, "" for none; ``note`` says why nothing could be scanned, "" otherwise."""

    virus: str = ""
    note: str = ""

    @property
    def scanned(self) -> bool:
        """True when the scanner has answered."""
        return not self.note


class Clamd:
    """A client of clamd, one connection a message. Safe from any thread."""

    def __init__(self, settings: Spam) -> None:
        """``settings.clamd`` is a path or HOST:PORT."""
        self._where = settings.clamd
        self._timeout = settings.clamd_timeout
        self.away = 0

    def scan(self, content: Content) -> Scan:
        """Have a message scanned. Never raises for what the daemon does; takes ``clamd_timeout`` a step at most."""
        try:
            with self._connected() as connection:
                connection.sendall(b"zINSTREAM\0")
                try:
                    for block in content.blocks():
                        for start in range(0, len(block), _CHUNK):
                            piece = bytes(block[start : start + _CHUNK])
                            connection.sendall(len(piece).to_bytes(4, "big") + piece)
                    connection.sendall(bytes(4))
                except (BrokenPipeError, ConnectionResetError):
                    pass  # it may have said before why it wants no more
                answer = _line(connection)
        except (OSError, ValueError) as error:
            return self._away(str(error) or type(error).__name__)
        return self._read(answer)

    def _read(self, answer: str) -> Scan:
        text = answer.removeprefix("stream: ")
        if text == "OK":
            return Scan()
        if text.endswith(" FOUND"):
            return Scan(virus=text.removesuffix(" FOUND")[:80])
        return self._away(f"clamd says {text[:80]!r}" if text else "clamd said nothing")

    def _away(self, why: str) -> Scan:
        self.away += 1
        log.warning("antivirus.away", clamd=self._where, error=why, count=self.away)
        return Scan(note=why)

    @contextmanager
    def _connected(self) -> Iterator[socket.socket]:
        host, colon, port = self._where.rpartition(":")
        if colon and port.isdigit():
            connection = socket.create_connection((host.strip("[]"), int(port)), self._timeout)
        else:
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(self._timeout)
        with connection:
            if not (colon and port.isdigit()):
                connection.connect(self._where)
            yield connection


def _line(connection: socket.socket) -> str:
    answer = b""
    while len(answer) < _ANSWER and b"\0" not in answer:
        piece = connection.recv(_ANSWER)
        if not piece:
            break
        answer += piece
    return answer.partition(b"\0")[0].decode("utf-8", "replace").strip()
