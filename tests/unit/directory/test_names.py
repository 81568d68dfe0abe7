from __future__ import annotations

import pytest

from directory.errors import InvalidName
from directory.names import address_key, domain_key, login_key, password_form, without_detail


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ("Marie.Durand", "marie.durand"),
        ("\uff2darie", "marie"),  # full width
        ("FRANÇOIS", "françois"),
        ("franc\u0327ois", "françois"),  # decomposed
        ("Straße", "strasse"),
    ],
)
def test_login_is_compared_without_case_and_form(typed: str, key: str) -> None:
    assert login_key(typed) == key


@pytest.mark.parametrize(
    "typed", ["", "a\0b", "a\nb", "a b", "a\u00a0b", "a\u200bb", "\ud800", "x" * 257, "é" * 200, "\u202eab"]
)
def test_login_nobody_can_have(typed: str) -> None:
    with pytest.raises(InvalidName):
        login_key(typed)


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ("Marie@AC-Exemple.fr", "marie@ac-exemple.fr"),
        ("marie@École.fr", "marie@xn--cole-9oa.fr"),
        ("marie@XN--COLE-9OA.fr", "marie@xn--cole-9oa.fr"),
        ('"Marie"@école.fr', "marie@xn--cole-9oa.fr"),
        ('"ma\\rie"@ac.fr', "marie@ac.fr"),
    ],
)
def test_address_has_one_form(typed: str, key: str) -> None:
    assert address_key(typed) == key


@pytest.mark.parametrize(
    "typed",
    [
        "marie",
        "@ac.fr",
        "marie@",
        "marie@a..fr",
        "marie@-a.fr",
        "ma rie@ac.fr",
        "marie@a b",
        "m\0@ac.fr",
        "a@" + "é" * 300,
    ],
)
def test_address_nobody_can_have(typed: str) -> None:
    with pytest.raises(InvalidName):
        address_key(typed)


def test_an_address_within_quotes_stays_one_local_part() -> None:
    assert address_key('"marie@ailleurs.fr"@ac.fr') == "marie@ailleurs.fr@ac.fr"


def test_trailing_dot_is_another_domain() -> None:
    with pytest.raises(InvalidName):
        domain_key("ac-exemple.fr.")


def test_detail() -> None:
    assert without_detail("marie+ecole@ac.fr") == "marie@ac.fr"
    assert without_detail("marie+a+b@ac.fr") == "marie@ac.fr"
    assert without_detail("marie@ac.fr") is None
    assert without_detail("+x@ac.fr") is None


def test_password_form() -> None:
    assert password_form("e\u0301te\u0301", 256) == "été"
    assert password_form("a\u00a0b", 256) == "a b"
    assert password_form("Aa", 256) == "Aa"


@pytest.mark.parametrize("typed", ["", "a\0b", "a\nb", "é" * 129, "x" * 257, "\ud800"])
def test_password_nobody_can_have(typed: str) -> None:
    assert password_form(typed, 256) is None
