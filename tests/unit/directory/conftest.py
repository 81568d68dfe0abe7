"""A small académie in a database of its own."""

from __future__ import annotations

import pytest

from config.settings import Auth, KiB, Site
from directory.accounts import Accounts, NewAccount
from directory.attempts import Attempts
from directory.authenticator import Authenticator
from directory.model import Account, Role
from directory.passwords import Passwords
from directory.sql import SqlDirectory
from storage.database import Database

PASSWORD = "Tournesol-42"


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def settings() -> Auth:
    return Auth(lock_after=5, argon2_memory=8 * KiB, argon2_rounds=1, address_failures=20)


@pytest.fixture
def site() -> Site:
    return Site(domains=("ac-exemple.fr", "école.fr"))


@pytest.fixture
def database(each_database: Database) -> Database:
    return each_database


@pytest.fixture
def passwords(settings: Auth) -> Passwords:
    return Passwords(settings)


@pytest.fixture
def accounts(database: Database, passwords: Passwords, clock: Clock) -> Accounts:
    return Accounts(database, passwords, clock=clock)


@pytest.fixture
def directory(database: Database, site: Site, passwords: Passwords, monkeypatch: pytest.MonkeyPatch) -> SqlDirectory:
    monkeypatch.setattr("directory.sql.VERSION_AGE", 0.0)
    return SqlDirectory(database, site, passwords)


@pytest.fixture
def attempts(database: Database, settings: Auth) -> Attempts:
    return Attempts(database, settings)


@pytest.fixture
def door(directory: SqlDirectory, attempts: Attempts, settings: Auth, clock: Clock) -> Authenticator:
    return Authenticator(directory, attempts, settings, clock=clock)


@pytest.fixture
def marie(accounts: Accounts) -> Account:
    return accounts.add(
        NewAccount(
            "marie.durand",
            "Marie Durand",
            Role.TEACHER,
            ["marie.durand@ac-exemple.fr", "m.durand@ac-exemple.fr"],
            school="0750001A",
            password=PASSWORD,
        )
    )
