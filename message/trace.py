"""The trace fields that we add: Received, Return-Path; and dates as mail writes them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import format_datetime

from message.envelope import ClientInfo, Envelope

_NOT_DOMAIN = re.compile(r"[^A-Za-z0-9.\-:\[\]_\u0080-\U0010ffff]")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def rfc5322_date(timestamp: float) -> str:
    """Seconds since the epoch as RFC 5322 section 3.3 writes a date, in local time with its offset."""
    return format_datetime(datetime.fromtimestamp(timestamp, UTC).astimezone())


def return_path(sender: str) -> bytes:
    """The Return-Path field of final delivery (RFC 5321 section 4.4), with its CRLF."""
    return f"Return-Path: <{_clean(sender)}>\r\n".encode()


def received(envelope: Envelope, hostname: str, protocol: str) -> bytes:
    """The Received field of this hop (RFC 5321 section 4.4), with its CRLFs.

    ``protocol`` is of RFC 3848 or RFC 6531 section 4.3 (``ESMTPS``). A recipient is named only when it is the sole one
    (one field serves all, and must not tell them of each other, RFC 5321 section 7.2). An empty client address leaves
    the client out.
    """
    sole = envelope.recipients[0].address if len(envelope.recipients) == 1 else ""
    lines = [f"Received: {_client(envelope.client)}by {hostname} with {protocol} id {_clean(envelope.id)}"]
    if envelope.client.tls:
        lines.append(f" ({_comment(envelope.client.tls)})")
    if sole:
        lines.append(f" for <{_clean(sole)}>")
    lines[-1] += ";"
    lines.append(f" {rfc5322_date(envelope.received_at)}")
    return ("\r\n".join(lines) + "\r\n").encode()


def _client(client: ClientInfo) -> str:
    if not client.address:
        return ""
    literal = f"[IPv6:{client.address}]" if ":" in client.address else f"[{client.address}]"
    helo = _NOT_DOMAIN.sub("?", client.helo)[:255] or literal
    return f"from {helo} ({literal})\r\n "


def _comment(text: str) -> str:
    return re.sub(r"[()\\]", "", _clean(text))


def _clean(text: str) -> str:
    """No value from a stranger ends a field."""
    return _CONTROLS.sub("", text)[:1000]
