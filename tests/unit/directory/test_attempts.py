from __future__ import annotations

import pytest
from sqlalchemy import Table, func, select

from config.settings import DAY, Auth
from directory import tables
from directory.api import DirectoryUnavailable
from directory.attempts import Attempts, subject_of_nobody
from directory.lockout import EVERYBODY, STRANGERS
from storage.database import Database

NOW = 1_790_000_000.0
ACCOUNT = "marie-123"


def rows_of(database: Database, table: Table) -> int:
    with database.read() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


def fail(attempts: Attempts, times: int, network: str = "far", now: float = NOW, subject: str = ACCOUNT) -> list[str]:
    return [lock.scope for _ in range(times) for lock in attempts.failed(subject, network, "imap", now)]


def test_lock_comes_with_the_last_failure_and_ends(attempts: Attempts) -> None:
    assert fail(attempts, 4) == []
    assert attempts.standing(ACCOUNT, "far", NOW).lock is None
    assert fail(attempts, 1) == [STRANGERS]
    assert attempts.standing(ACCOUNT, "elsewhere", NOW + 1799).lock is not None
    assert attempts.standing(ACCOUNT, "elsewhere", NOW + 1800).lock is None


def test_attempts_while_locked_do_not_count(attempts: Attempts) -> None:
    fail(attempts, 5)
    assert fail(attempts, 10, now=NOW + 1000) == []
    assert fail(attempts, 4, now=NOW + 1800) == []
    assert fail(attempts, 1, now=NOW + 1800) == [STRANGERS]


def test_known_network_outlives_a_guesser(attempts: Attempts) -> None:
    assert attempts.succeeded(ACCOUNT, "home", NOW) is None
    fail(attempts, 50, "far")
    assert attempts.standing(ACCOUNT, "home", NOW + 1).lock is None
    assert attempts.succeeded(ACCOUNT, "home", NOW + 1) is None
    assert attempts.standing(ACCOUNT, "far", NOW + 1).lock is not None, "the owner's success frees no guesser"


def test_known_network_locks_itself_and_strangers(attempts: Attempts) -> None:
    attempts.succeeded(ACCOUNT, "home", NOW)
    attempts.succeeded(ACCOUNT, "desk", NOW)
    assert fail(attempts, 5, "home") == [STRANGERS, "home"]
    assert attempts.standing(ACCOUNT, "home", NOW + 1).lock is not None
    assert attempts.standing(ACCOUNT, "far", NOW + 1).lock is not None
    assert attempts.standing(ACCOUNT, "desk", NOW + 1).lock is None


def test_network_is_known_for_thirty_days(attempts: Attempts) -> None:
    attempts.succeeded(ACCOUNT, "home", NOW)
    assert attempts.standing(ACCOUNT, "home", NOW + 29 * DAY).known
    assert not attempts.standing(ACCOUNT, "home", NOW + 31 * DAY).known
    assert not attempts.standing("other", "home", NOW).known


def test_success_forgives_its_own_network_only(attempts: Attempts) -> None:
    fail(attempts, 4, "home")
    attempts.succeeded(ACCOUNT, "home", NOW)
    assert fail(attempts, 4, "far") == []
    attempts.succeeded(ACCOUNT, "home", NOW + 1)
    assert fail(attempts, 1, "far") == [STRANGERS]


def test_success_that_comes_after_the_lock_is_refused(attempts: Attempts) -> None:
    fail(attempts, 5)
    lock = attempts.succeeded(ACCOUNT, "far", NOW)
    assert lock is not None
    assert not attempts.standing(ACCOUNT, "far", NOW).known


def test_settled_success_writes_nothing(attempts: Attempts, database: Database) -> None:
    attempts.succeeded(ACCOUNT, "home", NOW)
    assert attempts.standing(ACCOUNT, "home", NOW + 60).settled
    assert not attempts.standing(ACCOUNT, "home", NOW + 2 * DAY).settled
    fail(attempts, 1, "home", NOW + 60)
    assert not attempts.standing(ACCOUNT, "home", NOW + 60).settled


def test_support_locks_and_unlocks(attempts: Attempts) -> None:
    attempts.succeeded(ACCOUNT, "home", NOW)
    attempts.lock(ACCOUNT, "vol de téléphone", NOW)
    assert attempts.locked_by_support(ACCOUNT)
    assert attempts.standing(ACCOUNT, "home", NOW + 365 * DAY).lock is not None
    assert attempts.locks(ACCOUNT, NOW)[0].reason == "vol de téléphone"
    assert attempts.unlock(ACCOUNT)
    assert not attempts.unlock(ACCOUNT)
    assert attempts.standing(ACCOUNT, "home", NOW).lock is None


def test_unlock_forgets_the_failures_too(attempts: Attempts) -> None:
    fail(attempts, 5)
    assert list(attempts.locked_accounts(NOW)) == [ACCOUNT]
    assert attempts.unlock(ACCOUNT)
    assert attempts.locked_accounts(NOW) == {}
    assert fail(attempts, 4) == []


def test_until_support_unlocks(database: Database, settings: Auth) -> None:
    attempts = Attempts(database, Auth(lock_after=2, lock_time=0))
    fail(attempts, 2)
    assert attempts.standing(ACCOUNT, "far", NOW + 3650 * DAY).lock is not None
    nobody = subject_of_nobody("personne")
    fail(attempts, 2, subject=nobody)
    assert attempts.standing(nobody, "far", NOW).lock is not None
    assert attempts.standing(nobody, "far", NOW + 2 * DAY).lock is None, "nobody would ever unlock it"


def test_brake_on_a_network_that_tries_many_accounts(attempts: Attempts) -> None:
    attempts.succeeded(ACCOUNT, "school", NOW)
    for number in range(20):
        assert not attempts.standing(f"pupil-{number}", "school", NOW).braked
        fail(attempts, 1, "school", subject=f"pupil-{number}")
    assert attempts.standing("pupil-0", "school", NOW).braked
    assert not attempts.standing("pupil-0", "elsewhere", NOW).braked
    assert not attempts.standing(ACCOUNT, "school", NOW).braked, "known pairs go on"
    assert not attempts.standing("pupil-0", "school", NOW + 901).braked


def test_what_strangers_leave_behind_is_swept(attempts: Attempts, database: Database) -> None:
    for number in range(30):
        fail(attempts, 5, f"net-{number}", subject=subject_of_nobody(f"login-{number}"))
    assert rows_of(database, tables.failure) == 150
    assert rows_of(database, tables.lock) == 30
    fail(attempts, 1, now=NOW + 3 * DAY)
    assert rows_of(database, tables.failure) == 1
    assert rows_of(database, tables.lock) == 0


def test_locked_accounts_are_people(attempts: Attempts) -> None:
    fail(attempts, 5, subject=subject_of_nobody("personne"))
    attempts.lock(ACCOUNT, "vacances", NOW)
    assert [lock.scope for lock in attempts.locked_accounts(NOW)[ACCOUNT]] == [EVERYBODY]
    assert len(attempts.locked_accounts(NOW)) == 1


def test_subject_of_nobody_hides_what_was_typed() -> None:
    assert "secret" not in subject_of_nobody("secret")
    assert subject_of_nobody("\ud800" * 100_000) != subject_of_nobody("a")
    assert len(subject_of_nobody("x" * 100_000)) <= 64


def test_database_away(database: Database, settings: Auth) -> None:
    with pytest.raises(DirectoryUnavailable):
        Attempts(Database("sqlite:////nowhere/at/all.db"), settings).standing(ACCOUNT, "far", NOW)
