"""The embedded directory, reading side: who is it, and where does an address lead.

Every RCPT asks ``resolve``, so its answers are kept in memory. They hold as long as the directory's version number,
which each change raises; it is looked at once a second, so a change in another process is seen within that time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog
from sqlalchemy import Connection, select, update

from config.settings import Site
from directory import names, rows, tables
from directory.api import Targets
from directory.errors import DirectoryUnavailable, InvalidName
from directory.model import Account, Proof, Role
from directory.passwords import Passwords, TooBusy
from storage.database import Database

log = structlog.get_logger()

#: Aliases that lead to aliases are followed so many times.
DEPTH = 10

#: Mailboxes and outside addresses that one recipient may lead to.
MOST_TARGETS = 10_000

#: Seconds after which the version number is looked at again.
VERSION_AGE = 1.0

#: Addresses whose targets are kept in memory, and the most targets of an address that is kept.
_KEPT_ADDRESSES = 20_000
_KEPT_TARGETS = 100

_POSTMASTER = "postmaster"


class SqlDirectory:
    """Implements ``api.Directory`` on the SQL database. Safe from any thread."""

    def __init__(self, database: Database, site: Site, passwords: Passwords) -> None:
        self._database = database
        self._passwords = passwords
        self._postmaster = names.address_key(site.postmaster) if site.postmaster else ""
        self._domains = frozenset(names.domain_key(domain) for domain in site.domains)
        self._kept = _Kept()
        self._version = 0
        self._version_due = 0.0

    # ---------------------------------------------------------------- who is it

    def find(self, login: str) -> Account | None:
        """See ``api.Directory``."""
        try:
            is_address = "@" in login
            key = names.address_key(login) if is_address else names.login_key(login)
        except InvalidName:
            return None
        with self._reading() as connection:
            owner = rows.key_of_address(connection, key) if is_address else rows.key_of_login(connection, key)
            return None if owner is None else rows.account(connection, owner)

    def by_key(self, key: str) -> Account | None:
        """See ``api.Directory``."""
        with self._reading() as connection:
            return rows.account(connection, key)

    def by_keys(self, keys: Iterable[str]) -> dict[str, Account]:
        """See ``api.People``."""
        with self._reading() as connection:
            return rows.accounts(connection, keys)

    def group(self, name: str) -> str | None:
        """See ``api.People``."""
        try:
            key = names.login_key(name)
        except InvalidName:
            return None
        with self._reading() as connection:
            return connection.scalar(select(tables.group.c.name_key).where(tables.group.c.name_key == key))

    def groups_of(self, key: str) -> tuple[str, ...]:
        """See ``api.People``."""
        query = select(tables.member.c.group).where(tables.member.c.account == key).order_by(tables.member.c.group)
        with self._reading() as connection:
            return tuple(connection.scalars(query))

    def verify(self, account: Account | None, password: str, *, former: bool = False) -> Proof:
        """See ``api.Directory``. A right password whose hash is of an old kind gets a new hash."""
        stored, before = self._hashes(account)
        try:
            verified = self._passwords.verify(password, stored)
            if verified.right and account is not None:
                if verified.renewed is not None:
                    self._renew(account.key, stored, verified.renewed)
                return Proof.RIGHT
            if former and before is not None and self._passwords.verify(password, before).right:
                return Proof.FORMER
        except TooBusy as error:
            raise DirectoryUnavailable(str(error)) from error
        return Proof.WRONG

    def _hashes(self, account: Account | None) -> tuple[str | None, str | None]:
        # Nobody has an empty key: the same query, whether there is an account or not.
        key = "" if account is None else account.key
        columns = select(tables.account.c.password_hash, tables.account.c.former_hash)
        with self._reading() as connection:
            row = connection.execute(columns.where(tables.account.c.key == key)).one_or_none()
        return (None, None) if row is None else (row.password_hash, row.former_hash)

    def _renew(self, key: str, old: str | None, new: str) -> None:
        same = (tables.account.c.key == key) & (tables.account.c.password_hash == old)
        with rows.own_errors(), self._database.write() as connection:
            connection.execute(update(tables.account).where(same).values(password_hash=new))
        log.info("directory.hash_renewed", account=key)

    # ---------------------------------------------------------------- where does it lead

    def is_local_domain(self, domain: str) -> bool:
        """See ``api.Recipients``."""
        if domain in self._domains:
            return True
        try:
            return names.domain_key(domain) in self._domains
        except InvalidName:
            return False

    def resolve(self, address: str) -> Targets | None:
        """See ``api.Recipients``."""
        version = self._current_version()
        known, targets = self._kept.get(address, version)
        if known:
            return targets
        with self._reading() as connection:
            # Version and targets of one snapshot: an answer is never kept under a version that it is not of.
            version = rows.version(connection)
            targets = self._resolve(connection, address)
        self._kept.put(address, version, targets)
        return targets

    def remembers(self, address: str) -> bool:
        """See ``api.Recipients``."""
        return time.monotonic() < self._version_due and self._kept.get(address, self._version)[1] is not None

    def may_send_as(self, account: Account, address: str) -> bool:
        """See ``api.Recipients``."""
        targets = self.resolve(address)
        return targets is not None and not targets.elsewhere and [one.key for one in targets.accounts] == [account.key]

    def _resolve(self, connection: Connection, address: str) -> Targets | None:
        try:
            if "@" not in address:
                return self._postmasters(connection) if address.lower() == _POSTMASTER else None
            key = names.address_key(address)
        except InvalidName:
            return None
        local, _, domain = key.rpartition("@")
        if domain not in self._domains:
            return None
        targets = self._expand(connection, key)
        if targets is None and local.partition("+")[0] == _POSTMASTER:
            return self._postmasters(connection)
        return targets

    def _postmasters(self, connection: Connection) -> Targets:
        """Mail for postmaster is always taken (RFC 5321 section 4.5.1), so there is always somebody, or an alarm."""
        if self._postmaster and (targets := self._expand(connection, self._postmaster)):
            return targets
        for role in (Role.OPS, Role.SUPPORT):
            first = connection.scalar(
                select(tables.account.c.key)
                .where(tables.account.c.role == role, tables.account.c.enabled)
                .order_by(tables.account.c.created_at, tables.account.c.login_key)
                .limit(1)
            )
            if first is not None:
                return Targets(accounts=tuple(rows.accounts(connection, [first]).values()))
        log.error("directory.no_postmaster", advice="set site.postmaster, or add an account of role ops")
        raise DirectoryUnavailable("nobody gets mail for postmaster: set site.postmaster or add an account of role ops")

    def _expand(self, connection: Connection, key: str) -> Targets | None:
        """Follows aliases and groups from one address, level by level, each address once."""
        accounts: dict[str, None] = {}
        elsewhere: dict[str, str] = {}
        seen = {key}
        level = {key: key}  # comparison form -> as written
        for _ in range(DEPTH + 1):
            if not level:
                break
            for form, written in level.items():
                if form.rpartition("@")[2] not in self._domains:
                    elsewhere.setdefault(form, written)
            found = self._owners(connection, (form for form in level if form not in elsewhere))
            accounts.update((owner, None) for owner in found.values() if owner is not None)
            leads = self._leads(connection, [form for form, owner in found.items() if owner is None])
            accounts.update(dict.fromkeys(leads.accounts))
            level = {form: written for form, written in leads.addresses.items() if form not in seen}
            seen.update(level)
            if max(len(seen), len(accounts) + len(elsewhere)) > MOST_TARGETS:
                raise self._too_wide(key, f"leads to more than {MOST_TARGETS} mailboxes")
        if level:
            raise self._too_wide(key, f"leads through more than {DEPTH} aliases")
        people = tuple(one for one in rows.accounts(connection, accounts).values() if one.enabled)
        return Targets(people, tuple(elsewhere.values())) if people or elsewhere else None

    def _owners(self, connection: Connection, forms: Iterable[str]) -> dict[str, str | None]:
        """Those of our addresses that exist, looked up whole first, then without their detail."""
        bases = {form: names.without_detail(form) for form in forms}
        found = rows.owners(connection, {*bases, *filter(None, bases.values())})
        matches = (form if form in found else base for form, base in bases.items())
        return {match: found[match] for match in matches if match is not None and match in found}

    def _leads(self, connection: Connection, aliases: list[str]) -> _Leads:
        leads = _Leads()
        groups: dict[str, None] = {}
        for batch in rows.batches(aliases):
            for row in connection.execute(
                select(tables.target.c.account, tables.target.c.group, tables.target.c.elsewhere)
                .where(tables.target.c.address_key.in_(batch))
                .order_by(tables.target.c.address_key, tables.target.c.position)
            ):
                if row.account is not None:
                    leads.accounts.append(row.account)
                elif row.group is not None:
                    groups[row.group] = None
                else:
                    leads.addresses.setdefault(names.address_key(row.elsewhere), row.elsewhere)
        for batch in rows.batches(groups):
            leads.accounts.extend(
                connection.scalars(
                    select(tables.member.c.account)
                    .where(tables.member.c.group.in_(batch))
                    .order_by(tables.member.c.account)
                    .limit(MOST_TARGETS + 1)
                )
            )
        return leads

    def _too_wide(self, key: str, fault: str) -> DirectoryUnavailable:
        # Refusing for good would lose mail over a slip of ours; "later" gives the operator time.
        log.error("directory.alias_too_wide", address=key, fault=fault)
        return DirectoryUnavailable(f"{key} {fault}")

    # ---------------------------------------------------------------- the database

    def _current_version(self) -> int:
        now = time.monotonic()
        if now >= self._version_due:
            with self._reading() as connection:
                self._version = rows.version(connection)
            self._version_due = now + VERSION_AGE
        return self._version

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with rows.own_errors(), self._database.read() as connection:
            yield connection


@dataclass(slots=True)
class _Leads:
    """One level of an expansion: accounts, and addresses (comparison form -> as written) to follow."""

    accounts: list[str] = field(default_factory=list)
    addresses: dict[str, str] = field(default_factory=dict)


class _Kept:
    """Answers of ``resolve``, each under the version it was found in; the oldest give way."""

    def __init__(self) -> None:
        self._answers: dict[str, tuple[int, Targets | None]] = {}
        self._lock = threading.Lock()

    def get(self, address: str, version: int) -> tuple[bool, Targets | None]:
        """Whether an answer of that version is there, and the answer."""
        answer = self._answers.get(address)
        if answer is None or answer[0] != version:
            return False, None
        return True, answer[1]

    def put(self, address: str, version: int, targets: Targets | None) -> None:
        """Keeps an answer unless it is big."""
        if len(address) > names.LONGEST:
            return
        if targets is not None and len(targets.accounts) + len(targets.elsewhere) > _KEPT_TARGETS:
            return
        with self._lock:
            self._answers.pop(address, None)
            self._answers[address] = (version, targets)
            if len(self._answers) > _KEPT_ADDRESSES:
                del self._answers[next(iter(self._answers))]
