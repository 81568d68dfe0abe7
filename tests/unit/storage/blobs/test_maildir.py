"""Bodies on their way in, and bodies that are renamed by others at the moment when they are looked for."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import os
from pathlib import Path

import pytest

from message.content import MemoryContent
from storage.blobs.api import BodyName, Place
from storage.blobs.maildir import Maildir, file_name
from storage.errors import Damaged, DiskFull
from storage.model import System

INBOX, TRASH = Place("marie", ""), Place("marie", ".Trash")


class Restless(Maildir):
    """Each time a body is found, somebody changes its flags before it can be opened."""

    changes = 0

    def _find(self, place: Place, name: BodyName) -> str | None:
        found = super()._find(place, name)
        if found is not None and self.changes:
            self.changes -= 1
            other = dataclasses.replace(name, system=int(System.SEEN) if self.changes % 2 else int(System.FLAGGED))
            os.rename(found, os.path.join(os.path.dirname(found), file_name(other)))
        return found


@pytest.fixture
def maildir(tmp_path: Path) -> Restless:
    return Restless(tmp_path)


@pytest.fixture
def name(maildir: Restless) -> BodyName:
    """A body that stands there under other flags than its row has."""
    body = BodyName(maildir.new_name(), 4, 0)
    maildir.put(maildir.stage(MemoryContent(b"mail"), 0), INBOX, body)
    return dataclasses.replace(body, system=int(System.DELETED))


def test_it_is_opened(maildir: Restless, name: BodyName) -> None:
    maildir.changes = 3
    assert bytes(maildir.open(INBOX, name).buffer()) == b"mail"


def test_it_is_copied(maildir: Restless, name: BodyName) -> None:
    maildir.changes = 3
    copy = BodyName(maildir.new_name(), 4, 0)
    maildir.copy(INBOX, name, TRASH, copy)
    assert bytes(maildir.open(TRASH, copy).buffer()) == b"mail"


def test_what_is_not_there_is_missing(maildir: Restless, name: BodyName) -> None:
    nothing = BodyName("nothing", 4, 0)
    with pytest.raises(Damaged):
        maildir.open(INBOX, nothing)
    with pytest.raises(Damaged):
        maildir.copy(INBOX, nothing, TRASH, BodyName("copy", 4, 0))


def test_many_are_staged_all_or_none(maildir: Restless, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    letters = [(MemoryContent(b"mail %d" % number), 86400 * number) for number in range(20)]
    staged = maildir.stage_all(letters)
    assert [(one.size, Path(one.token).read_bytes()) for one in staged] == [
        (content.size, bytes(content.buffer())) for content, _ in letters
    ]
    assert [int(os.stat(one.token).st_mtime) for one in staged] == [date for _, date in letters]
    assert staged[3].digest == hashlib.sha256(b"mail 3").digest()
    assert maildir.stage_all([]) == []
    for one in staged:
        maildir.discard(one)
    synced: list[int] = []

    def fsync(file: int) -> None:
        synced.append(file)
        if len(synced) == 7:
            raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(DiskFull):
        maildir.stage_all(letters)
    assert list((tmp_path / "staging").iterdir()) == []
    synced.clear()
    maildir.stage_all(letters[:5])
    assert len(set(synced)) == 5


def test_what_is_done_meanwhile_fails_all(maildir: Restless, tmp_path: Path) -> None:
    done: list[str] = []
    assert len(maildir.stage_all([(MemoryContent(b"mail"), 0)], lambda: done.append("once"))) == 1
    assert done == ["once"]
    for one in (tmp_path / "staging").iterdir():
        one.unlink()
    with pytest.raises(ZeroDivisionError):
        maildir.stage_all([(MemoryContent(b"mail"), 0)] * 3, lambda: 1 // 0)
    assert list((tmp_path / "staging").iterdir()) == []
