"""The header of a message in transit: which fields are ours to write, and what goes on below them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from delivery.antivirus import Scan
from message.envelope import Envelope
from message.headers import HeaderBlock, HeaderField

#: Fields read of a header. All that fit into the largest header: a field that isn't seen can't be taken out.
ALL_FIELDS = 100_000


def ours(headers: HeaderBlock) -> list[HeaderField]:
    """The fields that our spam filter and virus scanner write: from anybody else they are lies."""
    return [field for field in headers.fields if field.name.lower().startswith((b"x-spam-", b"x-virus-status"))]


def virus_header(scan: Scan) -> bytes:
    """What the virus scanner said, as SpamAssassin's neighbours made it customary."""
    said = "Clean" if scan.scanned else "Not scanned"
    return f"X-Virus-Status: {'Infected (' + _ascii(scan.virus) + ')' if scan.virus else said}\r\n".encode()


def _ascii(text: str) -> str:
    return "".join(c if " " < c <= "~" and c not in "()" else "?" for c in text)


def without_fields(headers: HeaderBlock, fields: Iterable[HeaderField]) -> bytes:
    """The header up to the body, without ``fields``, everything else octet by octet.

    Lines at its very start that continue no field are left out too: below our trace fields they would go on with the
    last of those, and could add a result to our Authentication-Results.
    """
    pieces = []
    at = _first_line(headers)
    for field in sorted(fields, key=lambda one: one.start):
        if field.start >= at:
            pieces.append(headers.buffer[at : field.start])
            at = field.end
    pieces.append(headers.buffer[at : headers.body_start])
    return b"".join(pieces)


_CONTINUATIONS = re.compile(rb"(?:[ \t][^\n]*\n)*")


def _first_line(headers: HeaderBlock) -> int:
    """Where the first line begins that does not start with white space (RFC 5322 section 2.2.3)."""
    found = _CONTINUATIONS.match(headers.buffer, headers.start, headers.body_start)
    return found.end() if found else headers.start


def protocol(envelope: Envelope) -> str:
    """The transmission type of a Received field (RFC 3848, RFC 6531 section 4.3)."""
    client = envelope.client
    if not client.esmtp:
        return "SMTP"
    security = ("S" if client.tls else "") + ("A" if client.account else "")
    return ("UTF8SMTP" if envelope.smtputf8 else "ESMTP") + security
