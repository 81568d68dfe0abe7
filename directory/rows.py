"""Reading accounts and addresses of the embedded directory: rows to values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

from sqlalchemy import Connection, RowMapping, select

from directory import tables
from directory.errors import DirectoryUnavailable
from directory.model import Account, Role
from storage.errors import Unavailable

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
        rows = connection.execute(select(tables.account).where(tables.account.c.key.in_(batch))).mappings()
        found.update((row["key"], _account(row, addresses.get(row["key"], []))) for row in rows)
    return {key: found[key] for key in wanted if key in found}


def account(connection: Connection, key: str) -> Account | None:
    """One account, or None."""
    return accounts(connection, (key,)).get(key)


def key_of_login(connection: Connection, login_key: str) -> str | None:
    """Key of the account with that login."""
    return connection.scalar(select(tables.account.c.key).where(tables.account.c.login_key == login_key))


def key_of_address(connection: Connection, address_key: str) -> str | None:
    """Key of the account that owns the address; None for aliases too."""
    return connection.scalar(select(tables.address.c.account).where(tables.address.c.address_key == address_key))


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


def _account(row: RowMapping, addresses: Sequence[str]) -> Account:
    return Account(
        key=row["key"],
        login=row["login"],
        name=row["name"],
        role=Role(row["role"]),
        school=row["school"],
        addresses=tuple(addresses),
        enabled=row["enabled"],
        quota_bytes=row["quota_bytes"],
        epoch=row["epoch"],
    )
