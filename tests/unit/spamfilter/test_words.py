from __future__ import annotations

import time

import pytest

from spamfilter import words


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("L’Été à Nîmes", "l'ete a nimes"),
        ("Cœur, Ægide, STRASSE", "coeur, aegide, strasse"),
        ("already plain", "already plain"),
    ],
)
def test_unaccented(text: str, plain: str) -> None:
    assert words.unaccented(text) == plain


def test_readable_drops_what_nobody_sees() -> None:
    assert words.readable("pass\u200bword\u00ad \ufeffＦＲＥＥ") == "password FREE"


def test_folded_undoes_homoglyphs_in_mixed_words_only() -> None:
    assert words.folded("vоtre  mоt\nde pаsse") == " votre mot de passe "
    assert words.folded("добрый день") == " добрыи день "


@pytest.mark.parametrize(
    ("a", "b"), [("ac-lyon.fr", "ac-Iyon.fr"), ("paypal", "раураl"), ("modern", "modem"), ("google", "g00gle")]
)
def test_skeletons_of_lookalikes_are_equal(a: str, b: str) -> None:
    assert words.skeleton(a) == words.skeleton(b)


def test_skeletons_of_others_differ() -> None:
    assert words.skeleton("ac-lyon.fr") != words.skeleton("ac-lille.fr")


def test_splits_words_only_between_letters() -> None:
    assert words.splits_words("mot de pa\u200bsse")
    assert not words.splits_words("preview \u200c \u200c \u200c text, a \u00ad b")


def test_mixed_scripts_names_the_word() -> None:
    assert words.mixed_scripts("votre cоmpte est") == "cоmpte"
    assert words.mixed_scripts("Bonjour Иван") == ""


def test_blocks_cover_the_text_and_stay_small() -> None:
    text = "mot " * 20_000
    pieces = list(words.blocks(text, 50_000))
    assert "".join(pieces) == text[:50_000]
    assert all(len(piece) <= words.BLOCK for piece in pieces)


def test_combining_marks_take_bounded_time() -> None:
    hostile = "a" + "\u0316\u0301" * 100_000
    start = time.process_time()
    words.folded(words.readable(hostile))
    assert time.process_time() - start < 5
