"""Quotas that groups of accounts share, for those who set and show them (``storage.index.pools`` has the counting)."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from storage.database import Database
from storage.errors import QuotaTaken
from storage.index import mailboxes, pools
from storage.model import SharedQuota


class SharedQuotas:
    """Blocks; safe from any thread. Every method raises Unavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[SharedQuota]:
        """With their use, by name."""
        with self._database.read() as connection:
            found = [pools.of_name(connection, name) for name in pools.names(connection)]
        return [one for one in found if one is not None]

    def of(self, account: int) -> SharedQuota | None:
        """The one that an account takes from."""
        with self._database.read() as connection:
            return pools.of_account(connection, account)

    def set(self, name: str, limit_bytes: int, limit_messages: int, accounts: Sequence[int]) -> None:
        """Make one for these accounts, or give it other limits; 0 is none.

        Raises QuotaTaken when one of them takes from another; nothing is changed then.
        """
        with self._database.write() as connection:
            for account in accounts:
                self._check(connection, account, name)
            pools.change(connection, name, limit_bytes, limit_messages)
            for account in accounts:
                pools.place(connection, account, name)

    def join(self, name: str, account: int) -> None:
        """Let an account take from one, if there is one of that name. Raises QuotaTaken when it takes from another."""
        with self._database.write() as connection:
            if pools.of_name(connection, name) is not None:
                self._check(connection, account, name)
                pools.place(connection, account, name)

    def leave(self, name: str, account: int) -> None:
        """Let an account take from it no more."""
        with self._database.write() as connection:
            found = pools.of_account(connection, account)
            if found is not None and found.name == name:
                pools.place(connection, account, None)

    def remove(self, name: str) -> None:
        """Its accounts have their own quotas only from then on."""
        with self._database.write() as connection:
            pools.remove(connection, name)

    def _check(self, connection: Connection, account: int, name: str) -> None:
        found = pools.of_account(connection, account)
        if found is not None and found.name != name:
            key = mailboxes.account_key(connection, account)
            raise QuotaTaken(f"{key} takes from the quota of the group {found.name} already: one is all it can have")
