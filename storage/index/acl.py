"""Access control lists in SQL (RFC 4314). Whom an identifier means and what a letter allows is not known here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import attrgetter, itemgetter

from sqlalchemy import Connection, delete, insert, select, update

from storage import tables
from storage.index import history
from storage.model import Grant

_g = tables.acl.c


def of_mailbox(connection: Connection, account: int, mailbox: int) -> tuple[Grant, ...]:
    """The entries of a mailbox, by identifier."""
    query = select(_g.identifier, _g.rights).where(_g.account_id == account, _g.mailbox_id == mailbox)
    return tuple(sorted((Grant(*row) for row in connection.execute(query)), key=attrgetter("identifier")))


def of_account(connection: Connection, account: int) -> dict[int, tuple[Grant, ...]]:
    """The entries of all mailboxes of an account that have some, by mailbox number."""
    query = select(_g.mailbox_id, _g.identifier, _g.rights).where(_g.account_id == account)
    found: dict[int, tuple[Grant, ...]] = {}
    for mailbox, identifier, rights in sorted(connection.execute(query), key=itemgetter(0, 1)):
        found[mailbox] = (*found.get(mailbox, ()), Grant(identifier, rights))
    return found


def accounts_that_share(connection: Connection, identifiers: Iterable[str]) -> dict[int, str]:
    """Numbers and keys of the accounts with an entry for one of the identifiers."""
    query = (
        select(tables.account.c.id, tables.account.c.key)
        .where(tables.account.c.id.in_(select(_g.account_id).where(_g.identifier.in_(list(identifiers)))))
        .order_by(tables.account.c.id)
    )
    return {row.id: row.key for row in connection.execute(query)}


def change(
    connection: Connection, account: int, mailbox: int, identifier: str, combined: Callable[[str | None], str | None]
) -> None:
    """Replace the rights of an entry by what ``combined`` makes of them; None is no entry."""
    where = (_g.account_id == account, _g.mailbox_id == mailbox, _g.identifier == identifier)
    before = connection.scalar(select(_g.rights).where(*where))
    after = combined(before)
    if after == before:
        return
    history.note(connection, account, mailbox)
    if after is None:
        connection.execute(delete(tables.acl).where(*where))
    elif before is None:
        values = {"account_id": account, "mailbox_id": mailbox, "identifier": identifier, "rights": after}
        connection.execute(insert(tables.acl).values(values))
    else:
        connection.execute(update(tables.acl).where(*where).values(rights=after))


def inherit(connection: Connection, account: int, parent: int, child: int) -> None:
    """Give a new mailbox the entries of the one above it."""
    for grant in of_mailbox(connection, account, parent):
        connection.execute(
            insert(tables.acl).values(
                account_id=account, mailbox_id=child, identifier=grant.identifier, rights=grant.rights
            )
        )
