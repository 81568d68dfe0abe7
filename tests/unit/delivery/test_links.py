"""Signed links: nobody else makes one, and nothing in one can be changed."""

from __future__ import annotations

import base64
import multiprocessing
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.links import LONGEST, BadLink, Deed, Link, Links, link_key

LINKS = Links(b"k" * 32, "https://mail.example")
LINK = Link(Deed.ALLOW, "key-marie", 7, 12, "été@far.example", 1_700_000_000)


def test_a_link_comes_back_as_it_was_made() -> None:
    assert LINKS.url(LINK) == f"https://mail.example/q/{LINKS.token(LINK)}"
    assert LINKS.read(LINKS.token(LINK)) == LINK


@given(st.data())
def test_no_changed_character_passes(data: st.DataObject) -> None:
    token = LINKS.token(LINK)
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters().filter(lambda c: c != token[at]))
    with pytest.raises(BadLink):
        LINKS.read(token[:at] + other + token[at + 1 :])


@given(st.text())
def test_nothing_else_is_a_link(text: str) -> None:
    with pytest.raises(BadLink):
        LINKS.read(text)


def test_forgeries_are_refused() -> None:
    payload, _, signature = LINKS.token(LINK).partition(".")
    octets = base64.urlsafe_b64decode(payload + "==").replace(b"12", b"13")
    changed = base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
    for token in (f"{changed}.{signature}", payload, f"{payload}.", f".{signature}", f"{payload}.{signature}=", ""):
        with pytest.raises(BadLink):
            LINKS.read(token)
    with pytest.raises(BadLink):
        Links(b"other".ljust(32), "").read(LINKS.token(LINK))
    with pytest.raises(BadLink):
        LINKS.read("A" * (LONGEST + 1))


def test_the_key_is_made_once_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "links.key"
    with multiprocessing.get_context("fork").Pool(4) as pool:
        keys = set(pool.map(link_key, [path] * 8))
    assert len(keys) == 1
    assert link_key(path) in keys
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["links.key"]


def test_a_broken_key_is_told(tmp_path: Path) -> None:
    (tmp_path / "links.key").write_bytes(b"short")
    with pytest.raises(BadLink, match="remove it"):
        link_key(tmp_path / "links.key")
