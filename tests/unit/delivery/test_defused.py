"""Strangers' texts in our mails."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.defused import defused


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("M. Dupont, 12 h", "M. Dupont, 12 h"),
        ("http://evil.example/x", "http[:]//evil[.]example/x"),
        ("Eve <eve@far.example>", "Eve <eve@far[.]example>"),
        ("facture.pdf.exe", "facture[.]pdf[.]exe"),
        ("www。evil。example", "www[.]evil[.]example"),
        ("a\u202egpj.exe\r\nBcc: x", "agpj[.]exe Bcc: x"),
        ("evil\u200b.example", "evil[.]example"),
        ("tel:0899123456", "tel[:]0899123456"),
        ("x" * 300, "x" * 99 + "…"),
    ],
)
def test_nothing_is_left_to_click(text: str, shown: str) -> None:
    assert defused(text) == shown


@given(st.text())
def test_it_is_one_bounded_line(text: str) -> None:
    shown = defused(text)
    assert "\n" not in shown
    assert "\r" not in shown
    assert "://" not in shown or "[:]//" in shown or not any(c.isalpha() for c in shown)
    assert len(shown) <= 300
