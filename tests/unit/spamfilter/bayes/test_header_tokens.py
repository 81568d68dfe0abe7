from __future__ import annotations

import pytest

from message.envelope import ClientInfo, Envelope
from message.headers import parse_headers
from message.parts import scan
from spamfilter.bayes.header_tokens import way_tokens
from spamfilter.evidence import Evidence
from spamfilter.views import Views

MAIL = (
    b"Received: from a.relais.net (a.relais.net [198.51.100.7])\r\n"
    b"\tby b.relais.net; Mon, 1 Jan 2024 10:00:00 +0000\r\n"
    b"Message-ID: <20240101.GA4711@poste.exemple.org>\r\n"
    b"References: <x@liste.exemple.net>\r\n"
    b"Date: Mon, 1 Jan 2024 10:00:00 +0100\r\n"
    b"List-Id: essai <essai.exemple.org>\r\n\r\nx\r\n"
)


def tokens(octets: bytes) -> set[str]:
    headers = parse_headers(octets)
    envelope = Envelope("", "", (), ClientInfo("203.0.113.9", helo="mx.client.org"), 0.0)
    return set(way_tokens(Views(Evidence(envelope, octets, headers, scan(octets, headers), None), 4096)))


@pytest.mark.parametrize(
    "token",
    [
        "rf:mx.client.org", "rf:client.org", "ri:203.0", "ri:203.0.113",
        "rf:a.relais.net", "rf:relais.net", "ri:198.51", "ri:198.51.100",
        "mi:0.A0", "mh:poste.exemple.org", "mh:exemple.org", "irt:liste.exemple.net", "tz:+0100",
    ],
)  # fmt: skip
def test_hosts_networks_and_forms(token: str) -> None:
    assert token in tokens(MAIL)


def test_families_of_fields_are_left_out() -> None:
    assert not any("essai" in token for token in tokens(MAIL))


def test_without_fields_little_is_told() -> None:
    assert {token for token in tokens(b"\r\nx") if not token.startswith(("rf:", "ri:"))} == {
        "mi:",
        "mh:",
        "tz:none",
        "ds:",
    }
