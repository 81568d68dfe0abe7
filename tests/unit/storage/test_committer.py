"""Deliveries share commits with those that are on their way, and wait for nobody else."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import event

from config.settings import Store as Settings
from message.content import MemoryContent
from storage import committer
from storage.blobs.maildir import Maildir
from storage.database import Database
from storage.doorbell import Doorbell
from storage.model import Filing
from storage.store import Store

LETTER = b"From: a@far.example\r\nSubject: sujet\r\n\r\ntexte\r\n"


@pytest.fixture
def store(tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    # Long enough that who waits for company in vain is noticed.
    monkeypatch.setattr(committer, "COMPANY", 600.0)
    doorbell = Doorbell(tmp_path / "bells")
    one = Store(database, Maildir(tmp_path / "mail"), Settings(), doorbell)
    yield one
    one.close()
    doorbell.close()


@pytest.fixture
def commits(database: Database) -> list[int]:
    counted: list[int] = []
    event.listen(database.engine, "commit", lambda _: counted.append(1))
    return counted


def deliver(store: Store, account: int) -> None:
    store.deliver([Filing(account)], MemoryContent(LETTER), None, time.time())


def test_who_is_alone_waits_for_nobody(store: Store) -> None:
    account = store.open_account("marie")
    deliver(store, account)
    with store.coming(), store.coming():
        deliver(store, account)
    assert store.mailbox(account, "INBOX").messages == 2


def test_those_on_their_way_share_a_commit(store: Store, commits: list[int]) -> None:
    accounts = [store.open_account(key) for key in ("marie", "paul", "luc")]
    for account in accounts:
        deliver(store, account)
    commits.clear()
    everybody = threading.Barrier(3)

    def on_the_way(account: int) -> None:
        with store.coming():
            everybody.wait(60)
            deliver(store, account)

    threads = [threading.Thread(target=on_the_way, args=(account,)) for account in accounts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(commits) == 1
    assert [store.mailbox(account, "INBOX").messages for account in accounts] == [2, 2, 2]


def test_who_turns_back_is_not_waited_for_any_more(store: Store) -> None:
    account = store.open_account("marie")
    with pytest.raises(ZeroDivisionError), store.coming():
        raise ZeroDivisionError
    deliver(store, account)
    assert store.mailbox(account, "INBOX").messages == 1
