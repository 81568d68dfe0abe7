"""The event log: what people did that tells what they think of a message, in order, for readers that keep a cursor.

Moves and copies into Junk and out of it are in it, and reports. Others say nothing, and a command may name a million.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select, update

from storage import tables
from storage.model import SpecialUse

#: The kind of an event that is no move: somebody set ``storage.model.PHISHING``.
REPORTED = "reported"


@dataclass(frozen=True, slots=True)
class Event:
    """A message was ``moved`` or ``copied`` into ``mailbox`` as ``uid``; uses of both mailboxes at that time, of which
    one is Junk.

    Or it was ``REPORTED`` where it stands.
    """

    id: int
    account: int
    account_key: str
    at: int
    kind: str
    source_use: SpecialUse | None
    target_use: SpecialUse | None
    mailbox: int
    uid: int
    content: int
    blob: str


def after(connection: Connection, cursor: int, limit: int) -> list[Event]:
    """At most ``limit`` events with a number above ``cursor``, in order."""
    e = tables.event.c
    query = (
        select(tables.event, tables.account.c.key)
        .join(tables.account, tables.account.c.id == e.account_id)
        .where(e.id > cursor)
        .order_by(e.id)
        .limit(limit)
    )
    return [
        Event(
            id=row.id,
            account=row.account_id,
            account_key=row.key,
            at=row.at,
            kind=row.kind,
            source_use=SpecialUse(row.source_use) if row.source_use else None,
            target_use=SpecialUse(row.target_use) if row.target_use else None,
            mailbox=row.mailbox_id,
            uid=row.uid,
            content=row.content_id,
            blob=row.blob,
        )
        for row in connection.execute(query)
    ]


def cursor_of(connection: Connection, reader: str) -> int:
    """How far a reader has come; 0 at first."""
    query = select(tables.event_cursor.c.event_id).where(tables.event_cursor.c.reader == reader)
    return connection.scalar(query) or 0


def save_cursor(connection: Connection, reader: str, event: int) -> None:
    """A reader has dealt with all events up to ``event``."""
    c = tables.event_cursor.c
    changed = connection.execute(update(tables.event_cursor).where(c.reader == reader).values(event_id=event))
    if not changed.rowcount:
        connection.execute(insert(tables.event_cursor).values(reader=reader, event_id=event))


def prune(connection: Connection, before: int) -> int:
    """Delete events that are older than ``before`` (seconds since the epoch); returns how many."""
    return connection.execute(delete(tables.event).where(tables.event.c.at < before)).rowcount
