"""What mailboxes were: a row before each change, so that an account can be seen as it was at a moment.

A mailbox at a moment is what the first row after that moment says, or what it is now when there is none. Flags of
messages work the same way (``flags_before``, written by the ledger); messages tell when they came (``saved_at``) and,
once gone, when they went (``removed``).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Table, delete, func, insert, select

from storage import tables
from storage.model import Grant, SpecialUse
from storage.names import HELD

_b, _g, _h = tables.mailbox.c, tables.acl.c, tables.mailbox_before.c

#: Rows taken away by one statement.
_BLOCK = 5000


@dataclass(frozen=True, slots=True)
class Past:
    """A mailbox at some moment."""

    id: int
    name: str
    special_use: SpecialUse | None
    grants: tuple[Grant, ...]


def note_made(connection: Connection, places: Iterable[tuple[int, int]]) -> None:
    """Mailboxes (account and number) are there that were not there before."""
    rows = [_row(account, mailbox, None, None, ()) for account, mailbox in places]
    connection.execute(insert(tables.mailbox_before), rows)


def note(connection: Connection, account: int, mailbox: int) -> None:
    """Keep what a mailbox is, before it is changed; nothing when it is gone."""
    row = connection.execute(
        select(_b.name, _b.special_use).where(_b.account_id == account, _b.id == mailbox)
    ).one_or_none()
    if row is not None:
        before = _row(account, mailbox, row.name, row.special_use, _grants(connection, account, mailbox))
        connection.execute(insert(tables.mailbox_before).values(**before))


def _grants(connection: Connection, account: int, mailbox: int) -> list[tuple[str, str]]:
    query = select(_g.identifier, _g.rights).where(_g.account_id == account, _g.mailbox_id == mailbox)
    return sorted((row.identifier, row.rights) for row in connection.execute(query))


def _row(
    account: int, mailbox: int, name: str | None, use: str | None, grants: Sequence[tuple[str, str]]
) -> dict[str, object]:
    row = {"account_id": account, "at": int(time.time()), "mailbox_id": mailbox, "name": name, "special_use": use}
    return {**row, "grants": json.dumps(grants)}


def mailboxes_at(connection: Connection, account: int, moment: int) -> list[Past]:
    """All mailboxes that people see which an account had at ``moment`` (seconds since the epoch), by name."""
    past: dict[int, Past | None] = {}
    for row in connection.execute(select(_b.id, _b.name, _b.special_use).where(_b.account_id == account)).all():
        past[row.id] = _past(row.id, row.name, row.special_use, _grants(connection, account, row.id))
    later = select(tables.mailbox_before).where(_h.account_id == account, _h.at > moment).order_by(_h.id.desc())
    for row in connection.execute(later):
        grants = [tuple(one) for one in json.loads(row.grants)]
        past[row.mailbox_id] = row.name and _past(row.mailbox_id, row.name, row.special_use, grants)
    shown = (one for one in past.values() if one is not None and one.name != HELD)
    return sorted(shown, key=lambda one: one.name)


def _past(number: int, name: str, use: str | None, grants: Sequence[tuple[str, str]]) -> Past:
    return Past(number, name, SpecialUse(use) if use else None, tuple(Grant(*one) for one in grants))


def flags_at(connection: Connection, account: int, moment: int) -> dict[tuple[int, int], tuple[int, str]]:
    """System flags and keywords that messages had at ``moment``, by mailbox and UID: those that were changed since."""
    f = tables.flags_before.c
    later = select(f.mailbox_id, f.uid, f.system, f.keywords).where(f.account_id == account, f.at > moment)
    return {
        (row.mailbox_id, row.uid): (row.system, row.keywords) for row in connection.execute(later.order_by(f.id.desc()))
    }


def prune(connection: Connection, before: int) -> int:
    """Forget some of what was before ``before`` (seconds since the epoch); returns how many rows."""
    return sum(_prune(connection, table, before) for table in (tables.flags_before, tables.mailbox_before))


def _prune(connection: Connection, table: Table, before: int) -> int:
    held = table.c.account_id.in_(select(tables.account.c.id).where(tables.account.c.held.is_(True)))
    first = connection.scalar(select(func.min(table.c.id)).where(~held))
    if first is None:
        return 0
    # Numbers rise with time: no index by time is needed.
    return connection.execute(delete(table).where(table.c.id < first + _BLOCK, table.c.at < before, ~held)).rowcount
