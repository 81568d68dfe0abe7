from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from directory.errors import InvalidName
from directory.lockout import network_of
from directory.names import LONGEST, address_key, login_key, password_form

anything = st.text(st.characters(), max_size=300)


@given(anything)
def test_login_is_prepared_once_and_for_all(text: str) -> None:
    try:
        key = login_key(text)
    except InvalidName:
        return
    assert login_key(key) == key
    assert 0 < len(key.encode()) <= LONGEST
    assert key.isprintable()


@given(st.text(st.characters(codec="utf-8", categories=("L", "M", "N", "P")), min_size=1, max_size=40))
def test_case_makes_no_difference(text: str) -> None:
    try:
        key = login_key(text)
    except InvalidName:
        return
    assert login_key(text.casefold()) == key


@given(anything, st.one_of(anything, st.just("école.fr"), st.from_regex(r"[a-z]{1,9}\.fr", fullmatch=True)))
def test_address_is_prepared_once_and_for_all(local: str, domain: str) -> None:
    try:
        key = address_key(f"{local}@{domain}")
    except InvalidName:
        return
    assert key.rpartition("@")[2].isascii()
    assert len(key.encode()) <= LONGEST
    if '"' not in key:
        assert address_key(key) == key


@given(anything)
def test_password_form_is_stable(text: str) -> None:
    form = password_form(text, 256)
    if form is not None:
        assert password_form(form, 256) == form


@given(st.one_of(st.ip_addresses().map(str), anything))
def test_every_address_has_a_network(address: str) -> None:
    assert 0 < len(network_of(address)) <= 64
