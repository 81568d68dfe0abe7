"""What the server needs of a listener's purpose: the MX or submission.

The server speaks SMTP and keeps the limits; a service decides about senders, recipients and messages.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from delivery.outcome import Disposition, Dispositions
from directory.model import Account
from message.content import Content
from message.envelope import Envelope, Recipient
from smtp.peer import Peer
from smtp.wire.params import RcptCommand
from smtp.wire.reply import Reply

T = TypeVar("T")


class Work(Protocol):
    """Runs a blocking call in a worker thread of the process's bounded pool."""

    def __call__(self, function: Callable[..., T], *arguments: object) -> Awaitable[T]: ...


class Service(Protocol):
    """Hooks of one kind of listener. All raise ``Refused``, or anything else for 451."""

    name: str
    size: int
    recipients: int
    mechanisms: tuple[str, ...]

    def wants_tls(self, peer: Peer) -> bool:
        """True when ``peer`` must use TLS before it may do anything."""
        ...

    def wants_sign_in(self, peer: Peer) -> bool:
        """True when ``peer`` must sign in before it may send."""
        ...

    async def sign_in(self, peer: Peer, mechanism: str, initial: bytes | None, ask: Ask, work: Work) -> Reply:
        """Carry out AUTH; on success ``peer.account`` is set."""
        ...

    async def sender(self, peer: Peer, sender: str, work: Work) -> None:
        """Return when ``sender`` may send."""
        ...

    async def recipient(self, peer: Peer, rcpt: RcptCommand, size: int, work: Work) -> Recipient:
        """The recipient as the envelope takes it. ``size`` is what MAIL announced (RFC 1870), else 0."""
        ...

    def accept(self, peer: Peer, envelope: Envelope, content: Content) -> Dispositions:
        """Hand a message to delivery. Blocks: called in a worker thread."""
        ...

    def kept(self, peer: Peer) -> None:
        """A message of ``peer`` was kept."""
        ...

    def words(self, reply: Reply) -> Reply:
        """The reply in the language of those who read it."""
        ...


Ask = Callable[[bytes], Awaitable[bytes]]
"""Sends a challenge and returns the client's answer, both without base64. Raises Refused."""


class InboundDelivery(Protocol):
    """What the MX needs of delivery."""

    def may_be_full(self, address: str) -> bool:
        """False when ``refusal`` would not refuse; never blocks."""
        ...

    def refusal(self, address: str, octets: int) -> Disposition | None:
        """Why a message of so many octets (0: of unknown size) for a local address need not come, or None. Blocks."""
        ...

    def accept(self, envelope: Envelope, content: Content) -> Dispositions:
        """Keep, refuse or put off a message for local recipients. Blocks; KEPT means durable."""
        ...


class OutboundDelivery(Protocol):
    """What submission needs of delivery."""

    def may_send(self, account: Account, sender: str) -> bool:
        """Whether ``account`` may give ``sender`` (``""``: the null one) as reverse path. Blocks."""
        ...

    def accept(self, envelope: Envelope, content: Content, account: Account) -> Dispositions:
        """Keep, refuse or put off a user's message. Blocks; KEPT means durable."""
        ...
