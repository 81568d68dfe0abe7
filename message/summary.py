"""What the store keeps beside a message so that mail programs' list views never open its body.

``summarise`` reads the octets once and returns everything a row carries: ENVELOPE and BODYSTRUCTURE as ready octets
(RFC 9051 section 7.5.2), the header fields that list views ask for, the MIME part offsets, and the decoded strings that
SEARCH and SORT use.
"""

from __future__ import annotations

from dataclasses import dataclass

#: Header fields kept as raw octets, in message order, for ``BODY[HEADER.FIELDS (...)]`` without opening the body.
LIST_FIELDS: frozenset[bytes] = frozenset(
    name.lower()
    for name in (
        b"From", b"Sender", b"Reply-To", b"To", b"Cc", b"Bcc", b"Subject", b"Date", b"Message-ID", b"In-Reply-To",
        b"References", b"Priority", b"X-Priority", b"Importance", b"Newsgroups", b"Content-Type", b"Content-Transfer-Encoding",
        b"MIME-Version", b"Resent-Message-ID", b"List-Id", b"List-Post", b"List-Unsubscribe", b"Mail-Followup-To",
        b"Disposition-Notification-To", b"Return-Receipt-To", b"X-Draft-Info", b"X-Spam-Status", b"Auto-Submitted",
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Summary:
    """Facts of one message, a pure function of its octets.

    ``size`` is the number of octets. ``envelope`` and ``bodystructure`` are IMAP responses' parenthesised octets, 7-bit
    clean or with literals. ``fields`` holds the raw ``LIST_FIELDS`` header lines with their CRLFs, without the blank line.
    ``parts`` is the MIME tree with byte offsets as written by ``message.parts.dump``. The text values are decoded
    (RFC 2047) and free of control characters; address values are ``Name <local@domain>`` joined by ``", "``.
    ``sent_at`` is the Date field in seconds since the epoch or None, ``sent_day`` the day written in it as
    ``yyyymmdd`` (its own time zone disregarded, RFC 9051 section 6.4.4) or None.
    """

    size: int
    envelope: bytes
    bodystructure: bytes
    fields: bytes
    parts: bytes
    subject: str
    base_subject: str
    from_: str
    to: str
    cc: str
    bcc: str
    message_id: str
    references: str
    sent_at: int | None
    sent_day: int | None
    has_attachment: bool
