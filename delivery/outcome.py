"""What became of a message: one disposition per recipient, each with a reason from one list.

Delivery never speaks SMTP: ``smtp.errors`` maps a ``Reason`` to a reply, the queue maps it to a retry or a bounce.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Fate(Enum):
    """KEPT: durable, the sender may forget it. REFUSED: never. LATER: nothing was kept, try again."""

    KEPT = "kept"
    REFUSED = "refused"
    LATER = "later"


class Reason(Enum):
    """Why. Every refusal and every deviation from plain filing names one."""

    DELIVERED = "delivered"
    JUNKED = "junked"
    HELD = "held"
    QUEUED = "queued"
    SPAM = "spam"
    IMPERSONATION = "impersonation"
    ATTACHMENT = "attachment"
    VIRUS = "virus"
    NOT_SCANNED = "not scanned for viruses"
    DMARC = "dmarc"
    BAD_HEADER = "bad header"
    LOOP = "loop"
    OVER_QUOTA = "over quota"
    UNKNOWN_RECIPIENT = "unknown recipient"
    NOT_SENDER = "not your address"
    RATE_LIMIT = "rate limit"
    NO_SPACE = "no space"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class Disposition:
    """Outcome for one recipient address of the envelope. ``text`` is for people, one line, free of controls."""

    recipient: str
    fate: Fate
    reason: Reason
    text: str = ""


@dataclass(frozen=True, slots=True)
class Dispositions:
    """Outcome of a message. ``whole`` is set when the message as such was refused or put off for everybody."""

    each: tuple[Disposition, ...]
    whole: Disposition | None = None
