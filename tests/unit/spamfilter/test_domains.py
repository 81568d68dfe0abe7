from __future__ import annotations

import time

import pytest

from spamfilter import domains

OURS = ("ac-exemple.fr", "lycee-hugo.exemple.fr")


@pytest.mark.parametrize(
    ("host", "site"),
    [
        ("www.ac-lyon.fr", "ac-lyon.fr"),
        ("shop.exemple.co.uk", "exemple.co.uk"),
        ("www.impots.gouv.fr", "impots.gouv.fr"),
        ("voleur.weebly.com", "voleur.weebly.com"),
        ("localhost", "localhost"),
        ("", ""),
    ],
)
def test_site(host: str, site: str) -> None:
    assert domains.site(host) == site


@pytest.mark.parametrize(
    "host",
    [
        "ac-exempIe.fr".lower(),
        "ac-exempl.fr",
        "ac-exmeple.fr",
        "ac-exemple.fr.secure-login.top",
        "ac-exemple-fr.secure-login.top",
        "ac-ly0n.fr",
        "ac-versailes.fr",
        "webmail.ac-creteil.com",
        "impots-gouv.com",
        "amendes.gouv.fr.paiement.top",
        "education-gouv.info",
        "xn--ac-exmple-f4a.fr",
        "amell.fr",
    ],
)
def test_lookalikes(host: str) -> None:
    assert domains.lookalike(host, OURS) is not None


@pytest.mark.parametrize(
    "host",
    [
        "ac-exemple.fr",
        "mail.ac-exemple.fr",
        "lycee-hugo.exemple.fr",
        "ac-lyon.fr",
        "bv.ac-lille.fr",
        "impots.gouv.fr",
        "info.gouv.fr",
        "www.gouv.qc.ca",
        "exemple.org",
        "orange.fr",
        "camif.fr",
        "gmail.com",
        "",
    ],
)
def test_genuine(host: str) -> None:
    assert domains.lookalike(host, OURS) is None


@pytest.mark.parametrize(
    ("host", "is_address"),
    [
        ("192.0.2.1", True),
        ("[2001:db8::1]", True),
        ("3221225985", True),
        ("0xc0000201", True),
        ("exemple.fr", False),
        ("1.2.3", False),
        ("9" * 5000, False),
    ],
)
def test_is_address(host: str, is_address: bool) -> None:
    assert domains.is_address(host) is is_address


def test_punycode_is_decoded_within_bounds() -> None:
    assert domains.unicode_form("www.xn--exmple-cva.fr") == "www.exémple.fr"
    hostile = "xn--" + "a" * 200_000
    start = time.process_time()
    assert domains.unicode_form(hostile) == hostile
    assert time.process_time() - start < 1
