"""What the store keeps beside a message so that mail programs' list views never open its body.

``summarise`` reads the octets once and returns everything a row carries: ENVELOPE and BODYSTRUCTURE as ready octets
(RFC 9051 section 7.5.2), the header fields that list views ask for, the MIME part offsets, and the decoded strings that
SEARCH and SORT use.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from message.address import parse_addresses
from message.content import Buffer
from message.headers import HeaderBlock, parse_headers
from message.parts import Part, dump, scan, walk
from message.structure import bodystructure, envelope
from message.words import printable

#: Header fields kept as raw octets, in message order, for ``BODY[HEADER.FIELDS (...)]`` without opening the body.
LIST_FIELDS: frozenset[bytes] = frozenset(
    name.lower()
    for name in (
        b"From", b"Sender", b"Reply-To", b"To", b"Cc", b"Bcc", b"Subject", b"Date", b"Message-ID", b"In-Reply-To",
        b"References", b"Priority", b"X-Priority", b"Importance", b"Newsgroups", b"Content-Type",
        b"Content-Transfer-Encoding",
        b"MIME-Version", b"Resent-Message-ID", b"List-Id", b"List-Post", b"List-Unsubscribe", b"Mail-Followup-To",
        b"Disposition-Notification-To", b"Return-Receipt-To", b"X-Draft-Info", b"X-Spam-Status", b"Auto-Submitted",
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Summary:
    """Facts of one message, a pure function of its octets.

    ``size`` is the number of octets. ``envelope`` and ``bodystructure`` are IMAP responses' parenthesised octets, 7-bit
    clean or with literals. ``fields`` holds the raw ``LIST_FIELDS`` header lines with their CRLFs, without
    the blank line.
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


#: Characters of one decoded value that are kept for SEARCH and SORT.
_VALUE = 4096
_REFERENCES = 16_384

_MESSAGE_ID = re.compile(rb"<[^<>\s]{1,990}>")


def summarise(buffer: Buffer, headers: HeaderBlock | None = None, root: Part | None = None) -> Summary:
    """Everything a row carries, from the octets. ``headers`` and ``root`` are theirs when the caller has them already.

    Never raises for what a message holds; costs time linear in its size.
    """
    if headers is None:
        headers = parse_headers(buffer)
    if root is None:
        root = scan(buffer, headers)
    subject = headers.text(b"subject")[:_VALUE]
    sent = _sent(headers.first(b"date"))
    return Summary(
        size=len(buffer),
        envelope=envelope(headers),
        bodystructure=bodystructure(buffer, root),
        fields=b"".join(
            [buffer[field.start : field.end] for field in headers.fields if field.name.lower() in LIST_FIELDS]
        ),
        parts=dump(root),
        subject=subject,
        base_subject=base_subject(subject),
        from_=_addresses(headers, b"from"),
        to=_addresses(headers, b"to"),
        cc=_addresses(headers, b"cc"),
        bcc=_addresses(headers, b"bcc"),
        message_id=_first_id(headers.first(b"message-id")),
        references=_references(headers),
        sent_at=None if sent is None else _epoch(sent),
        sent_day=None if sent is None else sent.year * 10_000 + sent.month * 100 + sent.day,
        has_attachment=_has_attachment(root),
    )


def _addresses(headers: HeaderBlock, name: bytes) -> str:
    found: list[str] = []
    length = 0
    for value in headers.all(name):
        for address in parse_addresses(value):
            text = f"{address.name} <{address.spec}>" if address.name else f"<{address.spec}>"
            found.append(text)
            length += len(text)
            if length > _REFERENCES:
                return ", ".join(found)
    return ", ".join(found)


def _first_id(value: bytes | None) -> str:
    match = _MESSAGE_ID.search(value[:_VALUE]) if value else None
    return printable(match[0].decode("utf-8", "replace")) if match else ""


def _references(headers: HeaderBlock) -> str:
    """Message-IDs of References, or of In-Reply-To without it (RFC 5256 section 3), oldest first."""
    value = headers.first(b"references") or headers.first(b"in-reply-to") or b""
    ids = _MESSAGE_ID.findall(value[-_REFERENCES:])
    return printable(b" ".join(ids).decode("utf-8", "replace"))


def _sent(value: bytes | None) -> datetime | None:
    """The Date field; None when it is missing or not a date."""
    if not value:
        return None
    try:
        return parsedate_to_datetime(value[:128].decode("ascii", "replace"))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _epoch(sent: datetime) -> int | None:
    try:
        return int((sent if sent.tzinfo else sent.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return None


def _has_attachment(root: Part) -> bool:
    """True when a part is meant to be saved rather than shown."""
    return any(
        part.disposition == "attachment" or (part.filename is not None and part.disposition != "inline")
        for part in walk(root)
        if not part.children
    )


# -------------------------------------------------------------------- base subject

_BLOB = re.compile(r"\[[^\[\]]*\]\s*")
_LEADER = re.compile(r"(?:re|fwd?)\s*(?:\[[^\[\]]*\]\s*)?:\s*", re.IGNORECASE)
_TRAILER = re.compile(r"(?:\s|\(fwd\))+\Z", re.IGNORECASE)
_FORWARD = re.compile(r"\[fwd:(.*)\]\Z", re.IGNORECASE | re.DOTALL)


def base_subject(subject: str) -> str:
    """What stays of a subject without reply and forward marks (RFC 5256 section 2.1), in upper case for comparison."""
    text = " ".join(subject[:_VALUE].split())
    while True:
        text = _TRAILER.sub("", text)
        while True:
            before = text
            if match := _LEADER.match(text):
                text = text[match.end() :]
            elif (match := _BLOB.match(text)) and text[match.end() :]:
                # A leader may stand behind blobs; a blob alone goes only when something is left.
                text = text[match.end() :]
            if text == before:
                break
        match = _FORWARD.match(text)
        if match is None:
            return text.upper()
        text = match[1].strip()
