"""IDLE (RFC 2177): news as they come, until the client says DONE."""

from __future__ import annotations

from imap.session.context import Context
from imap.session.steps import Await, CommandSteps
from imap.wire import commands as c
from imap.wire.errors import ParseError


def idle(context: Context, tag: bytes, command: c.Idle) -> CommandSteps:
    line = yield Await(b"idling", news=True)
    if line is None or line.upper() != b"DONE":
        raise ParseError("IDLE ends with DONE")
