"""A message that lies in a folder as it was when it came, and what was found then. Pure."""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from message.address import parse_addresses
from message.content import Buffer
from message.envelope import ClientInfo, Envelope
from message.headers import HeaderBlock, parse_headers
from message.parts import scan
from spamfilter.evidence import Evidence

_LONGEST = 1000
_FROM = re.compile(rb"from\s+(\S{1,255})\s+\(\[(?:IPv6:)?([0-9A-Fa-f:.]{2,45})\]\)")
_BY = re.compile(rb"(?:^|\s)by\s+(\S{1,255})")
_ID = re.compile(rb"\sid\s+([A-Za-z0-9._-]{1,64})")
_TESTS = re.compile(rb"tests=([A-Z0-9_,\s]+)")


class Stored(NamedTuple):
    """``symbols`` are the rules that hit when this server judged the message, None when it did not."""

    evidence: Evidence
    symbols: frozenset[str] | None


def stored_message(buffer: Buffer, hostname: str) -> Stored:
    """What a message gives to learn from, without what the server ``hostname`` itself added on the way in.

    The sender comes from Return-Path, client and time from our own Received field (RFC 5321 section 4.4); without one
    the client is unknown, and the time is that of the first Received or of Date, or 0. Authentication is not known.
    """
    headers = parse_headers(buffer)
    received = headers.first(b"received") or b""
    ours = bool(hostname) and _by(received) == hostname.lower().encode()
    client = _client(received) if ours else ClientInfo("")
    envelope = Envelope("", _sender(headers), (), client, _received_at(headers))
    symbols = _symbols(headers) if ours else None
    if ours:
        headers = parse_headers(buffer, headers.named(b"received")[0].end)
    return Stored(Evidence(envelope, buffer, headers, scan(buffer, headers), None), symbols)


def stored_id(buffer: Buffer, hostname: str) -> str | None:
    """The envelope's id under which this server took the message, None when it was another."""
    received = (parse_headers(buffer).first(b"received") or b"")[:_LONGEST]
    if not hostname or _by(received) != hostname.lower().encode():
        return None
    found = _ID.search(received)
    return found[1].decode("latin-1") if found else None


def _by(received: bytes) -> bytes:
    found = _BY.search(received[:_LONGEST])
    return found[1].lower() if found else b""


def _client(received: bytes) -> ClientInfo:
    found = _FROM.match(received)
    return ClientInfo(found[2].decode(), helo=found[1].decode("latin-1")) if found else ClientInfo("")


def _sender(headers: HeaderBlock) -> str:
    value = headers.first(b"return-path")
    addresses = parse_addresses(value[:_LONGEST], 1) if value is not None else []
    return f"{addresses[0].local}@{addresses[0].domain}" if addresses and addresses[0].domain else ""


def _received_at(headers: HeaderBlock) -> float:
    received = headers.first(b"received")
    stamps = [received[:_LONGEST].rpartition(b";")[2]] if received is not None else []
    stamps += [date[:_LONGEST] for date in headers.all(b"date")[:1]]
    for stamp in stamps:
        try:
            return parsedate_to_datetime(stamp.decode("latin-1").strip()).timestamp()
        except (ValueError, TypeError, OverflowError, IndexError):
            continue
    return 0.0


def _symbols(headers: HeaderBlock) -> frozenset[str] | None:
    """The tests of our own X-Spam-Status: forged ones never get below our Received field."""
    found = _TESTS.search(headers.first(b"x-spam-status") or b"")
    return frozenset(found[1].decode().replace(",", " ").split()) - {"none"} if found else None
