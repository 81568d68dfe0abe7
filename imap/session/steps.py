"""What a command yields: responses, ready octets, and wishes that only the connection can fulfil.

A command is a generator of steps. It begins in the reactor's thread, and goes on in a worker thread once it yielded
``BLOCKS``: only then may it wait for the store or the directory. Where it yields another wish no thread is held until
the wish is fulfilled, and the value of ``yield`` is the answer; what follows is in the reactor's thread again.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass

from imap.wire.responses import Response, Status


@dataclass(frozen=True, slots=True)
class Blocks:
    """What follows may wait, or take long: it belongs into a worker thread."""


BLOCKS = Blocks()


@dataclass(frozen=True, slots=True)
class Await:
    """Send a continuation request and wait for a line; its value is that line. With ``news``, tell news meanwhile."""

    text: bytes
    news: bool = False


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait some seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class UpgradeToTls:
    """Start TLS after what was sent so far, forgetting what was received."""


@dataclass(frozen=True, slots=True)
class Compress:
    """Compress both directions after what was sent so far (RFC 4978)."""


@dataclass(frozen=True, slots=True)
class StartOver:
    """The session is nobody's again: no compression, and the limits of those who have not signed in (RFC 8437)."""


@dataclass(frozen=True, slots=True)
class HangUp:
    """Close the connection after what was sent so far."""


@dataclass(frozen=True, slots=True)
class WhenTold:
    """The tagged answer, made only when the news before it have been told."""

    answer: Callable[[], Status]


Wish = Blocks | Await | Pause | UpgradeToTls | Compress | StartOver | HangUp
WISHES = (Blocks, Await, Pause, UpgradeToTls, Compress, StartOver, HangUp)

#: What a command function yields. The value sent in is a line after ``Await`` and None otherwise.
CommandSteps = Generator[Response | bytes | Wish | WhenTold, bytes | None, None]

#: The same, encoded.
Steps = Generator[bytes | Wish, bytes | None, None]
