"""Commands that memory answers take no thread, and never tell what is no longer so."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config.settings import Store as Limits
from storage.blobs.maildir import Maildir
from storage.database import Database
from storage.doorbell import Doorbell
from storage.model import FlagChange, System
from storage.store import Store
from tests.fakes.imap_service import Service, service, signed_in

#: What is asked twice: the second time nothing has to be read for it.
AT_ONCE = (
    "SELECT INBOX",
    "NOOP",
    "STATUS INBOX (MESSAGES UNSEEN)",
    "FETCH 1:3 (UID FLAGS)",
    "UID FETCH 1:3 (UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (Subject)])",
    "FETCH 2 (ENVELOPE BODYSTRUCTURE)",
    "EXAMINE INBOX",
)


@pytest.fixture
def one_thread(tmp_path: Path) -> Iterator[Service]:
    with service(tmp_path, threads=1) as one:
        one.fill("INBOX", 3)
        yield one


@pytest.fixture
def elsewhere(one_thread: Service) -> Iterator[Store]:
    """The store as another process has it, whose bells are not heard here."""
    folder = one_thread.folder
    database, bell = Database(f"sqlite:///{folder}/index.db"), Doorbell(folder / "other-bells")
    store = Store(database, Maildir(folder / "mail"), Limits(), bell)
    yield store
    store.close()
    bell.close()
    database.close()


class Held:
    """The only thread is at work until it may go on."""

    def __init__(self, one: Service, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go_on, self._at_work = threading.Event(), threading.Event()
        search = one.store.search

        def slow(*arguments: Any, **more: Any) -> list[int]:
            self._at_work.set()
            assert self.go_on.wait(60)
            return search(*arguments, **more)

        monkeypatch.setattr(one.store, "search", slow)
        self.client = signed_in(one)
        self.client.ok("SELECT INBOX")
        self.client.send(b"s SEARCH ALL\r\n")
        assert self._at_work.wait(60)

    def release(self) -> None:
        self.go_on.set()
        assert self.client.until(b"s")[-1].startswith(b"s OK")


def test_no_thread_is_taken(one_thread: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    client = signed_in(one_thread)
    for command in AT_ONCE:
        client.ok(command)
    before = [client.ok(command) for command in AT_ONCE]
    held = Held(one_thread, monkeypatch)
    again = [client.ok(command) for command in AT_ONCE]
    held.release()
    assert again == before
    assert [len(lines) for lines in again[1:6]] == [0, 1, 3, 3, 1]


def test_what_another_process_changed_meanwhile_is_told(one_thread: Service, elsewhere: Store) -> None:
    client = signed_in(one_thread)
    for command in AT_ONCE:
        client.ok(command)
    account = elsewhere.open_account(one_thread.key)
    box = elsewhere.mailbox(account, "INBOX")
    for flag in (System.SEEN, System.FLAGGED, System.DELETED):
        changed = elsewhere.store_flags(account, box.id, [1], FlagChange.ADD, int(flag), ())
        modseq = changed.rows[0].modseq
        assert any(b"[HIGHESTMODSEQ %d]" % modseq in line for line in client.ok("SELECT INBOX"))
        assert flag.name is not None
        (line,) = client.ok("FETCH 1 (FLAGS)")
        assert flag.name.title().encode() in line
        assert b"* STATUS INBOX (HIGHESTMODSEQ %d)" % modseq in client.ok("STATUS INBOX (HIGHESTMODSEQ)")


def test_own_changes_are_told_to_the_other_sessions(one_thread: Service) -> None:
    first, second = signed_in(one_thread), signed_in(one_thread)
    first.ok("SELECT INBOX")
    second.ok("SELECT INBOX")
    for number in range(1, 20):
        first.ok(f"STORE 2 {'-+'[number % 2]}FLAGS (\\Flagged)")
        assert [b"Flagged" in line for line in second.ok("NOOP")] == [number % 2 == 1]
