"""What people note of mailboxes and of the server (storage/api.py)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from config.settings import Store as Settings
from message.content import MemoryContent
from storage.annotations import SPECIAL_USE
from storage.blobs.maildir import Maildir
from storage.database import Database, metadata
from storage.doorbell import Doorbell
from storage.errors import AnnotationTooBig, NoSuchMailbox, OverQuota, TooManyAnnotations, UseRefused
from storage.index import notes
from storage.model import SERVER, NewMessage, SpecialUse, UseChange
from storage.store import Store

COMMENT, MINE = "/shared/comment", "/private/comment"


@pytest.fixture
def narrow(tmp_path: Path) -> Iterator[Store]:
    """A store in which little can be noted."""
    database = Database(f"sqlite:///{tmp_path}/narrow.db")
    metadata.create_all(database.engine)
    settings = Settings(annotation_size=1024, annotations=10, annotations_size=8192)
    doorbell = Doorbell(tmp_path / "narrow-bells")
    store = Store(database, Maildir(tmp_path / "narrow"), settings, doorbell)
    yield store
    store.close()
    doorbell.close()
    database.close()


def test_what_is_private_is_of_one_reader(store: Store) -> None:
    marie, paul = store.open_account("marie"), store.open_account("paul")
    box = store.mailbox(marie, "INBOX").id
    store.annotations.change(marie, box, marie, {COMMENT: b"for all", MINE: b"hers"})
    store.annotations.change(marie, box, paul, {MINE: b"his\0", "/private/empty": b""})
    assert store.annotations.sizes(marie, box, marie) == {MINE: 4, COMMENT: 7}
    assert store.annotations.sizes(marie, box, paul) == {MINE: 4, "/private/empty": 0, COMMENT: 7}
    both = [COMMENT, MINE]
    assert store.annotations.values(marie, marie, both) == {box: {COMMENT: b"for all", MINE: b"hers"}}
    assert store.annotations.values(marie, paul, both, box) == {box: {COMMENT: b"for all", MINE: b"his\0"}}
    assert store.annotations.values(marie, paul, both, box + 1) == {}
    assert store.annotations.values(paul, paul, both) == {}


def test_a_change_is_whole_or_nothing(narrow: Store) -> None:
    marie = narrow.open_account("marie")
    box = narrow.mailbox(marie, "Sent").id
    for values, error in (
        ({COMMENT: b"x", MINE: b"y" * 1025}, AnnotationTooBig),
        ({COMMENT: b"x"} | {f"/private/{number}": b"" for number in range(11)}, TooManyAnnotations),
    ):
        with pytest.raises(error):
            narrow.annotations.change(marie, box, marie, values)
    with pytest.raises(UseRefused):
        narrow.annotations.change(marie, box, marie, {COMMENT: b"x"}, UseChange(SpecialUse.TRASH))
    with pytest.raises(NoSuchMailbox):
        narrow.annotations.change(marie, 99, marie, {COMMENT: b"x"})
    assert narrow.annotations.sizes(marie, box, marie) == {}
    assert narrow.mailbox(marie, "Sent").special_use is SpecialUse.SENT
    assert narrow.annotations.highest(marie) == 0


def test_limits_count_what_is_kept(narrow: Store) -> None:
    marie, paul = narrow.open_account("marie"), narrow.open_account("paul")
    box, other = narrow.mailbox(marie, "INBOX").id, narrow.mailbox(marie, "Sent").id
    for number in range(10):
        narrow.annotations.change(marie, box, marie, {f"/private/{number}": b"x"})
        narrow.annotations.change(marie, box, paul, {f"/private/{number}": b"x"})
    with pytest.raises(TooManyAnnotations):
        narrow.annotations.change(marie, box, marie, {"/private/more": b"x"})
    narrow.annotations.change(marie, box, marie, {"/private/0": None})
    narrow.annotations.change(marie, box, marie, {"/private/more": b"x"})
    narrow.annotations.change(marie, box, marie, {"/private/more": b"other"})
    # Shared entries are paid by the mailbox's owner, private ones by who wrote them, wherever they are.
    for number in range(7):
        narrow.annotations.change(marie, other, paul, {f"/shared/{number}": b"x" * 1024})
    with pytest.raises(OverQuota):
        narrow.annotations.change(marie, box, marie, {"/private/more": b"x" * 1024})
    narrow.annotations.change(marie, box, paul, {"/private/0": b"x" * 1024})
    narrow.annotations.change(marie, other, paul, {"/shared/0": None})
    narrow.annotations.change(marie, box, marie, {"/private/more": b"x" * 1000})


def test_they_follow_a_rename_and_go_with_the_mailbox(store: Store) -> None:
    marie = store.open_account("marie")
    box = store.create(marie, "notes").id
    store.annotations.change(marie, box, marie, {COMMENT: b"x"})
    store.rename(marie, "notes", "carnet")
    assert store.annotations.sizes(marie, box, marie) == {COMMENT: 1}
    store.delete(marie, "carnet")
    assert store.annotations.sizes(marie, box, marie) == {}
    assert store.create(marie, "carnet").id != box


def test_inbox_keeps_a_copy_when_it_is_renamed(store: Store) -> None:
    marie, paul = store.open_account("marie"), store.open_account("paul")
    inbox = store.mailbox(marie, "INBOX").id
    store.append(marie, inbox, [NewMessage(MemoryContent(b"Subject: a\r\n\r\nb\r\n"))])
    store.annotations.change(marie, inbox, marie, {COMMENT: b"x", "/shared/gone": b"y"})
    store.annotations.change(marie, inbox, paul, {MINE: b"z"})
    store.annotations.change(marie, inbox, marie, {"/shared/gone": None})
    store.rename(marie, "INBOX", "old")
    old = store.mailbox(marie, "old").id
    for box in (inbox, old):
        assert store.annotations.sizes(marie, box, paul) == {MINE: 1, COMMENT: 1}
    assert store.quota(marie).used_messages == 1


def test_what_changed_is_told_to_who_may_know(store: Store) -> None:
    marie, paul = store.open_account("marie"), store.open_account("paul")
    box = store.mailbox(marie, "INBOX").id
    before = store.annotations.highest(marie)
    first = store.annotations.change(marie, box, marie, {COMMENT: b"x", MINE: b"y"})
    second = store.annotations.change(marie, box, marie, {COMMENT: None})
    third = store.annotations.change(marie, box, marie, {}, UseChange(None))
    assert before < first < second < third == store.annotations.highest(marie)
    assert store.annotations.changed(marie, marie, before) == [
        (first, box, MINE),
        (second, box, COMMENT),
        (third, box, SPECIAL_USE),
    ]
    assert store.annotations.changed(marie, paul, before) == [(second, box, COMMENT)]
    assert store.annotations.changed(marie, marie, third) == []


def test_of_what_went_away_only_the_last_is_remembered(store: Store) -> None:
    marie = store.open_account("marie")
    box = store.mailbox(marie, "INBOX").id
    names = [f"/private/{number}" for number in range(1000)]
    for start in range(0, 1000, 50):
        some = names[start : start + 50]
        store.annotations.change(marie, box, marie, dict.fromkeys(some, b"x"))
        store.annotations.change(marie, box, marie, dict.fromkeys(some))
    left = store.annotations.changed(marie, marie, 0)
    assert 100 <= len(left) <= 300
    assert {entry for _, _, entry in left} >= set(names[-100:])


def test_of_the_server_there_is_one_for_all_and_one_for_each(store: Store) -> None:
    marie, paul = store.open_account("marie"), store.open_account("paul")
    first = store.annotations.change(SERVER, 0, marie, {COMMENT: b"Bonjour"})
    store.annotations.change(marie, 0, marie, {MINE: b"x"})
    assert store.annotations.values(SERVER, paul, [COMMENT, MINE], 0) == {0: {COMMENT: b"Bonjour"}}
    assert store.annotations.values(paul, paul, [COMMENT, MINE], 0) == {}
    assert store.annotations.values(marie, marie, [MINE], 0) == {0: {MINE: b"x"}}
    assert store.annotations.change(SERVER, 0, marie, {COMMENT: None}) > first
    assert store.annotations.changed(SERVER, paul, first)[0][2] == COMMENT
    assert notes.SHARED not in (marie, paul)
