"""Quotas of accounts and of groups (storage/index/ledger.py, storage/index/pools.py), on each database."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from config.settings import Store as Settings
from message.content import MemoryContent
from storage.blobs.maildir import Maildir
from storage.database import Database
from storage.doorbell import Doorbell
from storage.errors import OverQuota, QuotaTaken
from storage.model import Filing, FlagChange, NewMessage, System
from storage.store import Store

LETTER = b"Subject: a\r\n\r\n" + b"b" * 86


def letter() -> NewMessage:
    return NewMessage(MemoryContent(LETTER))


def put(store: Store, account: int, name: str = "INBOX") -> int:
    (uid,) = store.append(account, store.mailbox(account, name).id, [letter()])
    return uid


@pytest.fixture
def people(store: Store) -> tuple[int, int, int]:
    """Marie and Paul share 500 octets, Jean has nothing to do with it."""
    marie, paul, jean = (store.open_account(key) for key in ("marie", "paul", "jean"))
    store.shared_quotas.set("profs", 500, 0, [marie, paul])
    return marie, paul, jean


def test_what_a_group_holds_counts_together(store: Store, people: tuple[int, int, int]) -> None:
    marie, paul, jean = people
    assert [put(store, one) for one in (marie, paul, paul, marie, paul)] == [1, 1, 2, 2, 3]
    with pytest.raises(OverQuota, match="group profs"):
        put(store, marie)
    shared = store.shared_quotas.of(paul)
    assert shared is not None
    assert (shared.name, shared.used_bytes, shared.used_messages) == ("profs", 500, 5)
    assert (shared.limit_bytes, shared.limit_messages) == (500, None)
    assert put(store, jean) == 1
    # What one throws away, another has room for; a move within one's own mail needs none.
    inbox = store.mailbox(paul, "INBOX").id
    store.move(paul, inbox, [3], store.mailbox(paul, "Trash").id)
    store.store_flags(paul, inbox, [1], FlagChange.ADD, int(System.DELETED), ())
    store.expunge(paul, inbox)
    assert put(store, marie) == 3
    with pytest.raises(OverQuota):
        store.copy(marie, store.mailbox(marie, "INBOX").id, [1], store.mailbox(marie, "Sent").id)


def test_one_message_for_several_of_a_group(store: Store, people: tuple[int, int, int]) -> None:
    marie, paul, jean = people
    for _ in range(4):
        put(store, marie)
    with pytest.raises(OverQuota) as caught:
        store.deliver([Filing(marie), Filing(paul), Filing(jean)], MemoryContent(LETTER), None, time.time())
    # Nobody has it; the one who is named is left out at the next try.
    assert caught.value.account in (marie, paul)
    assert store.mailbox(jean, "INBOX").messages == 0
    left = [one for one in (marie, paul) if one != caught.value.account]
    with pytest.raises(OverQuota):
        store.deliver([Filing(one) for one in (marie, paul)], MemoryContent(LETTER), None, time.time())
    store.deliver([Filing(one) for one in (*left, jean)], MemoryContent(LETTER), None, time.time())
    assert store.mailbox(jean, "INBOX").messages == 1


def test_all_who_have_no_room_are_named_at_once(store: Store, people: tuple[int, int, int]) -> None:
    *_, jean = people
    more = [store.open_account(f"eleve{number}") for number in range(20)]
    for one in (jean, *more[:15]):
        store.set_quota(one, 50, None)
    store.shared_quotas.set("eleves", 350, 0, more)
    everybody = [*people, *more]
    with pytest.raises(OverQuota) as caught:
        store.deliver([Filing(one) for one in everybody], MemoryContent(LETTER), None, time.time())
    # Of the five whose own quotas have room the group has room for three.
    assert caught.value.accounts == {jean, *more[:15], *more[18:]}
    left = [one for one in everybody if one not in caught.value.accounts]
    assert len(store.deliver([Filing(one) for one in left], MemoryContent(LETTER), None, time.time())) == 5


def test_handing_over_within_a_group_takes_no_room(store: Store, people: tuple[int, int, int]) -> None:
    marie, paul, jean = people
    uids = [put(store, marie) for _ in range(5)]
    boxes = {one: store.mailbox(one, "INBOX").id for one in people}
    store.move(marie, boxes[marie], uids[:2], boxes[paul], to_account=paul)
    shared = store.shared_quotas.of(paul)
    assert shared is not None
    assert shared.used_bytes == 500
    put(store, jean)
    with pytest.raises(OverQuota):
        store.move(jean, boxes[jean], [1], boxes[paul], to_account=paul)
    with pytest.raises(OverQuota):
        store.copy(marie, boxes[marie], uids[2:], boxes[paul], to_account=paul)


def test_an_account_is_in_one_shared_quota(store: Store, people: tuple[int, int, int]) -> None:
    marie, paul, jean = people
    store.shared_quotas.set("divers", 0, 1, [jean])
    with pytest.raises(QuotaTaken, match="jean takes from the quota of the group divers"):
        store.shared_quotas.set("autres", 9, 9, [jean, marie])
    with pytest.raises(QuotaTaken):
        store.shared_quotas.join("divers", marie)
    assert [one.name for one in store.shared_quotas.all()] == ["divers", "profs"]
    store.shared_quotas.leave("divers", marie)
    store.shared_quotas.leave("profs", marie)
    store.shared_quotas.join("divers", marie)
    store.shared_quotas.join("nothing", paul)
    put(store, marie)
    with pytest.raises(OverQuota, match="1 messages"):
        put(store, jean)
    store.shared_quotas.remove("divers")
    assert store.shared_quotas.of(jean) is None
    assert put(store, jean) == 1


@pytest.fixture
def others(database: Database, tmp_path: Path) -> Iterator[list[Store]]:
    """More stores on the same data, as other processes have them."""
    bells = Doorbell(tmp_path / "bells")
    url = database.engine.url.render_as_string(hide_password=False)
    databases = [Database(url) for _ in range(2)]
    stores = [Store(one, Maildir(tmp_path / "mail"), Settings(), bells) for one in databases]
    yield stores
    for store, one in zip(stores, databases, strict=True):
        store.close()
        one.close()
    bells.close()


def test_limits_are_exact_when_many_come_at_once(
    store: Store, others: list[Store], people: tuple[int, int, int]
) -> None:
    marie, paul, jean = people
    store.set_quota(jean, 300, None)
    store.shared_quotas.set("profs", 0, 7, [marie, paul])

    def one(number: int) -> bool:
        at = (store, *others)[number % 3]
        try:
            put(at, (marie, paul, jean)[number // 3 % 3])
        except OverQuota:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        kept = list(pool.map(one, range(54)))
    assert sum(kept) == 7 + 3
    assert store.quota(jean).used_bytes == 300
    shared = store.shared_quotas.of(marie)
    assert shared is not None
    assert shared.used_messages == 7


def test_copies_of_sent_mail_have_a_reserve(database: Database, tmp_path: Path) -> None:
    bells = Doorbell(tmp_path / "bells")
    store = Store(database, Maildir(tmp_path / "mail"), Settings(sent_reserve=200), bells)
    account = store.open_account("marie")
    store.set_quota(account, 100, 1)
    put(store, account)
    with pytest.raises(OverQuota):
        put(store, account)
    assert store.quota(account).sent_reserve == 200
    assert [put(store, account, "Sent") for _ in range(2)] == [1, 2]
    with pytest.raises(OverQuota):
        put(store, account, "Sent")
    store.close()
    bells.close()
