"""What accounts share with each other: access control lists of mailboxes, and the way to find what is shared."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sqlalchemy import Connection

from storage.database import Database
from storage.doorbell import Doorbell
from storage.errors import LimitReached
from storage.index import acl, mailboxes
from storage.model import SERVER, Grant

#: Entries of one mailbox's list.
ENTRIES = 500


class Sharing:
    """Implements ``storage.api.Sharing``."""

    def __init__(self, database: Database, doorbell: Doorbell) -> None:
        self._database = database
        self._doorbell = doorbell

    def account_number(self, key: str) -> int | None:
        """See ``storage.api.Sharing``."""
        with self._database.read() as connection:
            return mailboxes.account_number(connection, key)

    def acl(self, account: int, mailbox: int) -> tuple[Grant, ...]:
        """See ``storage.api.Sharing``."""
        with self._database.read() as connection:
            return acl.of_mailbox(connection, account, mailbox)

    def acls(self, account: int) -> dict[int, tuple[Grant, ...]]:
        """See ``storage.api.Sharing``."""
        with self._database.read() as connection:
            return acl.of_account(connection, account)

    def change_acl(
        self, account: int, mailbox: int, identifier: str, combined: Callable[[str | None], str | None]
    ) -> None:
        """See ``storage.api.Sharing``."""
        with self._database.write() as connection:
            mailboxes.hold(connection, account)
            mailboxes.by_number(connection, account, mailbox)
            acl.change(connection, account, mailbox, identifier, combined)
            if len(acl.of_mailbox(connection, account, mailbox)) > ENTRIES:
                raise LimitReached(f"an access control list may have {ENTRIES} entries")
            others = _concerned(connection, identifier)
        self._doorbell.ring([(account, 0), (others, 0)])

    def accounts_that_share(self, identifiers: Iterable[str]) -> dict[int, str]:
        """See ``storage.api.Sharing``."""
        with self._database.read() as connection:
            return acl.accounts_that_share(connection, identifiers)


def _concerned(connection: Connection, identifier: str) -> int:
    """Whose sessions may see more or less by an entry: an account's, or with groups and all of them everybody's."""
    who = identifier.removeprefix("-")
    number = mailboxes.account_number(connection, who.removeprefix("user:")) if who.startswith("user:") else None
    return SERVER if number is None else number
