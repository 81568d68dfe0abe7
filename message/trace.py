"""Trace fields that this server puts before a message: Received and Return-Path (RFC 5321 section 4.4)."""

from __future__ import annotations

import re
import time

from message.envelope import ClientInfo, Envelope
from message.words import printable

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_NOT_IN_NAMES = re.compile(r"[^\w.:\[\]-]")
_COMMENT_BREAKING = re.compile(r"[()\\]")
_NOT_IN_PATHS = re.compile(r"[\s<>]")
_NAME_LENGTH = 255
_PATH_LENGTH = 320


def rfc5322_date(timestamp: float) -> str:
    """Seconds since the epoch as a date in UTC (RFC 5322 section 3.3), independent of locale and time zone."""
    at = time.gmtime(timestamp)
    day = f"{_DAYS[at.tm_wday]}, {at.tm_mday:02d} {_MONTHS[at.tm_mon - 1]} {at.tm_year:04d}"
    return f"{day} {at.tm_hour:02d}:{at.tm_min:02d}:{at.tm_sec:02d} +0000"


def received(envelope: Envelope, hostname: str, protocol: str) -> bytes:
    """The Received field of a message that came in by ``protocol`` (``ESMTPS`` and so on, RFC 3848), with its CRLF.

    The recipient is named only when there is one, so that a blind copy stays blind (RFC 5321 section 7.2). Without a
    client address there is no FROM clause: so mail of our own users does not tell where they sit.
    """
    client = envelope.client
    source = f"from {_client(client)}\r\n\t" if client.address else ""
    tls = f" ({_COMMENT_BREAKING.sub('', printable(client.tls))})" if client.tls else ""
    target = f"\r\n\tfor <{_path(envelope.recipients[0].address)}>" if len(envelope.recipients) == 1 else ""
    by = f"by {_name(hostname)} with {_name(protocol)}{tls}\r\n\tid {_name(envelope.id)}"
    return f"Received: {source}{by}{target};\r\n\t{rfc5322_date(envelope.received_at)}\r\n".encode()


def return_path(sender: str) -> bytes:
    """The Return-Path field of final delivery, with its CRLF; ``""`` is the null path."""
    return f"Return-Path: <{_path(sender)}>\r\n".encode()


def _client(client: ClientInfo) -> str:
    literal = f"IPv6:{client.address}" if ":" in client.address else client.address
    return f"{_name(client.helo) or 'unknown'} ([{_name(literal)}])"


def _name(text: str) -> str:
    """A name or number a client gave, without anything that could end the clause, the comment or the line."""
    return _NOT_IN_NAMES.sub("?", text[:_NAME_LENGTH])


def _path(address: str) -> str:
    return _NOT_IN_PATHS.sub("", printable(address))[:_PATH_LENGTH]
