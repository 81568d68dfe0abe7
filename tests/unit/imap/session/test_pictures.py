"""Many sessions watch an account for the price of one (imap/session/pictures.py)."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from config.settings import Store as Settings
from directory.model import Account, Role
from imap.session.interests import everything
from imap.session.observer import Observer, Overflow
from imap.session.pictures import Pictures
from imap.session.places import Names
from imap.wire.commands import Events
from imap.wire.responses import MailboxStatus
from message.content import MemoryContent
from storage.blobs.maildir import Maildir
from storage.database import Database, metadata
from storage.doorbell import Doorbell
from storage.model import NewMessage
from storage.store import Store
from tests.fakes.statements import statements_of

EVERY = Events.MESSAGE_NEW | Events.MESSAGE_EXPUNGE | Events.FLAG_CHANGE | Events.MAILBOX_NAME


class Everybody:
    """A directory in which every key is an account, and nobody is in a group."""

    def find(self, login: str) -> Account | None:
        return None

    def by_keys(self, keys: Iterable[str]) -> dict[str, Account]:
        return {key: person(key) for key in keys}

    def group(self, name: str) -> str | None:
        return None

    def groups_of(self, key: str) -> tuple[str, ...]:
        return ()


def person(key: str) -> Account:
    return Account(key, key, key, Role.TEACHER, None, (f"{key}@example.org",))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    database = Database(f"sqlite:///{tmp_path}/index.db")
    metadata.create_all(database.engine)
    doorbell = Doorbell(tmp_path / "bells")
    one = Store(database, Maildir(tmp_path / "mail"), Settings(), doorbell)
    yield one
    one.close()
    doorbell.close()
    database.close()


def mail() -> NewMessage:
    return NewMessage(MemoryContent(b"Subject: a\r\n\r\nb\r\n"))


def observers(store: Store, pictures: Pictures, count: int, wake: Any = lambda: None) -> list[Observer]:
    number = store.open_account("marie")
    names = Names(store, Everybody(), person("marie"), number)
    return [Observer(store, pictures, names, everything(EVERY), wake, 100) for _ in range(count)]


def test_one_look_serves_all_sessions(store: Store) -> None:
    pictures = Pictures()
    woken: list[int] = []
    several = observers(store, pictures, 200, lambda: woken.append(1))
    queries = statements_of(store._database)
    marie = store.open_account("marie")
    for one in several:
        one.waiting = True
        assert not one.may_have_news
    inbox = store.mailbox(marie, "INBOX").id
    store.append(marie, inbox, [mail()])
    assert len(woken) == 200
    queries.clear()
    for one in several:
        told = list(one.news(None, condstore=False))
        assert [type(response) for response in told] == [MailboxStatus]
        assert not one.may_have_news
    assert len(queries) <= 3, "the mailbox that changed was read once"
    queries.clear()
    for one in several:
        assert list(one.news(None, condstore=False)) == []
    assert queries == []
    for one in several:
        one.close()
    woken.clear()
    store.append(marie, inbox, [mail()])
    assert woken == [], "nobody listens any more"


def test_another_process_is_heard(store: Store, tmp_path: Path) -> None:
    heard = threading.Event()
    one = observers(store, Pictures(), 1, heard.set)[0]
    one.waiting = True
    database = Database(f"sqlite:///{tmp_path}/index.db")
    doorbell = Doorbell(tmp_path / "bells")
    other = Store(database, Maildir(tmp_path / "mail"), Settings(), doorbell)
    marie = other.open_account("marie")
    other.append(marie, other.mailbox(marie, "Sent").id, [mail()])
    assert heard.wait(10)
    [told] = list(one.news(None, condstore=True))
    assert isinstance(told, MailboxStatus)
    assert (told.mailbox, dict(told.items)[b"MESSAGES"]) == ("Sent", 1)
    one.close()
    other.close()
    doorbell.close()
    database.close()


def test_there_is_an_end_to_accounts(store: Store) -> None:
    number = store.open_account("marie")
    names = Names(store, Everybody(), person("marie"), number)
    pictures = Pictures()
    one = Observer(store, pictures, names, everything(EVERY), lambda: None, 1)
    for key in ("paul", "luc"):
        account = store.open_account(key)
        list(one.news(None, condstore=False))
        box = store.mailbox(account, "INBOX").id
        store.sharing.change_acl(account, box, "user:marie", lambda before: "lr")
    with pytest.raises(Overflow):
        list(one.news(None, condstore=False))
    with pytest.raises(Overflow):
        Observer(store, pictures, names, everything(EVERY), lambda: None, 1)
    one.close()
    assert pictures._watched == {}, "what was refused watches nothing"


def test_a_look_that_fails_is_made_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    one = observers(store, Pictures(), 1)[0]
    marie = store.open_account("marie")
    store.append(marie, store.mailbox(marie, "INBOX").id, [mail()])
    with monkeypatch.context() as patch:
        patch.setattr(store, "numbered", lambda *given: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            list(one.news(None, condstore=False))
        assert one.may_have_news
    assert len(list(one.news(None, condstore=False))) == 1
    one.close()
