from __future__ import annotations

import time

import pytest

from message.envelope import ClientInfo, Envelope
from message.headers import parse_headers
from message.parts import scan
from spamfilter.bayes import tokenize
from spamfilter.evidence import Evidence
from spamfilter.stored import stored_message
from spamfilter.views import Views

MAIL = (
    b"From: =?utf-8?q?Ren=C3=A9e?= <renee@mail.exemple.org>\r\n"
    b"Reply-To: autre@boite.net\r\n"
    b"Subject: =?utf-8?q?L=E2=80=99=C3=A9cole_ferm=C3=A9e?=\r\n"
    b"X-Mailer: Courrier 5\r\n"
    b"MIME-Version: 1.0\r\n"
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
    b"<p>L'\xc3\xa9l\xc3\xa8ve qu'on d\xe2\x80\x99abord <a href=\"https://www.piege.top/connexion/12345\">ici</a></p>\r\n"
    b'--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename="Facture-mars.pdf"\r\n\r\nx\r\n'
    b"--b--\r\n"
)


def tokens(octets: bytes, limit: int = 256 * 1024) -> list[str]:
    headers = parse_headers(octets)
    evidence = Evidence(Envelope("", "", (), ClientInfo(""), 0.0), octets, headers, scan(octets, headers), None)
    return tokenize.tokens(Views(evidence, limit))


@pytest.mark.parametrize(
    "token",
    [
        "f:mail.exemple.org", "f:exemple.org", "f:org", "fn:renee", "r:boite.net",
        "s:école", "s:ecole", "s:fermée", "s:fermee", "x:courrier",
        "élève", "eleve", "abord",
        "h:www.piege.top", "h:piege.top", "h:top", "up:connexion",
        "at:application/pdf", "ae:pdf", "an:facture", "an:mars",
        "p:text/html",
    ],
)  # fmt: skip
def test_tokens_say_what_and_where(token: str) -> None:
    assert token in tokens(MAIL)


@pytest.mark.parametrize("token", ["l'élève", "élève's", "up:12345", "on", "s:l'école", "n:received"])
def test_no_token_for_elisions_numbers_and_short_words(token: str) -> None:
    assert token not in tokens(b"Received: from a by b\r\n" + MAIL)


def test_what_our_server_adds_changes_nothing() -> None:
    added = (
        b"Return-Path: <x@y.z>\r\nReceived: from a ([192.0.2.1]) by mx.ici.fr\r\n for c; "
        b"Mon, 1 Jan 2024 10:00:00 +0000\r\n"
        b"Authentication-Results: mx.ici.fr; spf=pass\r\nX-Spam-Status: Yes, score=9\r\nX-Spam-Report: x\r\n"
        b"Delivered-To: a@b.fr\r\n"
    )
    as_it_came = Envelope("", "x@y.z", (), ClientInfo("192.0.2.1", helo="a"), 0.0)
    headers = parse_headers(MAIL)
    judged = Evidence(as_it_came, MAIL, headers, scan(MAIL, headers), None)
    learnt = stored_message(added + MAIL, "mx.ici.fr").evidence
    assert tokenize.tokens(Views(learnt, 4096)) == tokenize.tokens(Views(judged, 4096))


def test_tokens_are_distinct_ordered_and_capped() -> None:
    words = " ".join(f"mot{i}" for i in range(30_000)).encode()
    long = MAIL.replace(b"</p>", words + b"</p>")
    found = tokens(long)
    assert len(found) == tokenize.MAX_TOKENS
    assert len(set(found)) == len(found)
    assert "h:piege.top" in found, "words of the text do not push out what is hard to vary"
    assert found == tokens(long)


def test_words_that_no_reader_sees_beside_html_count_for_nothing() -> None:
    hidden = b"--b\r\nContent-Type: text/plain\r\n\r\nconseil bulletin inspecteur\r\n--b--"
    assert "bulletin" not in tokens(MAIL.replace(b"--b--", hidden))


@pytest.mark.parametrize(
    "body",
    [b"a" * 1_000_000, b"'" * 1_000_000, b"l'" * 500_000, b"-" * 1_000_000, ("é" * 500_000).encode(), b"a.b" * 300_000],
    ids=["letters", "apostrophes", "elisions", "hyphens", "accents", "dots"],
)
def test_hostile_text_takes_bounded_time(body: bytes) -> None:
    start = time.process_time()
    tokens(b"Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + body)
    assert time.process_time() - start < 5
