from __future__ import annotations

from dataclasses import replace

import pytest

from directory.accounts import Accounts, Alias, NewAccount
from directory.errors import DirectoryUnavailable, Invalid, InvalidName, NotFound, Taken, UnusableHash
from directory.model import Account, Role
from directory.passwords import Passwords
from storage.database import Database

PAUL = NewAccount("paul.morel", "Paul Morel", Role.HEAD, ["paul.morel@ac-exemple.fr"], password="Autre-1")


def test_add_and_show(accounts: Accounts, marie: Account) -> None:
    assert marie.login == "marie.durand"
    assert marie.addresses == ("marie.durand@ac-exemple.fr", "m.durand@ac-exemple.fr")
    assert marie.key.startswith("marie.durand-")
    for who in (marie.key, "Marie.Durand", "M.Durand@ac-exemple.fr"):
        assert accounts.show(who) == marie


@pytest.mark.parametrize(
    ("new", "error"),
    [
        (replace(PAUL, login="MARIE.durand"), Taken),
        (replace(PAUL, addresses=["Marie.Durand@AC-exemple.fr"]), Taken),
        (replace(PAUL, addresses=["p@ac-exemple.fr", "P@ac-exemple.fr"]), Taken),
        (replace(PAUL, addresses=[]), Invalid),
        (replace(PAUL, login="paul@ac-exemple.fr"), InvalidName),
        (replace(PAUL, login="pa ul"), InvalidName),
        (replace(PAUL, addresses=["paul"]), InvalidName),
        (replace(PAUL, password=""), Invalid),
        (replace(PAUL, password="x" * 257), Invalid),
        (replace(PAUL, password="a\0b"), Invalid),
        (replace(PAUL, password=None, password_hash="{SHA}0DPiKuNIrrVmD8IUCuw1hQxNqZc="), UnusableHash),
    ],
)
def test_accounts_that_cannot_be(accounts: Accounts, marie: Account, new: NewAccount, error: type[Exception]) -> None:
    with pytest.raises(error):
        accounts.add(new)
    assert accounts.every() == [marie]


def test_add_all_or_none(accounts: Accounts, marie: Account) -> None:
    with pytest.raises(Taken):
        accounts.add_all([PAUL, replace(PAUL, login="autre")])
    assert accounts.every() == [marie]
    assert [one.login for one in accounts.add_all([PAUL])] == ["paul.morel"]


def test_every_by_role_and_school(accounts: Accounts, marie: Account) -> None:
    paul = accounts.add(PAUL)
    assert accounts.every() == [marie, paul]
    assert accounts.every(role=Role.HEAD) == [paul]
    assert accounts.every(school="0750001A") == [marie]
    assert accounts.every(role=Role.HEAD, school="0750001A") == []


def test_a_key_never_comes_again(accounts: Accounts) -> None:
    keys = set()
    for _ in range(5):
        keys.add(accounts.add(PAUL).key)
        accounts.remove("paul.morel")
    assert len(keys) == 5


def test_key_of_a_login_that_is_no_path(accounts: Accounts) -> None:
    key = accounts.add(replace(PAUL, login="../é/..", addresses=["x@ac-exemple.fr"])).key
    assert "/" not in key
    assert not key.startswith(".")


def test_addresses(accounts: Accounts, marie: Account) -> None:
    accounts.add_address("marie.durand", "Marie@ac-exemple.fr", primary=True)
    accounts.add_address("marie.durand", "md@ac-exemple.fr")
    assert accounts.show(marie.key).addresses == (
        "Marie@ac-exemple.fr",
        "marie.durand@ac-exemple.fr",
        "m.durand@ac-exemple.fr",
        "md@ac-exemple.fr",
    )
    with pytest.raises(Taken):
        accounts.add_address("marie.durand", "MD@ac-exemple.fr")
    for address in ("MARIE@ac-exemple.fr", "md@ac-exemple.fr", "m.durand@ac-exemple.fr"):
        accounts.remove_address("marie.durand", address)
    with pytest.raises(Invalid, match="only address"):
        accounts.remove_address("marie.durand", "marie.durand@ac-exemple.fr")
    with pytest.raises(NotFound):
        accounts.remove_address("marie.durand", "md@ac-exemple.fr")


def test_nobody_takes_anothers_address_away(accounts: Accounts, marie: Account) -> None:
    accounts.add(PAUL)
    with pytest.raises(NotFound):
        accounts.remove_address("paul.morel", marie.addresses[1])


