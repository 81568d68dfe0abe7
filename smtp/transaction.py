"""One mail transaction, from MAIL to the answer after the end of data."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from message.envelope import ClientInfo, Envelope, Recipient
from smtp.spool import Spool
from smtp.wire.params import MailCommand
from smtp.wire.reply import Reply

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_TIME_DIGITS = 9
_CHANCE_DIGITS = 6


def envelope_id(now: float, chance: int) -> str:
    """A short id that sorts by time: milliseconds of ``now`` and 30 bits of ``chance``, in Crockford's base 32."""
    number = (int(now * 1000) << 5 * _CHANCE_DIGITS) | (chance & ((1 << 5 * _CHANCE_DIGITS) - 1))
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(5 * (_TIME_DIGITS + _CHANCE_DIGITS - 1), -1, -5))


def new_id(now: float) -> str:
    """A fresh envelope id."""
    return envelope_id(now, secrets.randbits(30))


@dataclass(slots=True)
class Transaction:
    """What is known so far. ``began`` is the loop time at which the first octet of the message was awaited."""

    id: str
    mail: MailCommand
    received_at: float
    recipients: dict[str, Recipient] = field(default_factory=dict)
    tried: bool = False
    spool: Spool | None = None
    began: float = 0.0
    refused: Reply | None = None
    """Why the chunks of this message are only drained."""

    @property
    def sender(self) -> str:
        """The reverse path; ``""`` for the null one."""
        return self.mail.sender.spec if self.mail.sender else ""

    def envelope(self, client: ClientInfo) -> Envelope:
        """The envelope as delivery takes it."""
        return Envelope(
            id=self.id,
            sender=self.sender,
            recipients=tuple(self.recipients.values()),
            client=client,
            received_at=self.received_at,
            smtputf8=self.mail.smtputf8,
            body=self.mail.body,
            ret=self.mail.ret,
            envid=self.mail.envid,
        )
