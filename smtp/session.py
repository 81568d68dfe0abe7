"""The verb table: which command is allowed when, and how a client's conduct is counted. Pure.

RFC 5321 section 4.1.4 (order of commands), section 4.3.2 (codes); RFC 2920 section 3.1 (last in a pipeline); RFC 3030
section 2 (BDAT beside DATA); RFC 3207 and RFC 4954 (STARTTLS and AUTH).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from smtp.wire.reply import Reply


class Phase(Enum):
    """Where a session stands. CHUNKS: a BDAT was taken, the message is not complete."""

    CONNECTED = auto()
    GREETED = auto()
    MAIL = auto()
    RCPT = auto()
    CHUNKS = auto()


_ANY = frozenset(Phase)
_IDLE = frozenset({Phase.CONNECTED, Phase.GREETED})
_OPEN = frozenset({Phase.MAIL, Phase.RCPT})


@dataclass(frozen=True, slots=True)
class Verb:
    """One row.

    ``junk``: harmless, but counts against a client that sends nothing else. ``before_tls``: allowed where TLS is
    required and not yet there. ``last``: the client must wait for the answer before it sends more; one that does not
    has an error counted. ``signed_in``: needs AUTH where the listener requires it.
    """

    name: str
    phases: frozenset[Phase]
    junk: bool = False
    before_tls: bool = False
    last: bool = False
    signed_in: bool = False


TABLE: tuple[Verb, ...] = (
    Verb("EHLO", _ANY, junk=True, before_tls=True, last=True),
    Verb("HELO", _ANY, junk=True, before_tls=True, last=True),
    Verb("MAIL", frozenset({Phase.GREETED}), signed_in=True),
    Verb("RCPT", _OPEN, signed_in=True),
    Verb("DATA", frozenset({Phase.RCPT}), last=True, signed_in=True),
    # The octets of a chunk follow at once: the server reads them even when this table refuses the command.
    Verb("BDAT", frozenset({Phase.RCPT, Phase.CHUNKS}), signed_in=True),
    Verb("RSET", _ANY, junk=True, before_tls=True),
    Verb("NOOP", _ANY, junk=True, before_tls=True),
    Verb("VRFY", _ANY, junk=True),
    Verb("EXPN", _ANY, junk=True),
    Verb("HELP", _ANY, junk=True, before_tls=True),
    Verb("STARTTLS", _IDLE, before_tls=True, last=True),
    Verb("AUTH", frozenset({Phase.GREETED}), last=True),
    Verb("QUIT", _ANY, before_tls=True, last=True),
)
VERBS: dict[bytes, Verb] = {verb.name.encode(): verb for verb in TABLE}

HTTP_VERBS = frozenset(
    b"GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE PATCH PRI PROPFIND HOST: USER-AGENT: CONTENT-TYPE:".split()
)
"""First words of a browser that was sent here: the connection ends at once (cross-protocol request forging)."""

GREETING_FIRST = Reply(503, "5.5.1", "Send EHLO first")
TLS_FIRST = Reply(530, "5.7.0", "Must issue a STARTTLS command first")
AUTH_FIRST = Reply(530, "5.7.0", "Authentication required")
_OUT_OF_ORDER = {
    "MAIL": Reply(503, "5.5.1", "A transaction is already open: finish it or send RSET"),
    "RCPT": Reply(503, "5.5.1", "Send MAIL first"),
    "DATA": Reply(503, "5.5.1", "Send MAIL and RCPT first"),
    "BDAT": Reply(503, "5.5.1", "Send MAIL and RCPT first"),
    "STARTTLS": Reply(503, "5.5.1", "Not within a transaction"),
    "AUTH": Reply(503, "5.5.1", "Not within a transaction"),
}
CHUNKS_OPEN = Reply(503, "5.5.1", "BDAT has begun: send BDAT or RSET")
NO_RECIPIENTS = Reply(554, "5.5.1", "No valid recipients")


def refusal(
    verb: Verb, phase: Phase, *, tls_missing: bool = False, auth_missing: bool = False, tried: bool = False
) -> Reply | None:
    """Why ``verb`` can't be obeyed now, or None.

    ``tls_missing`` and ``auth_missing``: the listener asks for it and it is not there. ``tried``: RCPT was sent in this
    transaction, if in vain (RFC 5321 section 4.1.4 and RFC 2920 section 3.1: DATA then gets 554).
    """
    if tls_missing and not verb.before_tls:
        return TLS_FIRST
    if phase is Phase.CONNECTED and phase not in verb.phases:
        return GREETING_FIRST
    if auth_missing and verb.signed_in:
        return AUTH_FIRST
    if phase in verb.phases:
        return None
    if phase is Phase.CHUNKS and verb.name in ("DATA", "RCPT", "MAIL"):
        return CHUNKS_OPEN
    if verb.name in ("DATA", "BDAT") and phase is Phase.MAIL and tried:
        return NO_RECIPIENTS
    return _OUT_OF_ORDER[verb.name]


class Conduct:
    """Counts what a client does wrong in one session, and what it does in vain.

    Junk commands count as errors from ``junk_allowed`` on; a message taken forgives the junk (RFC 5321 section 7.8
    lets a server defend itself against such use).
    """

    __slots__ = ("_close_at", "_delay_at", "_junk", "_junk_allowed", "errors")

    def __init__(self, *, delay_at: int, close_at: int, junk_allowed: int) -> None:
        self._delay_at = delay_at
        self._close_at = close_at
        self._junk_allowed = junk_allowed
        self._junk = 0
        self.errors = 0

    def error(self) -> None:
        """A command was refused."""
        self.errors += 1

    def junk(self) -> None:
        """A command without use was obeyed."""
        self._junk += 1
        if self._junk > self._junk_allowed:
            self.errors += 1

    def useful(self) -> None:
        """A message was taken."""
        self._junk = 0

    @property
    def slow(self) -> bool:
        """True when each further answer waits a second."""
        return self.errors >= self._delay_at

    @property
    def enough(self) -> bool:
        """True when the session is to be closed with 421."""
        return self.errors >= self._close_at
