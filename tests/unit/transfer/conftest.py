"""A directory with marie and paul, a store, and the importer between them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from config.settings import Auth, Site
from config.settings import Store as StoreSettings
from directory.accounts import Accounts, NewAccount
from directory.model import Account, Role
from directory.passwords import Passwords
from directory.sql import SqlDirectory
from storage.database import Database
from storage.model import MessageRow
from storage.store import Store
from transfer.arrival import Importer
from transfer.errand import Wishes
from transfer.parity import Report
from transfer.patience import Patience
from transfer.source import Source


@pytest.fixture
def database(each_database: Database) -> Database:
    return each_database


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may enter; what is within may be kept from an ``ordinary_user``."""
    with tempfile.TemporaryDirectory(prefix="mailserver-transfer-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def people(database: Database, tmp_path: Path) -> dict[str, Account]:
    """Accounts by login."""
    accounts = Accounts(database, Passwords(Auth(argon2_memory=8 * 1024, argon2_rounds=1)), password_length=100)
    accounts.add_group("profs")
    return {
        login: accounts.add(NewAccount(login, login.title(), Role.TEACHER, (f"{login}@ac.test",), password="un mot"))
        for login in ("marie", "paul")
    }


@pytest.fixture
def directory(database: Database, people: dict[str, Account], tmp_path: Path) -> SqlDirectory:
    site = Site(hostname="mx.ac.test", domains=("ac.test",), data=tmp_path)
    return SqlDirectory(database, site, Passwords(Auth(argon2_memory=8 * 1024, argon2_rounds=1)))


@pytest.fixture
def waits() -> list[float]:
    """What was waited for, in seconds; nothing waits really."""
    return []


@pytest.fixture
def importer(database: Database, store: Store, directory: SqlDirectory, waits: list[float]) -> Importer:
    return Importer(database, store, directory, StoreSettings(), patience=Patience(waits.append))


@pytest.fixture
def bring(importer: Importer, people: dict[str, Account]) -> Callable[..., Report]:
    """Bring mail from a source to marie."""

    def run(source: Source, **wishes: bool | int) -> Report:
        return importer.run(people["marie"], source, Wishes(**wishes))  # type: ignore[arg-type]

    return run


@pytest.fixture
def rows(store: Store, people: dict[str, Account]) -> Callable[[str], list[MessageRow]]:
    """Marie's messages in a mailbox."""

    def found(name: str) -> list[MessageRow]:
        account = store.open_account(people["marie"].key)
        return list(store.view(account, store.mailbox(account, name).id).rows)

    return found


@pytest.fixture
def octets(store: Store, people: dict[str, Account]) -> Callable[[str, MessageRow], bytes]:
    """What a message of marie's holds."""

    def read(name: str, row: MessageRow) -> bytes:
        account = store.open_account(people["marie"].key)
        content = store.body(account, store.mailbox(account, name).id, row)
        try:
            return b"".join(content.blocks())
        finally:
            content.close()

    return read
