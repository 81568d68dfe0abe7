"""The embedded directory, administration: accounts, addresses, aliases and groups.

For the command line and for provisioning. An account is named by its key, its login or one of its addresses. Every
call raises DirectoryUnavailable when the database is away.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import structlog
from sqlalchemy import Connection, delete, func, insert, select, update

from directory import names, rows, tables
from directory.errors import Invalid, InvalidName, NotFound, Taken
from directory.model import Account, Role
from directory.passwords import Passwords
from storage.database import Database, take_turn

log = structlog.get_logger()

#: What a target of an alias begins with when it is a group.
GROUP_PREFIX = "group:"


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account to be made. Give a password, or the hash that another system made of it, or none of both.

    The first of ``addresses`` becomes the primary one.
    """

    login: str
    name: str
    role: Role
    addresses: Sequence[str]
    school: str | None = None
    quota_bytes: int | None = None
    password: str | None = field(default=None, repr=False)
    password_hash: str | None = field(default=None, repr=False)


class Alias(NamedTuple):
    """An address and where it leads, as texts that ``add_alias`` takes."""

    address: str
    targets: tuple[str, ...]


class Accounts:
    """Changes to the embedded directory. Safe from any thread; every change is durable when the call returns."""

    def __init__(
        self,
        database: Database,
        passwords: Passwords,
        *,
        password_length: int = 256,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``password_length`` is the setting ``auth.password_length``, in octets."""
        self._database = database
        self._passwords = passwords
        self._password_length = password_length
        self._clock = clock

    # ---------------------------------------------------------------- accounts

    def add(self, new: NewAccount) -> Account:
        """Makes an account. Raises Taken, Invalid."""
        return self.add_all([new])[0]

    def add_all(self, news: Iterable[NewAccount]) -> list[Account]:
        """Makes all the accounts or, when one of them can't be made, none. Raises Taken, Invalid."""
        # Hashing takes its time: it is done before the database is held.
        ready = [(new, self._hash_of(new)) for new in news]
        with self._changing() as connection:
            keys = [self._insert(connection, new, password_hash) for new, password_hash in ready]
            return list(rows.accounts(connection, keys).values())

    def show(self, who: str) -> Account:
        """The account of that key, login or address. Raises NotFound."""
        with rows.own_errors(), self._database.read() as connection:
            return _account(connection, who)

    def every(self, *, role: Role | None = None, school: str | None = None) -> list[Account]:
        """Accounts by login, all or those of a role or school."""
        query = select(tables.account.c.key).order_by(tables.account.c.login_key)
        if role is not None:
            query = query.where(tables.account.c.role == role)
        if school is not None:
            query = query.where(tables.account.c.school == school)
        with rows.own_errors(), self._database.read() as connection:
            return [*rows.accounts(connection, connection.scalars(query)).values()]

    def set_password(self, who: str, password: str) -> None:
        """Sets a new password; signed-in sessions end. Raises NotFound, Invalid."""
        password_hash = self._hash(password)
        with self._changing() as connection:
            account = _account(connection, who)
            self._update(
                connection,
                account,
                former_hash=tables.account.c.password_hash,
                password_hash=password_hash,
                password_changed_at=self._clock(),
                epoch=tables.account.c.epoch + 1,
            )
        log.info("directory.password_set", account=account.key)

    def set_enabled(self, who: str, enabled: bool) -> None:
        """Switches an account on or off: off, nobody signs in and its addresses are unknown. Raises NotFound."""
        with self._changing() as connection:
            account = _account(connection, who)
            self._update(connection, account, enabled=enabled, epoch=tables.account.c.epoch + 1)
        log.info("directory.enabled" if enabled else "directory.disabled", account=account.key)

    def set_quota(self, who: str, quota_bytes: int | None) -> None:
        """Sets the account's own quota in octets; None means the site's default. Raises NotFound."""
        with self._changing() as connection:
            self._update(connection, _account(connection, who), quota_bytes=quota_bytes)

    def remove(self, who: str) -> Account:
        """Deletes an account with its addresses and memberships; its mail is the store's. Raises NotFound.

        The key is never given out again: it holds random digits.
        """
        with self._changing() as connection:
            account = _account(connection, who)
            connection.execute(delete(tables.account).where(tables.account.c.key == account.key))
        log.info("directory.removed", account=account.key)
        return account

    # ---------------------------------------------------------------- addresses

    def add_address(self, who: str, address: str, *, primary: bool = False) -> None:
        """Gives the account one more address. Raises NotFound, Taken, InvalidName."""
        with self._changing() as connection:
            key = _account(connection, who).key
            own = tables.address.c.account == key
            ends = select(func.min(tables.address.c.position), func.max(tables.address.c.position)).where(own)
            first, last = connection.execute(ends).one()
            position = 0 if first is None else first - 1 if primary else last + 1
            _insert_address(connection, address, key, position)

    def remove_address(self, who: str, address: str) -> None:
        """Takes an address away; the next one becomes primary. Raises NotFound; Invalid for the last one."""
        with self._changing() as connection:
            account = _account(connection, who)
            key = names.address_key(address)
            if key not in map(names.address_key, account.addresses):
                raise NotFound(f"{account.login} has no address {address}")
            if len(account.addresses) == 1:
                raise Invalid(f"{address} is the only address of {account.login}: give another one first")
            connection.execute(delete(tables.address).where(tables.address.c.address_key == key))

    # ---------------------------------------------------------------- aliases

    def add_alias(self, address: str, targets: Sequence[str]) -> None:
        """Makes an address that leads elsewhere, or replaces where it leads. Raises NotFound, Taken, Invalid.

        A target is an address (ours or not), a login, or ``group:NAME``.
        """
        if not targets:
            raise Invalid("an alias needs a target")
        key = names.address_key(address)
        with self._changing() as connection:
            there = rows.owners(connection, [key])
            if there.get(key) is not None:
                raise Taken(f"{address} is the address of an account")
            if key not in there:
                _insert_address(connection, address, None, 0)
            connection.execute(delete(tables.target).where(tables.target.c.address_key == key))
            for position, target in enumerate(dict.fromkeys(targets)):
                place = {"address_key": key, "position": position, **_target(connection, key, target)}
                connection.execute(insert(tables.target).values(place))

    def remove_alias(self, address: str) -> None:
        """Raises NotFound."""
        key = names.address_key(address)
        is_alias = (tables.address.c.address_key == key) & tables.address.c.account.is_(None)
        with self._changing() as connection:
            if not connection.execute(delete(tables.address).where(is_alias)).rowcount:
                raise NotFound(f"there is no alias {address}")

    def aliases(self) -> list[Alias]:
        """All aliases by address."""
        query = (
            select(tables.address.c.address, tables.target, tables.account.c.login, tables.group.c.name)
            .outerjoin(tables.target, tables.target.c.address_key == tables.address.c.address_key)
            .outerjoin(tables.account, tables.account.c.key == tables.target.c.account)
            .outerjoin(tables.group, tables.group.c.name_key == tables.target.c.group)
            .where(tables.address.c.account.is_(None))
            .order_by(tables.address.c.address_key, tables.target.c.position)
        )
        found: dict[str, list[str]] = {}
        with rows.own_errors(), self._database.read() as connection:
            for row in connection.execute(query):
                targets = found.setdefault(row.address, [])
                if row.name is not None:
                    targets.append(GROUP_PREFIX + row.name)
                elif (text := row.login or row.elsewhere) is not None:
                    targets.append(text)
        return [Alias(address, tuple(targets)) for address, targets in found.items()]

    # ---------------------------------------------------------------- groups

    def add_group(self, name: str, members: Iterable[str] = ()) -> None:
        """Makes a group of accounts; an alias to ``group:NAME`` gives it an address. Raises Taken, NotFound."""
        with self._changing() as connection:
            key = names.login_key(name)
            if _has_group(connection, key):
                raise Taken(f"there is a group {name} already")
            connection.execute(insert(tables.group).values(name_key=key, name=name))
            for member in members:
                _join(connection, key, _account(connection, member).key)

    def remove_group(self, name: str) -> None:
        """Raises NotFound."""
        with self._changing() as connection:
            key = _group(connection, name)
            connection.execute(delete(tables.group).where(tables.group.c.name_key == key))

    def add_member(self, name: str, who: str) -> None:
        """Raises NotFound; a member that is there already stays one."""
        with self._changing() as connection:
            _join(connection, _group(connection, name), _account(connection, who).key)

    def remove_member(self, name: str, who: str) -> None:
        """Raises NotFound for the group or account; somebody who is no member is none afterwards either."""
        with self._changing() as connection:
            pair = (tables.member.c.group == _group(connection, name)) & (
                tables.member.c.account == _account(connection, who).key
            )
            connection.execute(delete(tables.member).where(pair))

    def groups(self) -> dict[str, tuple[Account, ...]]:
        """All groups by name, with their members by login."""
        query = (
            select(tables.group.c.name, tables.member.c.account)
            .outerjoin(tables.member, tables.member.c.group == tables.group.c.name_key)
            .order_by(tables.group.c.name_key)
        )
        with rows.own_errors(), self._database.read() as connection:
            pairs = connection.execute(query).all()
            people = rows.accounts(connection, {row.account for row in pairs if row.account is not None})
        found: dict[str, list[Account]] = {row.name: [] for row in pairs}
        for row in pairs:
            if row.account is not None:
                found[row.name].append(people[row.account])
        return {name: tuple(sorted(members, key=lambda one: one.login)) for name, members in found.items()}

    # ---------------------------------------------------------------- within

    def _hash_of(self, new: NewAccount) -> str | None:
        if new.password is not None:
            return self._hash(new.password)
        return None if new.password_hash is None else self._passwords.accept(new.password_hash)

    def _hash(self, password: str) -> str:
        form = names.password_form(password, self._password_length)
        if form is None:
            raise Invalid(f"a password has 1 to {self._password_length} octets and no control characters")
        return self._passwords.hash(form)

    def _insert(self, connection: Connection, new: NewAccount, password_hash: str | None) -> str:
        login_key = names.login_key(new.login)
        if "@" in login_key:
            raise InvalidName("a login has no @: give the address as an address, it can be used to sign in too")
        if not new.addresses:
            raise Invalid(f"account {new.login} needs an address")
        if rows.key_of_login(connection, login_key) is not None:
            raise Taken(f"there is an account {new.login} already")
        key, now = _new_key(login_key), self._clock()
        connection.execute(
            insert(tables.account).values(
                key=key,
                login=new.login,
                login_key=login_key,
                name=new.name,
                role=new.role.value,
                school=new.school,
                enabled=True,
                password_hash=password_hash,
                password_changed_at=None if password_hash is None else now,
                quota_bytes=new.quota_bytes,
                epoch=0,
                created_at=now,
            )
        )
        for position, address in enumerate(new.addresses):
            _insert_address(connection, address, key, position)
        log.info("directory.added", account=key)
        return key

    def _update(self, connection: Connection, account: Account, **values: Any) -> None:
        connection.execute(update(tables.account).where(tables.account.c.key == account.key).values(values))

    @contextmanager
    def _changing(self) -> Iterator[Connection]:
        """A write transaction that raises the version number."""
        with rows.own_errors(), self._database.write() as connection:
            # What is looked up before a change (is this address taken?) still holds when it is made.
            take_turn(connection, "directory")
            yield connection
            if not connection.execute(update(tables.version).values(version=tables.version.c.version + 1)).rowcount:
                connection.execute(insert(tables.version).values(version=1))


def _new_key(login_key: str) -> str:
    """A name for folders: the beginning of the login for people who look, random digits so that none comes twice."""
    readable = "".join(c for c in login_key if c.isascii() and (c.isalnum() or c in "._-")).strip("._-")[:32]
    return f"{readable or 'account'}-{secrets.token_hex(6)}"


def _account(connection: Connection, who: str) -> Account:
    found = rows.account(connection, who)
    if found is None:
        is_address = "@" in who
        key = names.address_key(who) if is_address else names.login_key(who)
        owner = rows.key_of_address(connection, key) if is_address else rows.key_of_login(connection, key)
        found = None if owner is None else rows.account(connection, owner)
    if found is None:
        raise NotFound(f"there is no account {who}")
    return found


def _insert_address(connection: Connection, address: str, account: str | None, position: int) -> None:
    key = names.address_key(address)
    if rows.owners(connection, [key]):
        raise Taken(f"there is an address {address} already")
    connection.execute(
        insert(tables.address).values(address_key=key, address=address, account=account, position=position)
    )


def _target(connection: Connection, alias: str, target: str) -> dict[str, str]:
    if target.startswith(GROUP_PREFIX):
        return {"group": _group(connection, target.removeprefix(GROUP_PREFIX))}
    if "@" not in target:
        return {"account": _account(connection, target).key}
    if names.address_key(target) == alias:
        raise Invalid(f"the alias {target} can't lead to itself")
    return {"elsewhere": target}


def _has_group(connection: Connection, key: str) -> bool:
    return connection.scalar(select(tables.group.c.name).where(tables.group.c.name_key == key)) is not None


def _group(connection: Connection, name: str) -> str:
    key = names.login_key(name)
    if not _has_group(connection, key):
        raise NotFound(f"there is no group {name}")
    return key


def _join(connection: Connection, group: str, account: str) -> None:
    pair = {"group": group, "account": account}
    there = (tables.member.c.group == group) & (tables.member.c.account == account)
    if connection.scalar(select(tables.member.c.group).where(there)) is None:
        connection.execute(insert(tables.member).values(pair))
