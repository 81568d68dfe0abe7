from __future__ import annotations

import base64
import io
import time
import zipfile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from message.office import document_kind, document_text
from message.parts import scan
from message.text import searchable

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
LETTER = (
    f'<?xml version="1.0" encoding="UTF-8"?><w:document xmlns:w="{W}"><w:body>'
    '<w:p><w:r><w:rPr><w:lang w:val="fr-FR"/></w:rPr><w:t>Conseil de </w:t></w:r><w:r><w:t>classe</w:t></w:r></w:p>'
    '<w:p><w:r><w:t xml:space="preserve">jeudi à 17 h</w:t><w:tab/><w:t>salle 12</w:t></w:r></w:p>'
    "<w:instrText>PAGE</w:instrText></w:body></w:document>"
)
ODT = (
    '<office:document-content xmlns:office="o" xmlns:text="t"><office:body><text:h>Bulletin</text:h>'
    "<text:p>Très bon<text:line-break/>trimestre</text:p></office:body></office:document-content>"
)


def packed(members: dict[str, str | bytes], **how: Any) -> bytes:
    octets = io.BytesIO()
    with zipfile.ZipFile(octets, "w", zipfile.ZIP_DEFLATED, **how) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return octets.getvalue()


@pytest.mark.parametrize(
    ("kind", "members", "text"),
    [
        (
            "docx",
            {"[Content_Types].xml": "<Types/>", "word/document.xml": LETTER, "word/styles.xml": "<t>no</t>"},
            "Conseil de classe\njeudi à 17 h\nsalle 12\n",
        ),
        ("odt", {"mimetype": "x", "content.xml": ODT, "meta.xml": "<p>no</p>"}, "Bulletin\nTrès bon\ntrimestre\n"),
        ("xlsx", {"xl/sharedStrings.xml": "<sst><si><t>Nom</t></si><si><t>Note</t></si></sst>"}, "Nom\nNote\n"),
        (
            "pptx",
            {"ppt/slides/slide2.xml": "<p:s xmlns:p='p' xmlns:a='a'><a:p><a:t>deux</a:t></a:p></p:s>",
             "ppt/slides/slide1.xml": "<p:s xmlns:p='p' xmlns:a='a'><a:p><a:t>un</a:t></a:p></p:s>"},
            "un\ndeux\n",
        ),
    ],
)  # fmt: skip
def test_what_a_document_says(kind: str, members: dict[str, str | bytes], text: str) -> None:
    assert document_text(packed(members), kind, 1000) == text
    assert document_text(packed(members), kind, 5) == text[:5]


@pytest.mark.parametrize(
    ("subtype", "filename", "kind"),
    [
        ("vnd.openxmlformats-officedocument.wordprocessingml.document", None, "docx"),
        ("octet-stream", "Convocation.DOCX", "docx"),
        ("vnd.oasis.opendocument.text", "a.bin", "odt"),
        ("zip", "a.zip", None),
        ("octet-stream", None, None),
    ],
)
def test_by_type_or_by_name(subtype: str, filename: str | None, kind: str | None) -> None:
    assert document_kind(subtype, filename) == kind


BOMB = '<!DOCTYPE d [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><d xmlns:w="w"><w:t>&b;</w:t></d>'


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({"word/document.xml": BOMB}, ""),
        ({"word/document.xml": "<w:t>before</w:t><"}, "before"),
        ({"word/document.xml": "not XML"}, ""),
        ({"word/document.xml": b"\xff\xfe"}, ""),
        ({}, ""),
    ],
    ids=["entities", "broken", "text", "no text", "empty"],
)
def test_what_is_no_document_has_no_text(members: dict[str, str | bytes], text: str) -> None:
    assert document_text(packed(members), "docx", 1000) == text


def test_hostile_documents_cost_little() -> None:
    start = time.process_time()
    blank = packed({"word/document.xml": b"<d>" + b" " * 200_000_000})
    assert document_text(blank, "docx", 1000) == ""
    many = packed({f"ppt/slides/slide{n}.xml": "<p:t>x</p:t>" for n in range(30_000)})
    assert document_text(many, "pptx", 1_000_000) == ""
    deep = packed({"word/document.xml": "<w:t>" * 200_000})
    assert document_text(deep, "docx", 1000) == ""
    assert document_text(b"PK\5\6" + b"\xff" * 18, "docx", 1000) == ""
    # A second end record, of ZIP64, may say that the directory is far larger.
    octets = packed({"word/document.xml": LETTER})
    end = octets.rindex(b"PK\5\6")
    assert document_text(octets[:end] + b"PK\6\7" + b"\0" * 16 + octets[end:], "docx", 1000) == ""
    assert time.process_time() - start < 30


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 2000), st.sampled_from(["docx", "odt", "xlsx"]))
def test_it_never_raises(noise: bytes, at: int, kind: str) -> None:
    octets = packed({"word/document.xml": LETTER, "content.xml": ODT, "xl/sharedStrings.xml": "<si><t>a</t></si>"})
    assert isinstance(document_text(noise, kind, 100), str)
    assert len(document_text(octets[:at] + noise + octets[at + len(noise) :], kind, 100)) <= 100


def test_attached_documents_are_searched() -> None:
    document = base64.encodebytes(packed({"word/document.xml": LETTER}))
    octets = (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nVoir le document\r\n"
        b"--b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n"
        b"Content-Disposition: attachment; filename=conseil.docx\r\n\r\n" + document + b"\r\n--b--\r\n"
    )
    found = list(searchable(octets, scan(octets), 10_000))
    assert found == ["Voir le document", "Conseil de classe\njeudi à 17 h\nsalle 12\n"]
    assert list(searchable(octets, scan(octets), 20)) == ["Voir le document", "Cons"]
