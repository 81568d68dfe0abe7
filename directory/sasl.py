"""SASL mechanisms of the server's side, pure: PLAIN (RFC 4616) and LOGIN (draft-murchison-sasl-login-00).

Both take octets without their base64, which is the protocol's affair. ``step(None)`` starts an exchange without an
initial response; an exchange ends with ``Done`` or ``Failed`` and takes no further step.
"""

from __future__ import annotations

from dataclasses import dataclass

from directory.model import Credentials

#: Longest login or authorization identity in octets.
IDENTITY = 256

#: Longest password that a message may carry; how long a password may be is the setting ``auth.password_length``.
PASSWORD = 4096

#: Names as they are offered, the preferred one first.
MECHANISMS: tuple[str, ...] = ("PLAIN", "LOGIN")


@dataclass(frozen=True, slots=True)
class Challenge:
    """The server's next octets, to be sent in base64."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Done:
    """All that the client had to say."""

    credentials: Credentials


@dataclass(frozen=True, slots=True)
class Failed:
    """The client's message is malformed; ``reason`` is for the log and holds nothing of the message."""

    reason: str


Step = Challenge | Done | Failed


class Plain:
    """``[authzid] NUL authcid NUL passwd`` in one message (RFC 4616 section 2)."""

    def __init__(self) -> None:
        self._ended = False

    def step(self, data: bytes | None) -> Step:
        """The next step. Never raises."""
        if self._ended:
            return Failed("the exchange is over")
        if data is None:
            return Challenge(b"")
        self._ended = True
        if len(data) > 2 * IDENTITY + PASSWORD + 2:
            return Failed("message too long")
        parts = data.split(b"\0")
        if len(parts) != 3:
            return Failed("not three parts with NUL between them")
        return _credentials(login=parts[1], password=parts[2], authorize_as=parts[0])


class Login:
    """The login and the password, asked for one after the other. An initial response is the login."""

    def __init__(self) -> None:
        self._login: bytes | None = None
        self._ended = False

    def step(self, data: bytes | None) -> Step:
        """The next step. Never raises."""
        if self._ended:
            return Failed("the exchange is over")
        if data is None:
            return Challenge(b"Username:" if self._login is None else b"Password:")
        if self._login is None and 0 < len(data) <= IDENTITY:
            self._login = data
            return Challenge(b"Password:")
        self._ended = True
        if self._login is None:
            return Failed("login empty or too long")
        return _credentials(login=self._login, password=data, authorize_as=b"")


def mechanism(name: str) -> Plain | Login | None:
    """A new exchange of the mechanism of that name (without case), or None when it is not offered."""
    match name.upper():
        case "PLAIN":
            return Plain()
        case "LOGIN":
            return Login()
        case _:
            return None


def _credentials(login: bytes, password: bytes, authorize_as: bytes) -> Done | Failed:
    if not login or not password:
        return Failed("login or password empty")
    if len(login) > IDENTITY or len(authorize_as) > IDENTITY or len(password) > PASSWORD:
        return Failed("login, identity or password too long")
    if b"\0" in login or b"\0" in password:
        return Failed("NUL in login or password")
    try:
        return Done(Credentials(login.decode(), password.decode(), authorize_as.decode()))
    except UnicodeDecodeError:
        return Failed("not UTF-8")
