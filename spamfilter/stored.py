"""Evidence about a message that lies in a folder: what its own header still says of its delivery. Pure."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

from message.address import parse_addresses
from message.content import Buffer
from message.envelope import ClientInfo, Envelope
from message.headers import HeaderBlock, parse_headers
from message.parts import scan
from spamfilter.evidence import Evidence

_LONGEST = 1000


def stored_evidence(buffer: Buffer) -> Evidence:
    """Evidence with the sender of Return-Path and the time of the first Received field (RFC 5321 section 4.4).

    Client and authentication results are unknown. Without a readable time the message counts as received when its
    Date says, or at 0.
    """
    headers = parse_headers(buffer)
    envelope = Envelope("", _sender(headers), (), ClientInfo(""), _received_at(headers))
    return Evidence(envelope, buffer, headers, scan(buffer, headers), None)


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
