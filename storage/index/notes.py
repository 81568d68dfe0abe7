"""Annotations in SQL (RFC 5464). Who may see or change them, and what is computed, is not known here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, and_, delete, func, insert, or_, select, update

from storage import tables
from storage.model import SERVER

#: In the place of a reader: the value is everybody's.
SHARED = 0

#: Entries that went away and are remembered, for each account.
_REMEMBERED = 200

_n, _a = tables.annotation.c, tables.account.c


def sizes(connection: Connection, account: int, mailbox: int, reader: int) -> dict[str, int]:
    """Octets of the entries of a mailbox, by name: those of all, and those of one reader."""
    query = select(_n.entry, func.length(_n.value)).where(
        _n.account_id == account, _n.mailbox_id == mailbox, _n.reader_id.in_((SHARED, reader)), _n.value.is_not(None)
    )
    return {entry: int(size) for entry, size in connection.execute(query.order_by(_n.entry))}


def values(
    connection: Connection, account: int, reader: int, entries: Iterable[str], mailbox: int | None
) -> dict[int, dict[str, bytes]]:
    """Values of some entries by mailbox and name; of one mailbox, or of all of the account."""
    query = select(_n.mailbox_id, _n.entry, _n.value).where(
        _n.account_id == account,
        _n.reader_id.in_((SHARED, reader)),
        _n.entry.in_(list(entries)),
        _n.value.is_not(None),
    )
    if mailbox is not None:
        query = query.where(_n.mailbox_id == mailbox)
    found: defaultdict[int, dict[str, bytes]] = defaultdict(dict)
    for number, entry, value in connection.execute(query):
        found[number][entry] = value
    return dict(found)


def next_modseq(connection: Connection, account: int) -> int:
    """A mod-sequence above all that the account, or the server, ever had."""
    if account == SERVER:
        return (connection.scalar(select(func.max(_n.modseq)).where(_n.account_id == SERVER)) or 0) + 1
    connection.execute(update(tables.account).where(_a.id == account).values(modseq=_a.modseq + 1))
    return int(connection.execute(select(_a.modseq).where(_a.id == account)).scalar_one())


def change(
    connection: Connection, account: int, mailbox: int, reader: int, changes: Mapping[str, bytes | None], modseq: int
) -> None:
    """Set entries, or with None take them away; a row without a value remembers that."""
    where = (_n.account_id == account, _n.mailbox_id == mailbox, _n.reader_id == reader)
    there = set(connection.scalars(select(_n.entry).where(*where, _n.entry.in_(list(changes)))))
    for entry, value in changes.items():
        if entry in there:
            connection.execute(
                update(tables.annotation).where(*where, _n.entry == entry).values(value=value, modseq=modseq)
            )
        else:
            row = {"account_id": account, "mailbox_id": mailbox, "reader_id": reader, "entry": entry}
            connection.execute(insert(tables.annotation).values(**row, value=value, modseq=modseq))
    if None in changes.values():
        _forget(connection, account)


def _forget(connection: Connection, account: int) -> None:
    """Of entries that went away only the last ones are remembered."""
    gone = (_n.account_id == account, _n.value.is_(None))
    query = select(_n.modseq).where(*gone).order_by(_n.modseq.desc()).offset(_REMEMBERED).limit(1)
    oldest = connection.scalar(query)
    if oldest is not None:
        connection.execute(delete(tables.annotation).where(*gone, _n.modseq <= oldest))


def count(connection: Connection, account: int, mailbox: int, reader: int) -> int:
    """Entries of a mailbox that are everybody's, or one reader's."""
    query = select(func.count()).where(
        _n.account_id == account, _n.mailbox_id == mailbox, _n.reader_id == reader, _n.value.is_not(None)
    )
    return connection.scalar(query) or 0


def octets(connection: Connection, account: int) -> int:
    """Octets of all that is kept for an account: shared entries of its mailboxes, and its private ones anywhere."""
    mine = or_(and_(_n.account_id == account, _n.reader_id == SHARED), _n.reader_id == account)
    query = select(func.sum(func.length(_n.value) + func.length(_n.entry))).where(mine, _n.value.is_not(None))
    return int(connection.scalar(query) or 0)


def highest(connection: Connection, account: int) -> int:
    """The mod-sequence of the last change; 0 when there was none."""
    return connection.scalar(select(func.max(_n.modseq)).where(_n.account_id == account)) or 0


def changed(connection: Connection, account: int, reader: int, since: int) -> list[tuple[int, int, str]]:
    """Mod-sequence, mailbox and name of what changed after a mod-sequence, in order, as one reader may know of it."""
    query = (
        select(_n.modseq, _n.mailbox_id, _n.entry)
        .where(_n.account_id == account, _n.modseq > since, _n.reader_id.in_((SHARED, reader)))
        .order_by(_n.modseq, _n.mailbox_id, _n.entry)
    )
    return [(row.modseq, row.mailbox_id, row.entry) for row in connection.execute(query)]


def copy(connection: Connection, account: int, source: int, target: int) -> None:
    """Give a new mailbox all entries of another of the account."""
    modseq = next_modseq(connection, account)
    columns = [_n.account_id, _n.reader_id, _n.entry, _n.value]
    rows = select(*columns).where(_n.account_id == account, _n.mailbox_id == source, _n.value.is_not(None))
    for row in connection.execute(rows).mappings().all():
        connection.execute(insert(tables.annotation).values(**row, mailbox_id=target, modseq=modseq))
