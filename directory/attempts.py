"""The log of sign-ins that all processes and protocols share: failures, locks and known networks, in SQL.

What follows from it is decided by ``directory.lockout``. Failures are kept for the window only, and a network with too
many of them is no longer listened to, so strangers can't fill the disk.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import structlog
from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from config.settings import DAY, Auth
from directory import lockout, rows, tables
from directory.lockout import EVERYBODY, KNOWN_FOR, Failure, Lock, Rule
from storage.database import Database, take_turn
from storage.prepared import Prepared

log = structlog.get_logger()

#: Seconds after which the time of the last success is written again.
_REMEMBER_EVERY = DAY

_NOBODY = "?"


def subject_of_nobody(login: str) -> str:
    """Under what attempts on a login that nobody has are filed: people type passwords there, so only a short digest."""
    return _NOBODY + hashlib.blake2b(login.encode(errors="replace"), digest_size=6).hexdigest()


@dataclass(frozen=True, slots=True)
class Standing:
    """How a network stands with an account.

    ``known``: its owner came from there lately. ``lock``: keeps the network out. ``braked``: the network has too many
    failures and is not known. ``settled``: a success would change nothing here.
    """

    known: bool
    lock: Lock | None
    braked: bool
    settled: bool


# What every sign-in asks.
_l, _f, _o = tables.lock.c, tables.failure.c, tables.origin.c
_LOCKS = Prepared(
    select(_l.scope, _l.since, _l.until, _l.reason).where(_l.subject == bindparam("subject")).order_by(_l.since)
)
_COUNTED = select(_f.network, _f.at).where(_f.subject == bindparam("subject"), _f.at > bindparam("since"), _f.counted)
_FAILURES = Prepared(_COUNTED)
_FAILURES_OF_NETWORK = Prepared(_COUNTED.where(_f.network == bindparam("network")))
_LAST_SUCCESS = Prepared(
    select(_o.last_success).where(_o.account == bindparam("account"), _o.network == bindparam("network"))
)


class Attempts:
    """Records attempts and answers who may try. Safe from any thread. All calls raise DirectoryUnavailable.

    ``subject`` is an account's key or a ``subject_of_nobody``; ``network`` is of ``lockout.network_of``; ``now`` is
    seconds since the epoch.
    """

    def __init__(self, database: Database, settings: Auth) -> None:
        self._database = database
        self._rule = Rule.of(settings)
        self._brake = settings.address_failures

    # ---------------------------------------------------------------- sign-in

    def standing(self, subject: str, network: str, now: float) -> Standing:
        """What holds before an attempt. Asks the same of the database for people and for nobody."""
        with rows.own_errors(), self._database.read() as connection:
            last_success = _last_success(connection, subject, network)
            failed_here = _failures(connection, subject, since=0.0, network=network)
            known = _is_known(last_success, now)
            return Standing(
                known=known,
                lock=lockout.lock_on(_locks(connection, subject), network, known, now),
                braked=not known and self._count_of(connection, network, now) >= self._brake,
                settled=last_success is not None and now - last_success < _REMEMBER_EVERY and not failed_here,
            )

    def failed(self, subject: str, network: str, service: str, now: float) -> list[Lock]:
        """Records a refusal and returns the locks that it brought. It does not count where a lock holds already."""
        with rows.own_errors(), self._database.write() as connection:
            _hold(connection, subject)
            locks = _locks(connection, subject)
            known = _is_known(_last_success(connection, subject, network), now)
            counted = lockout.lock_on(locks, network, known, now) is None
            connection.execute(
                insert(tables.failure).values(
                    subject=subject, network=network, at=now, service=service, counted=counted
                )
            )
            failures = _failures(connection, subject, since=now - self._rule.window)
            fresh = list(lockout.new_locks(failures, locks, self._rule_for(subject), network, known, now))
            for lock in fresh:
                _set_lock(connection, subject, lock)
            self._prune(connection, now)
        for lock in fresh:
            log.warning("auth.locked", subject=subject, scope=lock.scope, until=lock.until, network=network)
        return fresh

    def succeeded(self, subject: str, network: str, now: float) -> Lock | None:
        """Records a right password, unless a lock came up while it was checked: then returns that lock.

        Attempts at the same time can't outrun the rule: each failure is on record before the lock is asked for here.
        """
        standing = self.standing(subject, network, now)
        if standing.lock is not None or standing.settled:
            return standing.lock
        with rows.own_errors(), self._database.write() as connection:
            _hold(connection, subject)
            known = _is_known(_last_success(connection, subject, network), now)
            lock = lockout.lock_on(_locks(connection, subject), network, known, now)
            if lock is not None:
                return lock
            here = (tables.origin.c.account == subject) & (tables.origin.c.network == network)
            if not connection.execute(update(tables.origin).where(here).values(last_success=now)).rowcount:
                connection.execute(insert(tables.origin).values(account=subject, network=network, last_success=now))
            connection.execute(delete(tables.origin).where(tables.origin.c.last_success < now - KNOWN_FOR))
            own = (tables.failure.c.subject == subject) & (tables.failure.c.network == network)
            connection.execute(delete(tables.failure).where(own, tables.failure.c.counted))
        return None

    # ---------------------------------------------------------------- support

    def lock(self, account: str, reason: str, now: float) -> None:
        """Shuts everybody out of the account with that key until ``unlock``; signed-in sessions end."""
        with rows.own_errors(), self._database.write() as connection:
            _hold(connection, account)
            _set_lock(connection, account, Lock(EVERYBODY, now, None, reason))
        log.info("auth.locked_by_support", account=account, reason=reason)

    def unlock(self, account: str) -> bool:
        """Ends all locks of the account and forgets its failures; True when there was something to end."""
        with rows.own_errors(), self._database.write() as connection:
            _hold(connection, account)
            locks = connection.execute(delete(tables.lock).where(tables.lock.c.subject == account)).rowcount
            failures = connection.execute(delete(tables.failure).where(tables.failure.c.subject == account)).rowcount
        log.info("auth.unlocked", account=account)
        return bool(locks or failures)

    def locks(self, account: str, now: float) -> list[Lock]:
        """The locks of the account that are in force, the oldest first."""
        with rows.own_errors(), self._database.read() as connection:
            return [lock for lock in _locks(connection, account) if lock.holds(now)]

    def locked_accounts(self, now: float) -> dict[str, list[Lock]]:
        """All accounts with locks in force, by key."""
        query = select(tables.lock).where(~tables.lock.c.subject.startswith(_NOBODY)).order_by(tables.lock.c.since)
        found: dict[str, list[Lock]] = {}
        with rows.own_errors(), self._database.read() as connection:
            for row in connection.execute(query):
                lock = Lock(row.scope, row.since, row.until, row.reason)
                if lock.holds(now):
                    found.setdefault(row.subject, []).append(lock)
        return found

    def locked_by_support(self, account: str) -> bool:
        """True while support's lock is on the account."""
        with rows.own_errors(), self._database.read() as connection:
            return any(lock.scope == EVERYBODY for lock in _locks(connection, account))

    # ---------------------------------------------------------------- within

    def _rule_for(self, subject: str) -> Rule:
        # Nobody can call support about an account that isn't there.
        if self._rule.lock_time is None and subject.startswith(_NOBODY):
            return replace(self._rule, lock_time=DAY)
        return self._rule

    def _count_of(self, connection: Connection, network: str, now: float) -> int:
        """Failures of the network within the window, counted up to the brake."""
        some = (
            select(tables.failure.c.id)
            .where(tables.failure.c.network == network, tables.failure.c.at > now - self._rule.window)
            .limit(self._brake)
        )
        return connection.scalar(select(func.count()).select_from(some.subquery())) or 0

    def _prune(self, connection: Connection, now: float) -> None:
        past = now - self._rule.window
        connection.execute(delete(tables.failure).where(tables.failure.c.at < past))
        # The end of a lock is where counting starts again: it is of interest for one window more.
        connection.execute(delete(tables.lock).where(tables.lock.c.until < past))


