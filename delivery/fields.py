"""The header of a message in transit: which fields are ours to write, and what goes on below them."""

from __future__ import annotations

from collections.abc import Iterable

from message.envelope import Envelope
from message.headers import HeaderBlock, HeaderField

#: Fields read of a header. All that fit into the largest header: a field that isn't seen can't be taken out.
ALL_FIELDS = 100_000


def ours(headers: HeaderBlock) -> list[HeaderField]:
    """The fields that our spam filter writes: from anybody else they are lies."""
    return [field for field in headers.fields if field.name.lower().startswith(b"x-spam-")]


def without_fields(headers: HeaderBlock, fields: Iterable[HeaderField]) -> bytes:
    """The header up to the body, without ``fields``, everything else octet by octet."""
    pieces = []
    at = headers.start
    for field in sorted(fields, key=lambda one: one.start):
        if field.start >= at:
            pieces.append(headers.buffer[at : field.start])
            at = field.end
    pieces.append(headers.buffer[at : headers.body_start])
    return b"".join(pieces)


def protocol(envelope: Envelope) -> str:
    """The transmission type of a Received field (RFC 3848, RFC 6531 section 4.3)."""
    client = envelope.client
    if not client.esmtp:
        return "SMTP"
    security = ("S" if client.tls else "") + ("A" if client.account else "")
    return ("UTF8SMTP" if envelope.smtputf8 else "ESMTP") + security
