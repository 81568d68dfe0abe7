"""Reading accounts and addresses of the embedded directory: rows to values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

from sqlalchemy import Connection, bindparam, select

from directory import tables
from directory.errors import DirectoryUnavailable
from directory.model import Account, Role
from storage.errors import Unavailable
from storage.prepared import Prepared

_a = tables.account.c
_COLUMNS = (_a.key, _a.login, _a.name, _a.role, _a.school, _a.enabled, _a.quota_bytes, _a.epoch)

# What every sign-in asks.
_ACCOUNT = Prepared(select(*_COLUMNS).where(_a.key == bindparam("key")))
_ADDRESSES = Prepared(
    select(tables.address.c.address)
    .where(tables.address.c.account == bindparam("key"))
    .order_by(tables.address.c.position)
)
_OF_LOGIN = Prepared(select(_a.key).where(_a.login_key == bindparam("login")))
_OF_ADDRESS = Prepared(select(tables.address.c.account).where(tables.address.c.address_key == bindparam("address")))

#: Values in one IN (...): well under what any database takes.
_BATCH = 500


@contextmanager
def own_errors() -> Iterator[None]:
    """The database's "away" in the words of this room."""
    try:
        yield
    except Unavailable as error:
        raise DirectoryUnavailable(str(error)) from error


def batches(values: Iterable[str]) -> Iterator[Sequence[str]]:
    """The values in portions that fit into one IN (...)."""
    rest = iter(values)
    while batch := list(islice(rest, _BATCH)):
        yield batch


def accounts(connection: Connection, keys: Iterable[str]) -> dict[str, Account]:
    """Accounts by key, in the order of ``keys``; those that don't exist are left out."""
    wanted = list(keys)
    found: dict[str, Account] = {}
    for batch in batches(wanted):
        addresses: dict[str, list[str]] = {}
        for row in connection.execute(
            select(tables.address.c.account, tables.address.c.address)
            .where(tables.address.c.account.in_(batch))
            .order_by(tables.address.c.position)
        ):
            addresses.setdefault(row.account, []).append(row.address)
        rows = connection.execute(select(*_COLUMNS).where(_a.key.in_(batch)))
        found.update((row[0], _account(row, addresses.get(row[0], []))) for row in rows)
    return {key: found[key] for key in wanted if key in found}


def account(connection: Connection, key: str) -> Account | None:
    """One account, or None."""
    row = _ACCOUNT.first(connection, {"key": key})
    return None if row is None else _account(row, [address for (address,) in _ADDRESSES.all(connection, {"key": key})])


def key_of_login(connection: Connection, login_key: str) -> str | None:
    """Key of the account with that login."""
    row = _OF_LOGIN.first(connection, {"login": login_key})
    return None if row is None else row[0]


def key_of_address(connection: Connection, address_key: str) -> str | None:
    """Key of the account that owns the address; None for aliases too."""
    row = _OF_ADDRESS.first(connection, {"address": address_key})
    return None if row is None else row[0]


def owners(connection: Connection, address_keys: Iterable[str]) -> dict[str, str | None]:
    """Addresses that exist, each with the key of its account, or None for an alias."""
    return {
        row.address_key: row.account
        for batch in batches(address_keys)
        for row in connection.execute(
            select(tables.address.c.address_key, tables.address.c.account).where(
                tables.address.c.address_key.in_(batch)
            )
        )
    }


def version(connection: Connection) -> int:
    """Number that rises with every change of accounts, addresses, aliases and groups."""
    return connection.scalar(select(tables.version.c.version)) or 0


def _account(row: Any, addresses: Sequence[str]) -> Account:
    """An account of ``_COLUMNS``."""
    key, login, name, role, school, enabled, quota_bytes, epoch = row
    return Account(
        key=key,
        login=login,
        name=name,
        role=Role(role),
        school=school,
        addresses=tuple(addresses),
        enabled=bool(enabled),
        quota_bytes=quota_bytes,
        epoch=epoch,
    )
