"""A queued message and the state of each of its recipients. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from message.content import Content
from message.envelope import Notify, Recipient


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
    ``attempts`` counts those that ended; ``delay_told`` is True once the sender was told of the delay.
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

    def waiting(self) -> tuple[QueuedRecipient, ...]:
        """The recipients to be tried, in order."""
        return tuple(recipient for recipient in self.recipients if recipient.state is State.WAITING)


@dataclass(frozen=True, slots=True)
class Attempt:
    """Result of one attempt for one recipient: the far server's reply, or our own words where it gave none.

    ``code`` is an SMTP reply code (2xx sent, 4xx later, 5xx never), ``status`` the enhanced status code
    (RFC 3463) and ``remote`` the server that said it. ``dsn`` is True when that server took over the duty to report
    success, because it offers the DSN extension (RFC 3461 section 5.2.2).
    """

    address: str
    code: int
    status: str
    text: str
    remote: str = ""
    dsn: bool = False


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to be queued: an envelope of remote recipients and the octets they are to get."""

    message_id: str
    sender: str
    recipients: tuple[Recipient, ...]
    content: Content
    queued_at: float
    smtputf8: bool = False
    eight_bit: bool = True
    ret: str | None = None
    envid: str | None = None


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """What an operator sees of an item. ``leased_by`` names the runner that tries it at the moment, or is None."""

    id: int
    message_id: str
    sender: str
    destination: str
    recipients: tuple[QueuedRecipient, ...]
    size: int
    queued_at: float
    due_at: float
    attempts: int
    held: bool
    leased_by: str | None
