"""Expiry and legal holds (storage/retention.py), on each database."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from message.content import MemoryContent
from storage import names, tables
from storage.attic import Attic, gone_of
from storage.blobs.api import Place
from storage.database import Database
from storage.doorbell import Doorbell
from storage.errors import NoSuchAccount, NoSuchMailbox
from storage.model import FlagChange, NewMessage, SpecialUse, System
from storage.retention import Retention
from storage.store import Store

DAY = 86400


@pytest.fixture
def retention(database: Database, tmp_path: Path) -> Retention:
    return Retention(database, Doorbell(tmp_path / "more-bells"))


def fill(store: Store, database: Database, name: str, *days: int) -> tuple[int, int]:
    """Messages that came so many days ago; returns the numbers of account and mailbox."""
    account = store.open_account("marie")
    box = store.mailbox(account, name).id
    for day in days:
        (uid,) = store.append(account, box, [NewMessage(MemoryContent(b"Subject: a\r\n\r\nb\r\n"))])
        m = tables.message.c
        with database.write() as connection:
            row = update(tables.message).where(m.account_id == account, m.mailbox_id == box, m.uid == uid)
            connection.execute(row.values(saved_at=int(time.time()) - day * DAY))
    return account, box


def test_old_messages_go_and_young_ones_stay(store: Store, database: Database, retention: Retention) -> None:
    account, junk = fill(store, database, "Junk", 40, 10, 31)
    _, inbox = fill(store, database, "INBOX", 99)
    assert retention.expire(SpecialUse.JUNK, time.time() - 30 * DAY) == 2
    assert retention.expire(SpecialUse.TRASH, time.time() - 30 * DAY) == 0
    assert list(store.view(account, junk).uids) == [2]
    assert list(store.view(account, inbox).uids) == [1]
    assert store.quota(account).used_messages == 2


def test_a_mailbox_may_have_a_rule_of_its_own(store: Store, database: Database, retention: Retention) -> None:
    account, junk = fill(store, database, "Junk", 40, 10)
    _, trash = fill(store, database, "Trash", 400, 20)
    store.create(account, "Convocations")
    _, letters = fill(store, database, "Convocations", 400, 20)
    retention.rule(account, junk, 7)
    retention.rule(account, trash, 0)
    retention.rule(account, letters, 365)
    assert retention.rules(account) == {"Convocations": 365, "Junk": 7, "Trash": 0}
    now = time.time()
    assert retention.expire(SpecialUse.JUNK, now) == retention.expire(SpecialUse.TRASH, now) == 0
    retention.hold(account, True)
    assert retention.expire_ruled(now) == 0
    retention.hold(account, False)
    assert retention.expire_ruled(now) == 3
    assert [len(store.view(account, box).uids) for box in (junk, trash, letters)] == [0, 2, 1]
    # It goes with the mailbox, and ends when it is taken back.
    store.rename(account, "Convocations", "Archive/Convocations")
    assert retention.rules(account)["Archive/Convocations"] == 365
    retention.rule(account, trash, None)
    assert retention.expire(SpecialUse.TRASH, now - 30 * DAY) == 1
    with pytest.raises(NoSuchMailbox):
        retention.rule(account, 999_999, 5)
    with pytest.raises(ValueError, match="0 or more"):
        retention.rule(account, trash, -1)


def test_a_hold_beats_every_purge(store: Store, database: Database, retention: Retention) -> None:
    account, trash = fill(store, database, "Trash", 40, 0)
    store.store_flags(account, trash, [2], FlagChange.ADD, int(System.DELETED), ())
    store.expunge(account, trash)
    retention.hold(account, True)
    assert retention.held(account)
    assert retention.expire(SpecialUse.TRASH, time.time()) == 0
    far = time.time() + 999 * DAY
    assert store.sweep(far) == 0

    def remembered() -> list[int]:
        with database.read() as connection:
            counted = (tables.removed, tables.flags_before, tables.mailbox_before)
            return [connection.scalar(select(func.count()).select_from(table)) or 0 for table in counted]

    before = remembered()
    assert min(before) > 0
    other = store.open_account("paul")
    box = store.mailbox(other, "INBOX").id
    store.append(other, box, [NewMessage(MemoryContent(b"Subject: a\r\n\r\nb\r\n"), int(System.DELETED))])
    store.expunge(other, box)
    assert store.sweep(far) == 1
    assert remembered() == before
    retention.hold(account, False)
    assert store.sweep(far) == 1
    assert remembered() == [0, 0, 0]
    assert retention.expire(SpecialUse.TRASH, time.time()) == 1


def test_a_hold_that_comes_while_the_attic_is_cleared_keeps_what_is_left(
    store: Store, database: Database, retention: Retention, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = []
    for name in ("marie", "paul"):
        account = store.open_account(name)
        box = store.mailbox(account, "INBOX").id
        store.append(account, box, [NewMessage(MemoryContent(b"Subject: a\r\n\r\nb\r\n"), int(System.DELETED))])
        store.expunge(account, box)
        numbers.append(account)
    read = Attic._rows

    def then_a_hold_comes(attic: Attic, query: Any) -> list[Any]:
        rows = read(attic, query)
        if rows and not retention.held(numbers[0]):
            retention.hold(numbers[0], True)
        return rows

    far = time.time() + 999 * DAY
    attic = Attic(database, store._blobs)
    attic.shelve(int(far))
    monkeypatch.setattr(Attic, "_rows", then_a_hold_comes)
    assert attic.clear(int(far)) == 1
    with database.read() as connection:
        (left,) = gone_of(connection, numbers[0], [(box, 1)])
    store._blobs.open(Place("marie", names.attic(left.mailbox)), left.name).close()


def test_only_accounts_that_are_there_can_be_held(retention: Retention) -> None:
    for ask in (lambda: retention.hold(7, True), lambda: retention.held(7)):
        with pytest.raises(NoSuchAccount):
            ask()
