"""The text index on its own: what it hands out, what it says it doesn't know, and damage."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from message.collation import bare, casemap
from storage.errors import Damaged
from storage.texts.document import Document
from storage.texts.trigrams import KEPT_BODY, TrigramFiles

ACCOUNT = 7


@pytest.fixture
def texts(tmp_path: Path) -> Iterator[TrigramFiles]:
    one = TrigramFiles(tmp_path / "text")
    yield one
    one.close()


def doc(body: str, header: str = "Subject: x") -> Document:
    return Document(casemap(header), casemap(body))


def looked(texts: TrigramFiles, *pieces: str, wanted: set[int] | None = None) -> tuple[set[int], set[int]]:
    """Contents handed out, and those not known."""
    wanted = {1, 2, 3} if wanted is None else wanted
    with texts.look(ACCOUNT, wanted, [bare(casemap(piece)) for piece in pieces], header=True) as look:
        return {number for number, _ in look.documents}, set(look.unknown)


def test_only_texts_with_all_trigrams_are_handed_out(texts: TrigramFiles) -> None:
    texts.add(ACCOUNT, [(1, doc("Réunion à l'école")), (2, doc("Cantine"))], 2)
    assert looked(texts, "réunion") == ({1}, {3})
    assert looked(texts, "reunion", "ecole") == ({1}, {3})
    assert looked(texts, "reunion", "cantine") == (set(), {3})
    assert looked(texts, "subject") == ({1, 2}, {3})
    # Two letters make no trigram.
    assert looked(texts, "ca") == ({1, 2}, {3})
    assert looked(texts, "cantine", wanted={1}) == (set(), set())


def test_texts_come_back_as_they_were(texts: TrigramFiles) -> None:
    document = Document(b'SUBJECT: "x"\0TO: Y', casemap("première partie") + b"\0" + casemap('dernière "partie"'))
    texts.add(ACCOUNT, [(1, document)], 1)
    for piece in (b"DERNI", b'"PARTIE"', b"TO: Y"):
        with texts.look(ACCOUNT, {1}, [piece], header=True) as look:
            assert list(look.documents) == [(1, document)]
    with texts.look(ACCOUNT, {1}, [b"DERNI"], header=False) as look:
        assert list(look.documents) == [(1, Document(b"", document.body))]


def test_a_text_that_was_cut_stays_unknown(texts: TrigramFiles) -> None:
    texts.add(ACCOUNT, [(1, doc("début " + "x" * KEPT_BODY + " fin"))], 1)
    assert looked(texts, "début") == ({1}, {1, 2, 3})
    assert looked(texts, "fin") == (set(), {1, 2, 3})


def test_adding_again_changes_nothing(texts: TrigramFiles) -> None:
    for _ in range(2):
        texts.add(ACCOUNT, [(1, doc("un"))], 5)
    assert texts.known(ACCOUNT) == {1}
    assert texts.through(ACCOUNT) == 5
    texts.add(ACCOUNT, [], 3)
    assert texts.through(ACCOUNT) == 5


def test_what_is_forgotten_is_gone(texts: TrigramFiles) -> None:
    texts.add(ACCOUNT, [(1, doc("Réunion")), (2, doc("Réunion"))], 2)
    texts.forget(ACCOUNT, [1, 99])
    assert texts.known(ACCOUNT) == {2}
    assert looked(texts, "réunion") == ({2}, {1, 3})
    texts.clear(ACCOUNT)
    assert looked(texts, "réunion") == (set(), {1, 2, 3})
    assert texts.through(ACCOUNT) == 0


def test_an_account_has_a_file_of_its_own(texts: TrigramFiles, tmp_path: Path) -> None:
    texts.add(ACCOUNT, [(1, doc("un"))], 1)
    texts.add(ACCOUNT + 256, [(1, doc("deux"))], 1)
    assert looked(texts, "deux")[0] == set()
    files = sorted(path.relative_to(tmp_path / "text").as_posix() for path in tmp_path.glob("text/*/*.db"))
    assert files == ["07/263.db", "07/7.db"]
    assert (tmp_path / "text/07/7.db").stat().st_mode & 0o077 == 0


def test_more_files_than_are_held_open(texts: TrigramFiles) -> None:
    for account in range(40):
        texts.add(account, [(1, doc(f"compte {account:03}"))], 1)
    assert all(texts.known(account) == {1} for account in range(40))


def test_damage_is_never_an_answer(texts: TrigramFiles, tmp_path: Path) -> None:
    texts.add(ACCOUNT, [(1, doc("Réunion"))], 1)
    texts.close()
    path = tmp_path / "text/07/7.db"
    octets = bytearray(path.read_bytes())
    octets[4096:] = b"\xff" * (len(octets) - 4096)
    path.write_bytes(octets)
    assert looked(texts, "réunion") == (set(), {1, 2, 3})
    with pytest.raises(Damaged):
        texts.known(ACCOUNT)
    texts.clear(ACCOUNT)
    texts.add(ACCOUNT, [(1, doc("Réunion"))], 1)
    assert looked(texts, "réunion") == ({1}, {2, 3})


def test_a_file_that_is_none_and_one_that_is_not_there(texts: TrigramFiles, tmp_path: Path) -> None:
    assert looked(texts, "x") == (set(), {1, 2, 3})
    assert texts.known(ACCOUNT) == set()
    assert texts.through(ACCOUNT) == 0
    (tmp_path / "text/07").mkdir(parents=True)
    (tmp_path / "text/07/7.db").write_bytes(b"not a database, and of some length at that" * 100)
    assert looked(texts, "x") == (set(), {1, 2, 3})
    with pytest.raises(Damaged):
        texts.add(ACCOUNT, [(1, doc("un"))], 1)
    texts.clear(ACCOUNT)
    texts.add(ACCOUNT, [(1, doc("un"))], 1)
    assert texts.known(ACCOUNT) == {1}
