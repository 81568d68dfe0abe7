"""What the embedded directory adds to the contract: its memory, its bounds, its postmaster."""

from __future__ import annotations

from pathlib import Path

import pytest
from passlib.hash import ldap_salted_sha1
from sqlalchemy import insert, select

from config.settings import Site
from directory import sql, tables
from directory.accounts import Accounts, NewAccount
from directory.api import DirectoryUnavailable
from directory.model import Account, Proof, Role
from directory.passwords import Passwords
from directory.sql import SqlDirectory
from storage.database import Database


def person(login: str, role: Role = Role.TEACHER) -> NewAccount:
    return NewAccount(login, login.title(), role, [f"{login}@ac-exemple.fr"])


def test_changes_are_seen(directory: SqlDirectory, accounts: Accounts, marie: Account) -> None:
    assert directory.resolve("paul@ac-exemple.fr") is None
    accounts.add(person("paul"))
    assert directory.resolve("paul@ac-exemple.fr") is not None
    accounts.set_enabled("paul", False)
    assert directory.resolve("paul@ac-exemple.fr") is None
    accounts.set_enabled("paul", True)
    accounts.add_alias("p@ac-exemple.fr", ["paul"])
    assert directory.resolve("p@ac-exemple.fr") is not None
    accounts.remove("paul")
    assert directory.resolve("p@ac-exemple.fr") is None
    assert directory.resolve("paul@ac-exemple.fr") is None


def test_version_is_looked_at_once_in_a_while(
    database: Database, site: Site, passwords: Passwords, accounts: Accounts, marie: Account
) -> None:
    directory = SqlDirectory(database, site, passwords)
    assert directory.resolve(marie.addresses[0]) is not None
    accounts.set_enabled(marie.key, False)
    assert directory.resolve(marie.addresses[0]) is not None, "within the second"
    directory._version_due = 0.0
    assert directory.resolve(marie.addresses[0]) is None


def test_memory_answers_alone_only_while_it_is_sure(directory: SqlDirectory, marie: Account) -> None:
    address = marie.addresses[0]
    assert not directory.remembers(address), "nobody asked before"
    assert directory.resolve(address) is not None
    assert directory.resolve("personne@ac-exemple.fr") is None
    directory._version_due = float("inf")
    assert directory.remembers(address)
    assert not directory.remembers("personne@ac-exemple.fr")
    directory._version += 1
    assert not directory.remembers(address), "found under another version"
    directory._version -= 1
    directory._version_due = 0.0
    assert not directory.remembers(address), "the version is to be looked at again"


def test_memory_is_bounded(directory: SqlDirectory, marie: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "_KEPT_ADDRESSES", 10)
    for number in range(100):
        directory.resolve(f"personne{number}@ac-exemple.fr")
    assert len(directory._kept._answers) == 10


def test_postmaster_of_the_settings(
    database: Database, passwords: Passwords, accounts: Accounts, marie: Account
) -> None:
    accounts.add(person("ops", Role.OPS))
    here = Site(domains=("ac-exemple.fr",), postmaster=marie.addresses[1])
    targets = SqlDirectory(database, here, passwords).resolve("postmaster")
    assert targets is not None
    assert targets.accounts == (marie,)
    there = Site(domains=("ac-exemple.fr",), postmaster="admin@example.org")
    targets = SqlDirectory(database, there, passwords).resolve("postmaster@ac-exemple.fr")
    assert targets is not None
    assert targets.elsewhere == ("admin@example.org",)


def test_postmaster_has_an_address_of_its_own(directory: SqlDirectory, accounts: Accounts, marie: Account) -> None:
    accounts.add_alias("postmaster@ac-exemple.fr", [marie.login])
    targets = directory.resolve("postmaster@ac-exemple.fr")
    assert targets is not None
    assert targets.accounts == (marie,)


def test_first_ops_account_that_is_switched_on_is_postmaster(directory: SqlDirectory, accounts: Accounts) -> None:
    accounts.add_all([person("aide", Role.SUPPORT), person("b-ops", Role.OPS), person("a-ops", Role.OPS)])
    for login in ("a-ops", "b-ops", "aide"):
        targets = directory.resolve("postmaster")
        assert targets is not None
        assert [one.login for one in targets.accounts] == [login]
        accounts.set_enabled(login, False)


