"""PDFs for the text index, by the real reader."""

from __future__ import annotations

import base64
import shutil
import time
from pathlib import Path

import pytest

from message.collation import casemap
from storage.texts import pdf
from storage.texts.document import BETWEEN, Document, document
from storage.texts.pdf import pdf_text, with_pdfs

pytestmark = pytest.mark.skipif(shutil.which("pdftotext") is None, reason="needs the Debian package poppler-utils")


def pdf_of(text: str) -> bytes:
    """A PDF of one page with a line of text (ISO 32000-1 section 7.5)."""
    stream = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET".encode("latin-1")
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    octets, places = b"%PDF-1.4\n", []
    for number, one in enumerate(objects, 1):
        places.append(len(octets))
        octets += b"%d 0 obj\n%b\nendobj\n" % (number, one)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    count = len(objects) + 1
    table = b"xref\n0 %d\n0000000000 65535 f \n%b" % (count, table)
    end = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (count, len(octets))
    return octets + table + end


def test_the_text_of_a_page() -> None:
    assert pdf_text(pdf_of("Bulletin du deuxième trimestre"), 1000).strip() == "Bulletin du deuxième trimestre"
    assert pdf_text(pdf_of("Bulletin"), 4) == "Bull"


@pytest.mark.parametrize("octets", [b"", b"no PDF", b"%PDF-1.4\n" + b"\xff" * 5000, pdf_of("a")[:200]])
def test_what_is_none_has_no_text(octets: bytes) -> None:
    assert pdf_text(octets, 1000) == ""


def message(name: bytes, octets: bytes) -> bytes:
    return (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nVoir le document\r\n"
        b"--b\r\nContent-Type: application/octet-stream; name=%b\r\nContent-Transfer-Encoding: base64\r\n\r\n%b"
        b"\r\n--b--\r\n"
    ) % (name, base64.encodebytes(octets))


def test_it_stands_behind_the_other_texts() -> None:
    octets = message(b"b.PDF", pdf_of("Élève"))
    found = with_pdfs(document(octets, None), octets, None)
    first, second = found.body.split(BETWEEN)
    assert (first, second.strip()) == (casemap("Voir le document"), casemap("Élève"))
    other = message(b"b.zip", pdf_of("Élève"))
    assert with_pdfs(Document(b"h", b"b"), other, None) == (b"h", b"b")


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("sleep 60", ""),
        ("while :; do :; done", ""),
        ("yes", "y\n" * 500),
        ("echo text; kill -9 $$", "text\n"),
        ("exit 3", ""),
    ],
)
def test_a_reader_that_does_not_end_is_ended(
    script: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "reader"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(pdf, "PROGRAM", str(program))
    monkeypatch.setattr(pdf, "SECONDS", 3.0)
    monkeypatch.setattr(pdf, "CPU_SECONDS", 1)
    start = time.monotonic()
    assert pdf_text(pdf_of("a"), 1000) == text
    assert time.monotonic() - start < 50