def test_aliases(accounts: Accounts, marie: Account) -> None:
    accounts.add(PAUL)
    accounts.add_group("Profs", ["marie.durand"])
    accounts.add_alias("b@ac-exemple.fr", ["group:profs", "paul.morel", "x@example.org", "x@example.org"])
    accounts.add_alias("a@ac-exemple.fr", ["b@ac-exemple.fr"])
    assert accounts.aliases() == [
        Alias("a@ac-exemple.fr", ("b@ac-exemple.fr",)),
        Alias("b@ac-exemple.fr", ("group:Profs", "paul.morel", "x@example.org")),
    ]
    accounts.add_alias("B@ac-exemple.fr", ["paul.morel"])
    assert accounts.aliases()[1].targets == ("paul.morel",)
    accounts.remove_alias("b@ac-exemple.fr")
    assert len(accounts.aliases()) == 1


@pytest.mark.parametrize(
    ("address", "targets", "error"),
    [
        ("marie.durand@ac-exemple.fr", ["x@example.org"], Taken),
        ("a@ac-exemple.fr", [], Invalid),
        ("a@ac-exemple.fr", ["personne"], NotFound),
        ("a@ac-exemple.fr", ["group:personne"], NotFound),
        ("a@ac-exemple.fr", ["A@AC-exemple.fr"], Invalid),
        ("a@ac-exemple.fr", ["x@"], InvalidName),
        ("a", ["x@example.org"], InvalidName),
    ],
)
def test_aliases_that_cannot_be(
    accounts: Accounts, marie: Account, address: str, targets: list[str], error: type[Exception]
) -> None:
    with pytest.raises(error):
        accounts.add_alias(address, targets)
    assert accounts.aliases() == []


def test_an_account_address_is_no_alias_to_remove(accounts: Accounts, marie: Account) -> None:
    with pytest.raises(NotFound):
        accounts.remove_alias(marie.addresses[0])
    accounts.add_alias("a@ac-exemple.fr", ["marie.durand"])
    with pytest.raises(Taken):
        accounts.add(replace(PAUL, addresses=["a@ac-exemple.fr"]))


def test_groups(accounts: Accounts, marie: Account) -> None:
    paul = accounts.add(PAUL)
    accounts.add_group("Profs")
    accounts.add_member("profs", "marie.durand")
    accounts.add_member("PROFS", "marie.durand")
    accounts.add_member("profs", "paul.morel")
    assert accounts.groups() == {"Profs": (marie, paul)}
    with pytest.raises(Taken):
        accounts.add_group("profs")
    with pytest.raises(NotFound):
        accounts.add_member("autres", "marie.durand")
    accounts.remove_member("profs", "paul.morel")
    accounts.remove("marie.durand")
    assert accounts.groups() == {"Profs": ()}
    accounts.remove_group("profs")
    assert accounts.groups() == {}


def test_quota(accounts: Accounts, marie: Account) -> None:
    assert marie.quota_bytes is None
    accounts.set_quota("marie.durand", 5)
    assert accounts.show("marie.durand").quota_bytes == 5
    accounts.set_quota("marie.durand", None)
    assert accounts.show("marie.durand").quota_bytes is None


def test_what_ends_sessions_raises_the_epoch(accounts: Accounts, marie: Account) -> None:
    accounts.set_password(marie.key, "Nouveau-43")
    second = accounts.show(marie.key).epoch
    accounts.set_enabled(marie.key, False)
    assert marie.epoch < second < accounts.show(marie.key).epoch


def test_nobody_of_that_name(accounts: Accounts, marie: Account) -> None:
    for change in (
        lambda: accounts.show("personne"),
        lambda: accounts.set_password("personne", "x"),
        lambda: accounts.set_enabled("personne@ac-exemple.fr", True),
        lambda: accounts.remove("personne"),
        lambda: accounts.remove_alias("personne@ac-exemple.fr"),
        lambda: accounts.remove_group("personne"),
    ):
        with pytest.raises(NotFound):
            change()


def test_no_password_in_a_repr() -> None:
    assert "Autre-1" not in repr(PAUL)


def test_database_away(passwords: Passwords) -> None:
    with pytest.raises(DirectoryUnavailable):
        Accounts(Database("sqlite:////nowhere/at/all.db"), passwords).every()
