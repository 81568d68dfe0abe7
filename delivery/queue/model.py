"""A queued message and the state of each of its recipients. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from message.content import Content
from message.envelope import Notify


class State(StrEnum):
    """WAITING: to be tried at the item's due time. SENT, FAILED, EXPIRED: final."""

    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class QueuedRecipient:
    """One remote recipient with its DSN wishes and the far server's last words."""

    address: str
    original: str | None = None
    notify: frozenset[Notify] = frozenset()
    state: State = State.WAITING
    code: int | None = None
    status: str | None = None
    text: str = ""
    remote: str = ""


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """One message for one destination domain, tried as a whole.

    Times are seconds since the epoch. ``id`` is the queue's own; ``message_id`` the envelope id of the log lines.
    """

    id: int
    message_id: str
    sender: str
    destination: str
    recipients: tuple[QueuedRecipient, ...]
    content: Content
    queued_at: float
    due_at: float
    attempts: int
    smtputf8: bool = False
    eight_bit: bool = True
    ret: str | None = None
    envid: str | None = None
    delay_told: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """Result of one attempt for one recipient: the far server's reply, or our own words where it gave none.

    ``code`` is an SMTP reply code (2xx sent, 4xx later, 5xx never), ``status`` the enhanced status code
    (RFC 3463) and ``remote`` the server that said it.
    """

    address: str
    code: int
    status: str
    text: str
    remote: str = ""
