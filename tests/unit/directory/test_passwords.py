from __future__ import annotations

import threading
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import pytest
from passlib.context import CryptContext
from passlib.hash import (
    bcrypt,
    ldap_pbkdf2_sha256,
    ldap_salted_sha1,
    ldap_salted_sha512,
    ldap_sha512_crypt,
    pbkdf2_sha256,
    sha512_crypt,
)

from config.settings import Auth, KiB
from directory import passwords as module
from directory.errors import UnusableHash
from directory.passwords import Passwords, TooBusy

OLD_KINDS = [
    bcrypt.using(rounds=4),
    ldap_pbkdf2_sha256.using(rounds=100),
    pbkdf2_sha256.using(rounds=100),
    ldap_salted_sha1,
    ldap_salted_sha512,
    sha512_crypt.using(rounds=1000),
    ldap_sha512_crypt,
]


@pytest.fixture
def verifications(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hashes that the library was asked to check, in order."""
    asked: list[str] = []
    real = CryptContext.verify

    def spy(self: CryptContext, secret: str | bytes, hash: str, **more: Any) -> bool:
        asked.append(hash)
        return real(self, secret, hash, **more)

    monkeypatch.setattr(CryptContext, "verify", spy)
    return asked


def test_the_library_is_libpass() -> None:
    """passlib 1.7.4 unpacks into the same folder and can't do bcrypt any more."""
    assert version("libpass")
    with pytest.raises(PackageNotFoundError):
        version("passlib")


def test_new_hashes_are_argon2id_at_the_cost_of_the_settings() -> None:
    stored = Passwords(Auth()).hash("secret")
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_right_and_wrong(passwords: Passwords) -> None:
    stored = passwords.hash("été")
    assert passwords.verify("été", stored) == module.Verified(True)
    assert passwords.verify("ete", stored) == module.Verified(False)


@pytest.mark.parametrize("kind", OLD_KINDS, ids=lambda kind: kind.name)
def test_old_kinds_are_taken_and_renewed(passwords: Passwords, kind: Any) -> None:
    stored = passwords.accept(kind.hash("été"))
    verified = passwords.verify("été", stored)
    assert verified.right
    assert verified.renewed is not None
    assert verified.renewed.startswith("$argon2id$")
    assert passwords.verify("été", verified.renewed) == module.Verified(True)
    assert passwords.verify("autre", stored) == module.Verified(False)


def test_slapd_argon2(passwords: Passwords) -> None:
    stored = passwords.accept("{ARGON2}" + passwords.hash("été"))
    assert passwords.verify("été", stored).renewed is not None
    assert not passwords.verify("autre", stored).right


def test_higher_cost_renews(passwords: Passwords) -> None:
    stored = passwords.hash("été")
    dearer = Passwords(Auth(argon2_memory=16 * KiB, argon2_rounds=2))
    renewed = dearer.verify("été", stored).renewed
    assert renewed is not None
    assert "m=16,t=2" in renewed


def test_bcrypt_beyond_72_octets_is_checked_as_it_was_made_and_not_renewed(passwords: Passwords) -> None:
    stored = bcrypt.using(rounds=4).hash("x" * 72)
    assert passwords.verify("x" * 72 + "tail", stored) == module.Verified(True, None)
    assert passwords.verify("x" * 72, stored).renewed is not None
    assert not passwords.verify("y" + "x" * 80, stored).right


@pytest.mark.parametrize(
    "stored", [None, "", "plain", "{SSHA}", "{SSHA}zz", "$argon2id$v=19$m=oops", "$2b$05$short", "*"]
)
def test_no_usable_hash_is_a_plain_no(passwords: Passwords, stored: str | None) -> None:
    assert passwords.verify("été", stored) == module.Verified(False)


def test_a_refusal_costs_one_argon2_whatever_the_reason(passwords: Passwords, verifications: list[str]) -> None:
    for stored in (
        None,
        "plain",
        passwords.hash("été"),
        ldap_salted_sha1.hash("été"),
        bcrypt.using(rounds=4).hash("été"),
    ):
        verifications.clear()
        assert not passwords.verify("autre", stored).right
        assert sum(asked.startswith("$argon2id$") for asked in verifications) == 1


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "secret",
        "{SHA}0DPiKuNIrrVmD8IUCuw1hQxNqZc=",
        "$1$salt$qJH7.N4xYta3aEG/dfqo/0",
        "$2b$31$" + "a" * 53,
        sha512_crypt.using(rounds=1000).hash("x").replace("rounds=1000", "rounds=999999999"),
        pbkdf2_sha256.using(rounds=100).hash("x").replace("$100$", "$99999999$"),
        "$argon2id$v=19$m=4194304,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
    ],
    ids=range(8),
)
def test_hashes_not_accepted(passwords: Passwords, stored: str) -> None:
    with pytest.raises(UnusableHash):
        passwords.accept(stored)


def test_a_flood_waits_for_its_turn(settings: Auth, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one turn and it taken, nobody hashes; the wait ends in TooBusy, not in a wrong password."""
    monkeypatch.setattr(module, "TURN", 0.05)
    passwords = Passwords(Auth(hash_threads=1, argon2_memory=8 * KiB, argon2_rounds=1))
    inside, leave = threading.Event(), threading.Event()

    def slow(*_: object) -> bool:
        inside.set()
        return leave.wait(30)

    stored = passwords.hash("été")
    with monkeypatch.context() as patch:
        patch.setattr(passwords, "_matches", slow)
        first = threading.Thread(target=passwords.verify, args=("été", stored))
        first.start()
        assert inside.wait(30)
    with pytest.raises(TooBusy):
        passwords.verify("été", stored)
    leave.set()
    first.join(30)
    assert passwords.verify("été", stored).right
