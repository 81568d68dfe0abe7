"""The session engine without sockets: a command in, its responses out, on a real store."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from config.settings import Imap
from directory.api import People
from directory.model import Account
from imap.session.context import Context, Services
from imap.session.session import Session
from imap.session.steps import Await, Blocks, HangUp, Steps
from imap.wire.parser import Limits, parse
from storage.api import MailStore

_LITERAL = re.compile(rb"\{(\d+)\}\r\n\Z")


class _Anybody:
    """Admits every session."""

    def admit(self, account: str, address: str) -> bool:
        return True

    def leave(self, account: str, address: str) -> None:
        pass


class _Alone:
    """A directory in which nobody can be found to share with."""

    def find(self, login: str) -> Account | None:
        return None

    def by_keys(self, keys: Iterable[str]) -> dict[str, Account]:
        return {}

    def group(self, name: str) -> str | None:
        return None

    def groups_of(self, key: str) -> tuple[str, ...]:
        return ()


def services_of(store: MailStore, people: People | None = None) -> Services:
    """What the sessions of one process share."""
    door: Any = None  # signing in is not for the engine alone
    return Services(store, door, people or _Alone(), Imap(), _Anybody())


class Engine:
    """One session that has signed in to the store's account ``number``."""

    def __init__(self, services: Services, account: Account, number: int) -> None:
        self.context = Context(services, "192.0.2.1", tls=True, trusted=False, wake=lambda: None)
        self.context.number = number
        self.context.signed_in(account)
        self.session = Session(self.context)
        self._idle: Steps | None = None

    def command(self, text: bytes, literal: bytes | None = None) -> list[bytes]:
        """Responses of a command, the tagged one last. ``literal`` stands at its end."""
        texts = (b"t " + text,) if literal is None else (b"t " + text, b"")
        request = parse(texts, () if literal is None else (literal,), Limits())
        return self._pulled(self.session.run(request), None)

    def _pulled(self, steps: Steps, value: bytes | None) -> list[bytes]:
        octets = b""
        try:
            while True:
                step = steps.send(value)
                value = None
                if isinstance(step, bytes):
                    octets += step
                elif isinstance(step, HangUp):
                    return split(octets)
                elif isinstance(step, Blocks):
                    continue
                else:
                    assert isinstance(step, Await), step
                    self._idle = steps
                    return split(octets)
        except StopIteration:
            return split(octets)

    @property
    def idling(self) -> bool:
        return self._idle is not None

    def pushed(self) -> list[bytes]:
        """What the server says in IDLE by itself, as the connection asks when the bell rang."""
        if not self.context.may_have_news:
            return []
        return self._pulled(self.session.idle_news(), None)

    def done(self) -> list[bytes]:
        """The end of IDLE."""
        steps, self._idle = self._idle, None
        assert steps is not None
        return self._pulled(steps, b"DONE")


def split(octets: bytes) -> list[bytes]:
    """Responses, literals included, each without its last CRLF."""
    responses: list[bytes] = []
    while octets:
        whole = b""
        while True:
            line, end, octets = octets.partition(b"\r\n")
            assert end, "a response without an end"
            whole += line + end
            found = _LITERAL.search(whole)
            if found is None:
                break
            whole, octets = whole + octets[: int(found[1])], octets[int(found[1]) :]
        responses.append(whole[:-2])
    return responses
