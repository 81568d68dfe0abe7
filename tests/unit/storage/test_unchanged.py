"""Answers that hold while nobody commits: nothing is asked twice, and nothing that others committed is missed."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from storage import tables
from storage.database import Database
from storage.errors import NoSuchMailbox
from storage.store import Store
from storage.unchanged import Unchanged
from tests.fakes.statements import statements_of


@pytest.fixture
def statements(database: Database) -> list[str]:
    """What is executed on the database from now on."""
    return statements_of(database)


def test_an_answer_is_kept_until_somebody_commits(database: Database) -> None:
    asked: list[str] = []
    unchanged: Unchanged[str, int] = Unchanged(database, 2)

    def ask(key: str) -> int:
        def answer() -> int:
            asked.append(key)
            return len(asked)

        return unchanged.get(key, answer)

    if not database.is_sqlite:
        assert (ask("a"), ask("a")) == (1, 2)
        return
    assert (ask("a"), ask("a"), ask("b"), ask("b")) == (1, 1, 2, 2)
    assert (ask("c"), ask("c")) == (3, 4), "there is no room for a third one"
    with database.write() as connection:
        connection.exec_driver_sql("CREATE TABLE other (x INTEGER)")
    assert (ask("a"), ask("a")) == (5, 5)


def test_an_error_is_no_answer(database: Database) -> None:
    unchanged: Unchanged[str, int] = Unchanged(database, 2)
    with pytest.raises(ZeroDivisionError):
        unchanged.get("a", lambda: 1 // 0)
    assert unchanged.get("a", lambda: 1) == 1


def test_what_is_committed_while_an_answer_is_made_makes_it_old(database: Database) -> None:
    unchanged: Unchanged[str, int] = Unchanged(database, 2)

    def ask() -> int:
        with database.write() as connection:
            connection.exec_driver_sql("CREATE TABLE other (x INTEGER)")
        return 1

    assert unchanged.get("a", ask) == 1
    assert unchanged.get("a", lambda: 2) == 2


def test_a_mailbox_looked_at_again_costs_no_query(store: Store, database: Database, statements: list[str]) -> None:
    account = store.open_account("a")
    box = store.mailbox(account, "INBOX")
    first = store.view(account, box.id)
    del statements[:]
    assert store.view(account, box.id).highest_modseq == first.highest_modseq
    assert store.mailbox(account, "INBOX") == box
    assert bool(statements) is not database.is_sqlite


def test_what_another_process_committed_is_seen_at_once(store: Store, database: Database) -> None:
    account = store.open_account("a")
    box = store.mailbox(account, "INBOX")
    other = Database(database.engine.url.render_as_string(hide_password=False))
    for uidnext in (100, 200, 300):
        store.view(account, box.id)
        with other.write() as connection:
            connection.execute(update(tables.mailbox).where(tables.mailbox.c.id == box.id).values(uidnext=uidnext))
        assert store.view(account, box.id).mailbox.uidnext == uidnext
        assert store.mailbox(account, "INBOX").uidnext == uidnext
    other.close()


def test_a_mailbox_that_was_renamed_is_not_found_any_more(store: Store) -> None:
    account = store.open_account("a")
    made = store.create(account, "a")
    assert store.mailbox(account, "a").id == made.id
    store.rename(account, "a", "b")
    assert store.mailbox(account, "b").id == made.id
    with pytest.raises(NoSuchMailbox):
        store.mailbox(account, "a")


def test_what_is_at_hand_is_what_a_look_would_find(store: Store, database: Database, statements: list[str]) -> None:
    account = store.open_account("a")
    box = store.mailbox(account, "INBOX")
    assert store.view_at_hand(account, box.id) is None
    view = store.view(account, box.id)
    del statements[:]
    if not database.is_sqlite:
        assert store.mailbox_at_hand(account, "INBOX") is None
        assert store.view_at_hand(account, box.id) is None
        return
    assert store.mailbox_at_hand(account, "INBOX") == box
    assert store.mailbox_at_hand(account, "nowhere") is None
    assert store.view_at_hand(account, box.id) is view
    assert not statements


def test_what_somebody_committed_since_is_not_at_hand(store: Store, database: Database) -> None:
    account = store.open_account("a")
    box = store.mailbox(account, "INBOX")
    other = Database(database.engine.url.render_as_string(hide_password=False))
    for uidnext in (100, 200):
        store.view(account, box.id)
        store.mailbox(account, "INBOX")
        with other.write() as connection:
            connection.execute(update(tables.mailbox).where(tables.mailbox.c.id == box.id).values(uidnext=uidnext))
        assert store.mailbox_at_hand(account, "INBOX") is None
        assert store.view_at_hand(account, box.id) is None
    store.view(account, box.id)
    store.create(account, "of our own")
    assert store.mailbox_at_hand(account, "INBOX") is None
    assert store.view_at_hand(account, box.id) is None
    other.close()