def _hold(connection: Connection, subject: str) -> None:
    """Makes attempts on one login take turns, also on one that nobody has."""
    take_turn(connection, f"attempts {subject}")


def _locks(connection: Connection, subject: str) -> list[Lock]:
    return [Lock(*row) for row in _LOCKS.all(connection, {"subject": subject})]


def _failures(connection: Connection, subject: str, *, since: float, network: str | None = None) -> list[Failure]:
    where = {"subject": subject, "since": since}
    if network is None:
        found = _FAILURES.all(connection, where)
    else:
        found = _FAILURES_OF_NETWORK.all(connection, {**where, "network": network})
    return [Failure(*row) for row in found]


def _last_success(connection: Connection, subject: str, network: str) -> float | None:
    row = _LAST_SUCCESS.first(connection, {"account": subject, "network": network})
    return None if row is None else row[0]


def _is_known(last_success: float | None, now: float) -> bool:
    return last_success is not None and now - last_success < KNOWN_FOR


def _set_lock(connection: Connection, subject: str, lock: Lock) -> None:
    same = (tables.lock.c.subject == subject) & (tables.lock.c.scope == lock.scope)
    connection.execute(delete(tables.lock).where(same))
    connection.execute(
        insert(tables.lock).values(
            subject=subject, scope=lock.scope, since=lock.since, until=lock.until, reason=lock.reason
        )
    )
