"""Whose rows are whose: what the database holds of one person, for what is taken along and for what is erased.

A column ``account_id`` is the store's number of an account, ``account`` is its key. The few tables that name people
otherwise are listed here, and those that name nobody; every table of the database is one or the other.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Column, ColumnElement, Table, or_, select

from storage import tables as storage
from storage.database import metadata
from transfer import tables as transfer

#: Columns with a key, where they are not called ``account``.
_KEYS: dict[str, str] = {
    "store_account": "key",
    "directory_account": "key",
    "sign_in_failure": "subject",
    "sign_in_lock": "subject",
}

#: Of the site, of the queue (which is by address), or of numbers that lead to nobody.
OF_NOBODY = frozenset(
    {
        *("directory_group", "directory_version", "event_cursor", "erasure", "recall", "pool"),
        *("spam_models", "spam_features", "spam_verdicts", "spam_campaigns", "spam_cursors"),
        *("queue_message", "queue_item", "queue_recipient"),
    }
)

#: Kept for the server's own bookkeeping of mail that is taken along as mail.
OF_MAIL = frozenset(
    {
        *("message", "content", "expunged", "removed", "recalled", "flags_before", "mailbox_before"),
        *("import_folder", "import_message"),
    }
)

#: What nobody is told, not even the person.
SECRETS = frozenset({"password_hash", "former_hash"})


def tables() -> Iterator[tuple[Table, Column[int] | Column[str], bool]]:
    """Every table with rows of one account each, the column that says whose, and whether it is a number.

    Those that others refer to come last.
    """
    for table in reversed(metadata.sorted_tables):
        if table.name in _KEYS:
            yield table, table.c[_KEYS[table.name]], False
        elif "account_id" in table.c:
            yield table, table.c.account_id, True
        elif "account" in table.c:
            yield table, table.c.account, False


def rows_of(table: Table, column: Column[int] | Column[str], whose: int | str) -> ColumnElement[bool]:
    """The condition for the rows of one account."""
    if table is storage.annotation:
        # Private notes about mailboxes of others, and of the server.
        return or_(column == whose, table.c.reader_id == whose)
    return column == whose


def grants_naming(key: str) -> ColumnElement[bool]:
    """Entries of access control lists that name the account."""
    return storage.acl.c.identifier.in_((f"user:{key}", f"-user:{key}"))


def imported(account: int) -> ColumnElement[bool]:
    """Notes of messages that were brought for the account."""
    folders = select(transfer.folder.c.id).where(transfer.folder.c.account_id == account)
    return transfer.message.c.folder_id.in_(folders)
