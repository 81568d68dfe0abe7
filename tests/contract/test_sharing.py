"""What accounts share: lists of rights, and messages that go from one account to another (storage/api.py)."""

from __future__ import annotations

import time

import pytest

from message.content import MemoryContent
from storage.errors import LimitReached, NoSuchMailbox, OverQuota
from storage.model import Columns, FlagChange, Grant, NewMessage, Settable, System
from storage.sharing import ENTRIES
from storage.store import Store

MAIL = b"From: a@example.org\r\nSubject: Partage\r\n\r\nBonjour\r\n"


def two(store: Store) -> tuple[int, int]:
    return store.open_account("marie"), store.open_account("paul")


def give(store: Store, account: int, mailbox: int, identifier: str, rights: str | None) -> None:
    store.sharing.change_acl(account, mailbox, identifier, lambda before: rights)


def test_lists_are_of_mailboxes_and_go_with_them(store: Store) -> None:
    marie, paul = two(store)
    box = store.create(marie, "notes")
    assert not box.has_acl
    give(store, marie, box.id, "user:paul", "lr")
    give(store, marie, box.id, "anyone", "l")
    assert store.sharing.acl(marie, box.id) == (Grant("anyone", "l"), Grant("user:paul", "lr"))
    assert store.mailbox(marie, "notes").has_acl
    assert not store.mailbox(paul, "INBOX").has_acl
    assert store.sharing.accounts_that_share(["user:paul"]) == {marie: "marie"}
    assert store.sharing.accounts_that_share(["user:luc", "group:profs"]) == {}
    store.rename(marie, "notes", "carnet")
    assert store.sharing.acls(marie) == {box.id: (Grant("anyone", "l"), Grant("user:paul", "lr"))}
    give(store, marie, box.id, "anyone", None)
    store.delete(marie, "carnet")
    assert store.sharing.acls(marie) == {}
    assert store.sharing.accounts_that_share(["user:paul"]) == {}
    with pytest.raises(NoSuchMailbox):
        give(store, marie, box.id, "user:paul", "lr")


def test_a_list_has_an_end(store: Store) -> None:
    marie, _ = two(store)
    box = store.mailbox(marie, "INBOX")
    for number in range(ENTRIES):
        give(store, marie, box.id, f"user:{number}", "l")
    with pytest.raises(LimitReached):
        give(store, marie, box.id, "user:more", "l")
    assert len(store.sharing.acl(marie, box.id)) == ENTRIES


def test_asking_for_an_account_makes_none(store: Store) -> None:
    assert store.sharing.account_number("nobody") is None
    number = store.open_account("somebody")
    assert store.sharing.account_number("somebody") == number


@pytest.mark.parametrize("moving", [False, True])
def test_a_message_goes_to_another_account_for_good(store: Store, moving: bool) -> None:
    marie, paul = two(store)
    here, there = store.mailbox(marie, "INBOX"), store.mailbox(paul, "INBOX")
    flags = int(System.SEEN | System.FLAGGED)
    uids = store.append(
        marie, here.id, [NewMessage(MemoryContent(MAIL), flags, ("Label",), 1_780_000_000, 60) for _ in "ab"]
    )
    transfer = store.move if moving else store.copy
    result = transfer(marie, here.id, uids, there.id, to_account=paul, within=Settable(int(System.SEEN), False))
    assert result.source == tuple(uids)
    assert store.quota(paul).used_messages == 2
    assert store.quota(paul).used_bytes == 2 * len(MAIL)
    assert store.quota(marie).used_messages == (0 if moving else 2)
    # The first owner's own go for good: what was copied lives on by itself.
    store.store_flags(marie, here.id, uids, FlagChange.ADD, int(System.DELETED), ())
    store.expunge(marie, here.id)
    store.sweep(time.time() + 10_000)
    assert store.view(marie, here.id).uids == []
    rows = store.view(paul, there.id).rows
    assert [(row.system, row.keywords, row.internal_date, row.zone) for row in rows] == [
        (System.SEEN, (), 1_780_000_000, 60)
    ] * 2
    for row in rows:
        with_body = store.body(paul, there.id, row)
        assert bytes(with_body.buffer()) == MAIL
        with_body.close()
    columns = list(store.contents(paul, there.id, result.target, Columns.ENVELOPE))
    assert len(columns) == 2
    assert all(b"Partage" in column.envelope for column in columns)
    assert store.events_after(0, 10) == []


@pytest.mark.parametrize("moving", [False, True])
def test_the_taker_pays(store: Store, moving: bool) -> None:
    marie, paul = two(store)
    here, there = store.mailbox(marie, "INBOX"), store.mailbox(paul, "INBOX")
    uids = store.append(marie, here.id, [NewMessage(MemoryContent(MAIL)) for _ in "ab"])
    store.set_quota(paul, None, 1)
    with pytest.raises(OverQuota):
        (store.move if moving else store.copy)(marie, here.id, uids, there.id, to_account=paul)
    assert store.view(paul, there.id).uids == []
    assert list(store.view(marie, here.id).uids) == uids
    assert store.quota(paul).used_bytes == 0


def test_flags_that_may_not_be_set_stay(store: Store) -> None:
    marie, _ = two(store)
    box = store.mailbox(marie, "INBOX")
    [uid] = store.append(marie, box.id, [NewMessage(MemoryContent(MAIL), int(System.FLAGGED), ("Label",))])
    for change, system, keywords, within, after in (
        (FlagChange.REPLACE, System.SEEN, (), Settable(1, False), (System.SEEN | System.FLAGGED, ("Label",))),
        (FlagChange.ADD, System.DRAFT, ("New",), Settable(16, False), (21, ("Label",))),
        (FlagChange.REMOVE, 31, ("Label",), Settable(0, True), (21, ())),
    ):
        result = store.store_flags(marie, box.id, [uid], change, int(system), keywords, within=within)
        assert [(row.system, row.keywords) for row in result.rows] == [after]


def test_a_new_mailbox_has_the_list_of_the_one_above(store: Store) -> None:
    marie, _ = two(store)
    box = store.create(marie, "classe")
    give(store, marie, box.id, "group:profs", "lrk")
    below = store.create(marie, "classe/6e/projets")
    assert store.sharing.acl(marie, below.id) == (Grant("group:profs", "lrk"),)
    store.rename(marie, "classe/6e/projets", "autre/lieu")
    assert store.sharing.acl(marie, below.id) == (Grant("group:profs", "lrk"),)
    assert store.sharing.acl(marie, store.mailbox(marie, "autre").id) == ()
