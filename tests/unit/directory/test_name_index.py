from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from config.settings import Auth
from directory.accounts import Accounts, NewAccount
from directory.errors import DirectoryUnavailable
from directory.model import Role
from directory.name_index import REFRESH, NameIndex, Person, people
from directory.passwords import Passwords
from spamfilter.words import name_keys
from storage.database import Database
from storage.migrate import upgrade

SOPHIE = Person("Sophie Bernard", ("sophie.bernard@ac-exemple.fr",))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'd.db'}")
    upgrade(database)
    yield database
    database.close()


@pytest.mark.parametrize(
    "shown",
    [
        "Sophie Bernard",
        "BERNARD Sophie",
        "Mme Sophie BERNARD",
        "Sophie Bernard (rectorat)",
        "sophie.bernard@ac-exemple.fr",
        "S0phie Bernаrd",
        "Sophie  Bérnard - Division des personnels",
    ],
)
def test_names_that_look_the_same_are_found(shown: str) -> None:
    assert NameIndex(lambda: [SOPHIE], name_keys).named(shown) == (SOPHIE,)


@pytest.mark.parametrize("shown", ["", "Sophie", "Bernard", "Sophie Martin", "Bernard Sophistique"])
def test_other_names_are_not(shown: str) -> None:
    assert NameIndex(lambda: [SOPHIE], name_keys).named(shown) == ()


def test_the_index_is_made_again_in_time_and_outlives_the_directory() -> None:
    now = [0.0]
    answers: list[list[Person] | None] = [[], [SOPHIE], None]

    def source() -> list[Person]:
        answer = answers.pop(0)
        if answer is None:
            raise DirectoryUnavailable("away")
        return answer

    index = NameIndex(source, name_keys, clock=lambda: now[0])
    assert index.named("Sophie Bernard") == ()
    now[0] += REFRESH
    assert index.named("Sophie Bernard") == (SOPHIE,)
    now[0] += REFRESH
    assert index.named("Sophie Bernard") == (SOPHIE,)
    assert answers == []


def test_people_of_the_directory(database: Database) -> None:
    accounts = Accounts(database, Passwords(Auth()))
    for login, name, role in (("sb", "Sophie Bernard", Role.STAFF), ("lea", "Léa Petit", Role.STUDENT)):
        accounts.add(NewAccount(login=login, name=name, role=role, addresses=(f"{login}@ac-exemple.fr",)))
    assert people(database) == [Person("Sophie Bernard", ("sb@ac-exemple.fr",))]