def test_postmaster_without_anybody_is_later_never_unknown(directory: SqlDirectory, marie: Account) -> None:
    with pytest.raises(DirectoryUnavailable):
        directory.resolve("postmaster@ac-exemple.fr")


def test_alias_chain_up_to_its_depth(directory: SqlDirectory, accounts: Accounts, marie: Account) -> None:
    accounts.add_alias("a1@ac-exemple.fr", [marie.login])
    for number in range(2, 12):
        accounts.add_alias(f"a{number}@ac-exemple.fr", [f"a{number - 1}@ac-exemple.fr"])
    assert directory.resolve("a10@ac-exemple.fr") is not None
    accounts.add_alias("a12@ac-exemple.fr", ["a11@ac-exemple.fr"])
    with pytest.raises(DirectoryUnavailable):
        directory.resolve("a12@ac-exemple.fr")


def test_group_that_is_too_wide_is_later_never_a_part_of_it(
    directory: SqlDirectory, accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = accounts.add_all(person(f"eleve{number}", Role.STUDENT) for number in range(21))
    accounts.add_group("classe", [one.login for one in people])
    accounts.add_alias("classe@ac-exemple.fr", ["group:classe"])
    targets = directory.resolve("classe@ac-exemple.fr")
    assert targets is not None
    assert len(targets.accounts) == 21
    monkeypatch.setattr(sql, "MOST_TARGETS", 20)
    accounts.set_quota("eleve1", 1)
    with pytest.raises(DirectoryUnavailable):
        directory.resolve("classe@ac-exemple.fr")


def test_more_targets_than_fit_one_question(directory: SqlDirectory, accounts: Accounts, database: Database) -> None:
    names = [f"eleve{number}" for number in range(1200)]
    accounts.add_all(person(name, Role.STUDENT) for name in names)
    accounts.add_alias("ecole@ac-exemple.fr", [f"{name}@ac-exemple.fr" for name in names])
    targets = directory.resolve("ecole@ac-exemple.fr")
    assert targets is not None
    assert {one.login for one in targets.accounts} == set(names)
    assert len(targets.accounts) == 1200


def test_old_hash_is_renewed_at_sign_in(directory: SqlDirectory, accounts: Accounts, database: Database) -> None:
    accounts.add(
        NewAccount("paul", "Paul", Role.HEAD, ["paul@ac-exemple.fr"], password_hash=ldap_salted_sha1.hash("été"))
    )
    paul = directory.find("paul")
    assert paul is not None
    assert directory.verify(paul, "été") is Proof.RIGHT
    with database.read() as connection:
        stored = connection.scalar(select(tables.account.c.password_hash).where(tables.account.c.key == paul.key))
    assert stored is not None
    assert stored.startswith("$argon2id$")
    assert directory.verify(paul, "été") is Proof.RIGHT
    after = directory.by_key(paul.key)
    assert after is not None
    assert after.epoch == paul.epoch, "a new hash of the same password ends no session"


def test_former_password_is_told_when_asked_for(directory: SqlDirectory, accounts: Accounts, marie: Account) -> None:
    accounts.set_password(marie.key, "Nouveau-43")
    assert directory.verify(marie, "Tournesol-42") is Proof.WRONG
    assert directory.verify(marie, "Tournesol-42", former=True) is Proof.FORMER
    assert directory.verify(marie, "Nouveau-43", former=True) is Proof.RIGHT
    assert directory.verify(marie, "autre", former=True) is Proof.WRONG


def test_database_away(site: Site, passwords: Passwords, tmp_path: Path) -> None:
    directory = SqlDirectory(Database("sqlite:////nowhere/at/all.db"), site, passwords)
    for ask in (
        lambda: directory.find("marie"),
        lambda: directory.by_key("marie"),
        lambda: directory.verify(None, "x"),
        lambda: directory.resolve("marie@ac-exemple.fr"),
        lambda: directory.resolve("postmaster"),
    ):
        with pytest.raises(DirectoryUnavailable):
            ask()


def test_an_alias_without_targets_is_nobody(directory: SqlDirectory, database: Database) -> None:
    with database.write() as connection:
        row = {"address_key": "vide@ac-exemple.fr", "address": "vide@ac-exemple.fr", "account": None, "position": 0}
        connection.execute(insert(tables.address).values(row))
    assert directory.resolve("vide@ac-exemple.fr") is None
