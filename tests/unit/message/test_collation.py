"""i;unicode-casemap (RFC 5051), and the looser comparison of FUZZY."""

from __future__ import annotations

import pytest

from message.collation import bare, casemap, loose_words


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Élève", "ÉLÈVE"),
        ("é", "e\u0301"),
        ("œuvre", "Œuvre"),
        ("ﬁn", "FIN"),
        ("Ⅷ", "VIII"),
        ("ǆ", "ǅ"),
        ("Σ", "σ"),
        ("ａ", "A"),
    ],
)
def test_what_is_equal(one: str, other: str) -> None:
    assert casemap(one) == casemap(other)


@pytest.mark.parametrize(("one", "other"), [("e", "é"), ("œ", "oe"), ("ß", "ss"), ("a b", "ab")])
def test_what_is_not(one: str, other: str) -> None:
    assert casemap(one) != casemap(other)


def test_the_order_is_by_capitals() -> None:
    """RFC 5051 section 2: what stands between Z and a comes after all letters."""
    assert sorted(["_a", "B", "a", "é", "e"], key=casemap) == ["a", "B", "e", "é", "_a"]


@pytest.mark.parametrize("text", ["Élève à l'été", "cœur", "Straße", "naïve ﬁn", "日本"])
def test_substrings_stay_substrings(text: str) -> None:
    for start in range(len(text)):
        for end in range(start, len(text) + 1):
            part = casemap(text[start:end])
            assert part in casemap(text)
            assert bare(part) in bare(casemap(text))


def test_loose_words() -> None:
    assert loose_words("  L’été\tde\r\nl'ŒUVRE ") == [b"L'ETE", b"DE", b"L'OEUVRE"]
    assert loose_words("\u0301") == []
