"""Letters, lists and who gets what of them (RFC 4314 section 2)."""

from __future__ import annotations

import pytest

from imap.session.rights import ALL, OWNERS, Rights, effective, letters_of, of_letters, settable, shown
from storage.model import Grant, System

MARIE, PAUL = "user:marie", "user:paul"


def test_letters_come_back_in_the_order_of_the_standard() -> None:
    assert letters_of(ALL) == "lrswipkxtea"
    assert letters_of(of_letters("aetxkpiwsrl")) == "lrswipkxtea"
    assert letters_of(Rights.NONE) == ""


def test_obsolete_letters_are_unions() -> None:
    assert letters_of(of_letters("c")) == "kx"
    assert letters_of(of_letters("d")) == "te"
    assert shown(of_letters("lrk")) == "lrkc"
    assert shown(of_letters("e")) == "ed"
    assert shown(of_letters("lr")) == "lr"


@pytest.mark.parametrize("letters", ["z", "L", "lr-", "é", "0"])
def test_a_letter_that_is_none(letters: str) -> None:
    with pytest.raises(ValueError):
        of_letters(letters)


@pytest.mark.parametrize(
    ("entries", "identifiers", "got"),
    [
        ((), {PAUL, "anyone"}, ""),
        ((("anyone", "l"), (PAUL, "rs")), {PAUL, "anyone"}, "lrs"),
        ((("user:luc", "lrs"),), {PAUL, "anyone"}, ""),
        ((("group:profs", "lr"), ("-" + PAUL, "r")), {PAUL, "anyone", "group:profs"}, "l"),
        ((("-anyone", "lr"), (PAUL, "lrs")), {PAUL, "anyone"}, "s"),
        ((("-group:profs", "s"), ("anyone", "lrs")), {PAUL, "anyone"}, "lrs"),
    ],
)
def test_what_is_given_less_what_is_taken(
    entries: tuple[tuple[str, str], ...], identifiers: set[str], got: str
) -> None:
    assert letters_of(effective([Grant(*entry) for entry in entries], identifiers)) == got


@pytest.mark.parametrize(
    ("entries", "got"),
    [
        ((), "lrswipkxtea"),
        (((PAUL, "lr"),), "lrswipkxtea"),
        (((MARIE, "r"),), "lra"),
        (((MARIE, "r"), ("anyone", "i")), "lria"),
        ((("-anyone", "lrswipkxtea"),), "la"),
    ],
)
def test_the_owner_keeps_the_way_back(entries: tuple[tuple[str, str], ...], got: str) -> None:
    rights = effective([Grant(*entry) for entry in entries], {MARIE, "anyone"}, owner=MARIE)
    assert letters_of(rights) == got
    assert OWNERS in rights


def test_which_right_sets_which_flag() -> None:
    assert settable(Rights.SEEN) == (System.SEEN, False)
    assert settable(Rights.DELETE_MESSAGES) == (System.DELETED, False)
    assert settable(Rights.WRITE) == (System.ANSWERED | System.FLAGGED | System.DRAFT, True)
    assert settable(ALL) == (31, True)
    assert settable(Rights.READ) == (0, False)
