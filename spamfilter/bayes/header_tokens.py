"""Tokens of a message's way: hosts and networks that passed it on, and the program that made it. Pure.

Only the Bayesian classifier counts them. What other fields say is left out: fields come in families (a mailing list
adds ten), and a family would weigh as if it were so many independent witnesses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from spamfilter.domains import unicode_form
from spamfilter.views import Views

#: Hops that are read.
MAX_HOPS = 8
_VALUE = 200

_FROM = re.compile(rb"from\s+([^\s;()]{1,255})")
_ADDRESS = re.compile(rb"(?<![\d.])(\d{1,3}\.\d{1,3})(\.\d{1,3})\.\d{1,3}(?![\d.])")
_RUNS = re.compile("([A-Z]+)|([a-z]+)|([0-9]+)")
_ZONE = re.compile(r"([+-]\d{4}|[A-Z]{2,5})(?:\s*\(.*\))?$")
_ID_HOST = re.compile(rb"@([\w.-]{1,100})")

#: Fields that a server or a mail program adds on the way in: a message must look alike when it is judged and learnt.
ADDED_ON_THE_WAY_IN = frozenset(
    (
        b"return-path", b"delivered-to", b"x-original-to", b"authentication-results", b"received-spf",
        b"arc-seal", b"arc-message-signature", b"arc-authentication-results", b"x-spam-status", b"x-spam-score",
        b"x-spam-report", b"x-spam-flag", b"x-spam-level", b"x-spam-checker-version", b"status", b"x-status",
        b"x-keywords", b"x-uid", b"x-mozilla-status", b"x-mozilla-status2", b"x-mozilla-keys", b"content-length",
        b"lines",
    )
)  # fmt: skip


def host_tokens(prefix: str, host: str) -> Iterator[str]:
    """The host and its suffixes down to the top-level domain: "a.b.fr" -> "a.b.fr", "b.fr", "fr"."""
    labels = unicode_form(host).split(".")[-4:]
    for i in range(len(labels)):
        yield prefix + ".".join(labels[i:])


def way_tokens(views: Views) -> Iterator[str]:
    """Tokens of the message's way."""
    yield from _hop_tokens(views)
    yield from _origin_tokens(views)


def _hop_tokens(views: Views) -> Iterator[str]:
    """Names and networks of the hosts that passed the message on, the one that brought it to us included."""
    client = views.evidence.envelope.client
    hops = [f"from {client.helo} [{client.address}]".encode("latin-1", "replace")] if client.address else []
    for hop in (hops + views.headers.all(b"received"))[:MAX_HOPS]:
        if match := _FROM.match(hop):
            yield from host_tokens("rf:", match[1].decode("latin-1").lower().strip("[]"))
        for half, third in _ADDRESS.findall(hop[:600])[:3]:
            yield f"ri:{half.decode()}"
            yield f"ri:{half.decode()}{third.decode()}"


def _origin_tokens(views: Views) -> Iterator[str]:
    """The writing program as it shows in the forms of identifier and date."""
    identifier = (views.headers.first(b"message-id") or b"")[:_VALUE].decode("latin-1").strip("<> ")
    left, _, right = identifier.partition("@")
    yield f"mi:{_shape(left)}"
    yield from host_tokens("mh:", right.lower()[:100])
    for name in (b"in-reply-to", b"references"):
        if match := _ID_HOST.search((views.headers.first(name) or b"")[:300]):
            yield f"irt:{match[1].decode('latin-1').lower()}"
    date = (views.headers.first(b"date") or b"")[:60].decode("latin-1").strip()
    zone = _ZONE.search(date)
    yield f"tz:{zone[1] if zone else 'none'}"
    yield f"ds:{_shape(date)}"


def _shape(text: str) -> str:
    """Runs of capitals, small letters and digits as one character each: "20021122.GA4711" -> "0.A0"."""
    return _RUNS.sub(lambda run: "A" if run[1] else "a" if run[2] else "0", text)[:40]
