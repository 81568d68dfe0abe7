"""The door with a real directory and a real log of attempts behind it."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from config.settings import Auth, KiB, Site
from directory.accounts import Accounts
from directory.attempts import Attempts
from directory.authenticator import Authenticator
from directory.model import Account, Credentials, Outcome, Proof
from directory.passwords import Passwords
from directory.sql import SqlDirectory
from storage.database import Database

PASSWORD = "Tournesol-42"

Try = Callable[..., Outcome]


@pytest.fixture
def attempt(door: Authenticator, marie: Account) -> Try:
    def attempt(
        password: str = PASSWORD, login: str = "marie.durand", address: str = "192.0.2.1", **more: str
    ) -> Outcome:
        service = more.pop("service", "imap")
        return door.check(Credentials(login, password, **more), service=service, address=address).outcome

    return attempt


@pytest.fixture
def verifications(passwords: Passwords, monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """What the password room was asked to check, in order."""
    asked: list[str | None] = []
    real = passwords.verify

    def spy(password: str, stored: str | None) -> Any:
        asked.append(stored)
        return real(password, stored)

    monkeypatch.setattr(passwords, "verify", spy)
    return asked


def test_login_and_every_address_open_the_door(door: Authenticator, marie: Account) -> None:
    for login in ("marie.durand", "Marie.DURAND", *marie.addresses, "M.Durand@AC-exemple.FR"):
        answer = door.check(Credentials(login, PASSWORD), service="smtp", address="192.0.2.1")
        assert answer.outcome is Outcome.OK
        assert answer.account == marie


def test_refusals(attempt: Try, accounts: Accounts) -> None:
    assert attempt("faux") is Outcome.MISMATCH
    assert attempt(login="personne") is Outcome.UNKNOWN
    assert attempt(login="personne@ac-exemple.fr") is Outcome.UNKNOWN
    assert attempt(login="\0") is Outcome.UNKNOWN
    accounts.set_enabled("marie.durand", False)
    assert attempt() is Outcome.DISABLED
    accounts.set_enabled("marie.durand", True)
    assert attempt() is Outcome.OK


@pytest.mark.parametrize("password", ["", "a\0b", "x" * 257, "\ud800"])
def test_impossible_passwords_are_refused_before_any_work(
    attempt: Try, verifications: list[str | None], password: str
) -> None:
    for _ in range(20):
        assert attempt(password) is Outcome.MISMATCH
    assert verifications == []
    assert attempt() is Outcome.OK


def test_same_work_whoever_is_asked_for(
    attempt: Try, accounts: Accounts, attempts: Attempts, marie: Account, verifications: list[str | None], clock: Any
) -> None:
    """Wrong password, unknown login, locked, switched off: one check of a password and one record each."""
    counts = {}
    counts["wrong"] = (attempt("faux"), len(verifications))
    verifications.clear()
    counts["unknown"] = (attempt("faux", login="personne"), len(verifications))
    verifications.clear()
    attempts.lock(marie.key, "test", clock())
    counts["locked"] = (attempt(), len(verifications))
    attempts.unlock(marie.key)
    verifications.clear()
    accounts.set_enabled(marie.key, False)
    counts["disabled"] = (attempt(), len(verifications))
    assert counts == {
        "wrong": (Outcome.MISMATCH, 1),
        "unknown": (Outcome.UNKNOWN, 1),
        "locked": (Outcome.LOCKED, 1),
        "disabled": (Outcome.DISABLED, 1),
    }


@pytest.mark.parametrize("guess", ["faux{}", "toujours le même"])
def test_wrong_passwords_lock_and_the_right_one_is_refused_too(attempt: Try, clock: Any, guess: str) -> None:
    for number in range(5):
        assert attempt(guess.format(number), service="smtp" if number % 2 else "imap") is Outcome.MISMATCH
    assert attempt() is Outcome.LOCKED
    assert attempt(service="smtp") is Outcome.LOCKED
    assert attempt(address="2001:db8::1") is Outcome.LOCKED
    clock.now += 1800
    assert attempt() is Outcome.OK


@pytest.mark.parametrize("guess", ["faux{}", "toujours le même"])
def test_lock_after_a_success_from_the_same_address(attempt: Try, guess: str) -> None:
    assert attempt() is Outcome.OK
    for number in range(5):
        assert attempt(guess.format(number)) is Outcome.MISMATCH
    assert attempt() is Outcome.LOCKED, "though remembered"
    assert attempt(address="198.51.100.9") is Outcome.LOCKED


def test_support_unlocks(attempt: Try, attempts: Attempts, marie: Account) -> None:
    for _ in range(5):
        attempt("faux")
    assert attempt() is Outcome.LOCKED
    attempts.unlock(marie.key)
    assert attempt() is Outcome.OK


def test_unknown_logins_answer_the_same_for_ever(attempt: Try) -> None:
    assert {attempt("faux", login="personne") for _ in range(10)} == {Outcome.UNKNOWN}


def test_guesser_far_away_does_not_lock_the_owner_out(attempt: Try) -> None:
    assert attempt(address="192.0.2.1") is Outcome.OK
    for number in range(8):
        attempt(f"faux{number}", address=f"198.51.100.{number}")
    assert attempt(address="203.0.113.3") is Outcome.LOCKED
    assert attempt(address="192.0.2.1") is Outcome.OK


def test_phone_with_the_former_password_does_not_lock(attempt: Try, accounts: Accounts, marie: Account) -> None:
    assert attempt() is Outcome.OK
    accounts.set_password(marie.key, "Nouveau-43")
    for _ in range(12):
        assert attempt() is Outcome.MISMATCH
    assert attempt("Nouveau-43") is Outcome.OK
    for _ in range(5):
        assert attempt(address="198.51.100.1") is Outcome.MISMATCH
    assert attempt("Nouveau-43", address="198.51.100.1") is Outcome.LOCKED, "from a strange network it counts"


def test_password_change_drops_what_is_remembered(
    attempt: Try, accounts: Accounts, marie: Account, verifications: list[str | None]
) -> None:
    assert [attempt(), attempt()] == [Outcome.OK, Outcome.OK]
    assert len(verifications) == 1
    accounts.set_password(marie.key, "Nouveau-43")
    assert attempt() is Outcome.MISMATCH
    assert attempt("Nouveau-43") is Outcome.OK


def test_what_is_remembered_is_per_password_and_time(
    directory: SqlDirectory, attempts: Attempts, marie: Account, verifications: list[str | None]
) -> None:
    door = Authenticator(directory, attempts, Auth(cache_time=0))
    for _ in range(3):
        assert door.check(Credentials("marie.durand", PASSWORD), service="imap", address="::1").outcome is Outcome.OK
    assert len(verifications) == 3


def test_support_lock_and_switch_off_beat_the_memory(
    attempt: Try, accounts: Accounts, attempts: Attempts, marie: Account, clock: Any
) -> None:
    assert attempt() is Outcome.OK
    attempts.lock(marie.key, "test", clock())
    assert attempt() is Outcome.LOCKED
    attempts.unlock(marie.key)
    accounts.set_enabled(marie.key, False)
    assert attempt() is Outcome.DISABLED


def test_authorization_for_oneself_only(attempt: Try, marie: Account) -> None:
    assert attempt(authorize_as="marie.durand") is Outcome.OK
    assert attempt(authorize_as="m.durand@ac-exemple.fr") is Outcome.OK
    for _ in range(10):
        assert attempt(authorize_as="recteur") is Outcome.FORBIDDEN
    assert attempt() is Outcome.OK, "the password was right: nothing was counted"


def test_brake_refuses_without_work(attempt: Try, verifications: list[str | None]) -> None:
    assert attempt(address="203.0.113.1") is Outcome.OK
    for number in range(20):
        attempt("faux", login=f"personne{number}", address="198.51.100.1")
    verifications.clear()
    assert attempt(address="198.51.100.1") is Outcome.MISMATCH
    assert verifications == []
    assert attempt(address="203.0.113.1") is Outcome.OK


def test_directory_away_is_no_wrong_password(
    attempt: Try, door: Authenticator, attempts: Attempts, marie: Account, database: Database, tmp_path: Path
) -> None:
    away = SqlDirectory(Database("sqlite:////nowhere/at/all.db"), Site(), Passwords(Auth(argon2_memory=8 * KiB)))
    shut = Authenticator(away, attempts, Auth())
    for _ in range(20):
        answer = shut.check(Credentials("marie.durand", PASSWORD), service="imap", address="192.0.2.1")
        assert answer.outcome is Outcome.UNAVAILABLE
        assert answer.account is None
    assert shut.still_valid(marie), "sessions outlive an absence"
    assert attempt() is Outcome.OK


def test_right_password_that_overtakes_the_lock_is_refused(
    database: Database, site: Site, passwords: Passwords, attempts: Attempts, settings: Auth, marie: Account, clock: Any
) -> None:
    class Slow(SqlDirectory):
        """While the right password is being checked, others use up the failures."""

        def verify(self, account: Account | None, password: str, *, former: bool = False) -> Proof:
            for _ in range(5):
                attempts.failed(marie.key, "198.51.100.1", "imap", clock())
            return super().verify(account, password, former=former)

    door = Authenticator(Slow(database, site, passwords), attempts, settings, clock=clock)
    answer = door.check(Credentials("marie.durand", PASSWORD), service="imap", address="192.0.2.1")
    assert answer.outcome is Outcome.LOCKED
    assert answer.account is None


def test_many_at_a_time_get_no_more_guesses(attempt: Try) -> None:
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda number: attempt(f"faux{number}"), range(15)))
    assert Outcome.OK not in outcomes
    assert attempt() is Outcome.LOCKED


def test_still_valid(door: Authenticator, accounts: Accounts, attempts: Attempts, marie: Account, clock: Any) -> None:
    def sign_in(password: str) -> Account:
        account = door.check(Credentials("marie.durand", password), service="imap", address="192.0.2.1").account
        assert account is not None
        return account

    signed_in = sign_in(PASSWORD)
    assert door.still_valid(signed_in)
    attempts.lock(marie.key, "test", clock())
    assert not door.still_valid(signed_in)
    attempts.unlock(marie.key)
    assert door.still_valid(signed_in)
    accounts.set_password(marie.key, "Nouveau-43")
    assert not door.still_valid(signed_in)
    signed_in = sign_in("Nouveau-43")
    accounts.set_enabled(marie.key, False)
    assert not door.still_valid(signed_in)
    accounts.set_enabled(marie.key, True)
    signed_in = sign_in("Nouveau-43")
    accounts.remove(marie.key)
    assert not door.still_valid(signed_in)


def test_failures_do_not_end_sessions(door: Authenticator, attempt: Try, marie: Account) -> None:
    for number in range(6):
        attempt(f"faux{number}")
    assert door.still_valid(marie)


GUESSER = textwrap.dedent("""
    import sys
    from config.settings import Auth, KiB, Site
    from directory.attempts import Attempts
    from directory.authenticator import Authenticator
    from directory.model import Credentials
    from directory.passwords import Passwords
    from directory.sql import SqlDirectory
    from storage.database import Database

    url, service, *passwords = sys.argv[1:]
    settings = Auth(lock_after=5, argon2_memory=8 * KiB, argon2_rounds=1)
    database = Database(url)
    directory = SqlDirectory(database, Site(), Passwords(settings))
    door = Authenticator(directory, Attempts(database, settings), settings)
    for password in passwords:
        answer = door.check(Credentials("marie.durand", password), service=service, address="192.0.2.1")
        print("outcome", answer.outcome.value)
""")


def guess(database: Database, service: str, *passwords: str) -> subprocess.Popen[str]:
    url = database.engine.url.render_as_string()
    return subprocess.Popen(
        [sys.executable, "-c", GUESSER, url, service, *passwords], stdout=subprocess.PIPE, text=True
    )


def outcomes(process: subprocess.Popen[str]) -> list[str]:
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return [line.split()[1] for line in output.splitlines() if line.startswith("outcome ")]


def test_processes_share_the_count(database: Database, marie: Account) -> None:
    """Three wrong passwords over SMTP in one process, two over IMAP in another, at the same time: locked for both."""
    for process in [guess(database, "smtp", "a", "b", "c"), guess(database, "imap", "d", "e")]:
        assert set(outcomes(process)) == {"mismatch"}
    assert outcomes(guess(database, "smtp", PASSWORD)) == ["locked"]
    assert outcomes(guess(database, "imap", PASSWORD)) == ["locked"]
