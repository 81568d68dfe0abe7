"""Messages made to keep the filter busy: judged within bounds, by far."""

from __future__ import annotations

import gzip
import time
from base64 import b64encode
from collections.abc import Callable

import pytest

from config.settings import Spam
from spamfilter.evidence import Evidence
from spamfilter.filter import SpamFilter
from spamfilter.model import Knowledge, blank

#: CPU seconds; each takes a tenth of it or less on a slow machine.
BOUND = 10.0

MiB = 1 << 20
HTML = b"Content-Type: text/html; charset=utf-8\r\n\r\n"
HOSTILE: dict[str, bytes] = {
    "nested tags": HTML + b"<div>" * 100_000,
    "open attributes": HTML + b"<a href='" * 100_000,
    "entities": HTML + b"&amp;&#x41;" * 100_000,
    "comments": HTML + b"<!--" * 200_000,
    "links": HTML + b"".join(b'<a href="http://h%d.fr/">x</a>' % i for i in range(50_000)),
    "links in text": b"\r\n" + b"".join(b"http://h%d.fr/ " % i for i in range(50_000)),
    "one endless address": b"\r\nhttp://" + b"a." * MiB,
    "at signs": b"From: " + b"a@" * 30_000 + b"\r\n\r\nx",
    "long subject": b"Subject: " + b"A " * 100_000 + b"\r\n\r\nx",
    "encoded words": b"Subject: " + b"=?utf-8?b?w6k=?= " * 5_000 + b"\r\n\r\nx",
    "combining marks": b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + "\u0316\u0301".encode() * 200_000,
    "punycode": HTML + b'<a href="http://xn--' + b"a" * 100_000 + b'.fr/">x</a>',
    "digits": HTML + b'<a href="http://' + b"9" * 100_000 + b'/">x</a>',
    "phrases": b"\r\n" + b"votre mot de passe your password iban " * 20_000,
    "archive": b'Content-Type: application/zip; name="a.zip"\r\n\r\n' + b"PK\x03\x04" * 200_000,
    "gzip bomb": b'Content-Type: application/gzip; name="a.gz"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
    + b64encode(gzip.compress(gzip.compress(bytes(30 * MiB)))),
    "zip directory": b'Content-Type: application/zip; name="a.zip"\r\n\r\nPK\x03\x04' + b"PK\x01\x02" * 500_000,
    "parts": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 20_000,
    "deep parts": b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (i, i) for i in range(2_000)
    ),
    "recipients": b"To: " + b"a@b.fr, " * 50_000 + b"\r\n\r\nx",
}


class NoModel:
    def __init__(self) -> None:
        self.known = blank()
        self.known.totals[:] = 100, 100

    def knowledge(self) -> Knowledge:
        return self.known


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_bounded(name: str, evidence_of: Callable[..., Evidence]) -> None:
    start = time.process_time()
    verdict = SpamFilter(Spam(budget=60.0), NoModel()).judge(evidence_of(HOSTILE[name]))
    assert time.process_time() - start < BOUND
    assert verdict.scanned
