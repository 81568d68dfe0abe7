"""Messages as evidence: an everyday mail from outside, with what a test wants different."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from email.header import Header
from typing import Any

import pytest

from mailauth.results import AuthenticationResults, DkimResult, DmarcResult, Outcome, SpfResult
from message.envelope import ClientInfo, Envelope, Recipient
from message.headers import parse_headers
from message.parts import scan
from spamfilter.evidence import Evidence
from spamfilter.views import Views

RECEIVED_AT = 1_790_000_000.0  # Mon, 21 Sep 2026
RECIPIENT = "paul.durand@ac-exemple.fr"
FIELDS = {
    "Received": "from pc.exemple.org by mx.exemple.org; Mon, 21 Sep 2026 12:00:01 +0000",
    "From": "Marie Martin <marie@exemple.org>",
    "To": RECIPIENT,
    "Subject": "Reunion de demain",
    "Date": "Mon, 21 Sep 2026 12:00:00 +0000",
    "Message-ID": "<20260921.1@exemple.org>",
    "MIME-Version": "1.0",
}

AttachmentSpec = tuple[str, str, bytes]


def build(
    fields: Mapping[str, str | bytes | None],
    text: str | None,
    html: str | None,
    attachments: tuple[AttachmentSpec, ...],
    raw_fields: bytes,
    encoding: str,
) -> bytes:
    """A message's octets; a field given as None is left out."""
    head = b""
    for name, value in {**FIELDS, **fields}.items():
        if value is None:
            continue
        octets = value if isinstance(value, bytes) else value.encode() if value.isascii() else _encoded(value)
        head += name.encode() + b": " + octets + b"\r\n"
    shown = [_part("text/plain; charset=utf-8", text.encode(), encoding)] if text is not None else []
    shown += [_part("text/html; charset=utf-8", html.encode(), encoding)] if html is not None else []
    files = [
        _part(f"{kind}; name=\"{name}\"", octets, "base64", f"Content-Disposition: attachment; filename=\"{name}\"\r\n")
        for name, kind, octets in attachments
    ]  # fmt: skip
    body = shown[0] if len(shown) == 1 else _multipart("alternative", shown)
    if files:
        body = _multipart("mixed", [body, *files])
    return head + raw_fields + body


def _encoded(value: str) -> bytes:
    name, less, address = value.rpartition(" <")
    return (Header(name if less else value, "utf-8").encode() + less + (address if less else "")).encode()


def _part(kind: str, octets: bytes, encoding: str, more: str = "") -> bytes:
    body = b64encode(octets) if encoding == "base64" else octets
    return f"Content-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n{more}\r\n".encode() + body + b"\r\n"


def _multipart(kind: str, parts: list[bytes]) -> bytes:
    border = f"=_{kind}"
    body = b"".join(f"--{border}\r\n".encode() + part for part in parts)
    return f'Content-Type: multipart/{kind}; boundary="{border}"\r\n\r\n'.encode() + body + f"--{border}--\r\n".encode()


def authenticated(
    spf: str = "none",
    dkim: tuple[tuple[str, str], ...] = (),
    dmarc: str = "none",
    policy: str = "none",
    whole: bool = True,
) -> AuthenticationResults:
    """Results by name; ``dkim`` are (outcome, domain)."""
    return AuthenticationResults(
        spf=SpfResult(Outcome(spf), "exemple.org", "mailfrom", ""),
        dkim=tuple(
            DkimResult(Outcome(o), domain, "s1", "bad body hash" if o == "fail" else "", whole) for o, domain in dkim
        ),
        dmarc=DmarcResult(Outcome(dmarc), "exemple.org", policy),
        note="",
    )


def as_evidence(octets: bytes, *, authentication: AuthenticationResults | None = None, **changes: Any) -> Evidence:
    headers = parse_headers(octets)
    client = ClientInfo("192.0.2.7", helo=changes.get("helo", "mx.exemple.org"))
    envelope = Envelope("id1", changes.get("sender", "marie@exemple.org"), (Recipient(RECIPIENT),), client, RECEIVED_AT)
    return Evidence(
        envelope,
        octets,
        headers,
        scan(octets, headers),
        authentication,
        frozenset({"ac-exemple.fr"}),
        tuple(changes.get("names", ())),
        tuple(changes.get("namesakes", ())),
        changes.get("known", False),
        changes.get("wanted", False),
        changes.get("unwanted", False),
    )


def make_evidence(
    *,
    fields: Mapping[str, str | bytes | None] | None = None,
    text: str | None = "Bonjour Paul,\r\n\r\nNotre reunion commence a 14 h en salle B12.\r\n\r\nMarie",
    html: str | None = None,
    attachments: tuple[AttachmentSpec, ...] = (),
    raw_fields: bytes = b"",
    encoding: str = "8bit",
    auth: Mapping[str, Any] | None = None,
    raw: bytes | None = None,
    **changes: Any,
) -> Evidence:
    octets = raw or build(fields or {}, text, html, attachments, raw_fields, encoding)
    return as_evidence(octets, authentication=None if auth is None else authenticated(**auth), **changes)


@pytest.fixture(scope="session")
def evidence() -> Callable[..., Evidence]:
    return make_evidence


@pytest.fixture(scope="session")
def views() -> Callable[..., Views]:
    return lambda **changes: Views(make_evidence(**changes), 256 * 1024)


@pytest.fixture(scope="session")
def evidence_of() -> Callable[..., Evidence]:
    """Evidence of given octets."""
    return as_evidence
