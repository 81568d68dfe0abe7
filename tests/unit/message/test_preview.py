"""The first words of letters as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from message.parts import scan
from message.preview import preview


def words(message: str | bytes) -> str:
    octets = message.replace("\n", "\r\n").encode() if isinstance(message, str) else message
    return preview(octets, scan(octets))


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        ("Content-Type: text/plain; charset=utf-8\n", "Chère Hélène,\n\n  à  bientôt\n", "Chère Hélène, à bientôt"),
        (
            "Content-Type: text/plain; charset=iso-8859-15\nContent-Transfer-Encoding: quoted-printable\n",
            "R=E9union le 3 =E0 l'=E9cole, 5=A4=\n par personne",
            "Réunion le 3 à l'école, 5€ par personne",
        ),
        (
            "Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: base64\n",
            "PHN0eWxlPnAge2NvbG9yOnJlZH08L3N0eWxlPjxwPkTDqWrDoCB2dTwvcD48ZGl2IHN0eWxlPSJkaXNwbGF5Om5vbmUiPmNhY2jDqTwvZGl2PiZlYWN1dGU7",
            "Déjà vu é",
        ),
        ("", "> vous disiez\n> cela\nD'accord.\n", "D'accord."),
        ("", "Le 3 mai 2026 à 10:00, Marie <m@x> a écrit :\n> bonjour\n\nOui", "Oui"),
        ("", "", ""),
        ("Content-Type: image/png\nContent-Transfer-Encoding: base64\n", "AAAA", ""),
        ("Content-Type: text/plain\nContent-Disposition: attachment\n", "secret", ""),
    ],
)
def test_letters(headers: str, body: str, expected: str) -> None:
    assert words(f"{headers}\n{body}") == expected


def test_the_parts_of_a_letter() -> None:
    multipart = (
        "Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: multipart/alternative; boundary=i\n\n"
        "--i\n\n{plain}\n--i\nContent-Type: text/html\n\n<p>en HTML\n--i--\n"
        "--o\nContent-Type: message/rfc822\n\nSubject: x\n\ninner\n--o--\n"
    )
    assert words(multipart.format(plain="en clair")) == "en clair"
    assert words(multipart.format(plain="  ")) == "en HTML"


def test_the_length() -> None:
    text = words("\n" + "élève " * 100)
    assert len(text) <= 200
    assert text.endswith("élève…")
    assert len(words("\n" + "x" * 5000)) == 200
    assert len(words("Content-Type: text/html\n\n" + "<b>é</b>" * 5000)) <= 256


@given(st.binary(max_size=400))
def test_never_raises(octets: bytes) -> None:
    assert len(words(octets)) <= 200
