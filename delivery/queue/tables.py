"""Tables of the outgoing queue: a message, its items (one a destination domain), their recipients.

An item is due when ``due_at`` is past. A lease moves ``due_at`` to the lease's end and names the ``owner``: an item
whose runner died becomes due again by itself. Times are seconds since the epoch.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Double, ForeignKey, Index, Integer, String, Table, Text

from storage.database import metadata

# SQLite gives only INTEGER PRIMARY KEY columns a number by itself.
_Serial = BigInteger().with_variant(Integer, "sqlite")

message = Table(
    "queue_message",
    metadata,
    Column("id", _Serial, primary_key=True, autoincrement=True),
    Column("message_id", String(255), nullable=False),
    Column("sender", Text, nullable=False),
    # Name of the body file that all items of the message share.
    Column("body", String(64), nullable=False, unique=True),
    Column("size", BigInteger, nullable=False),
    Column("queued_at", Double, nullable=False),
    Column("smtputf8", Boolean, nullable=False),
    Column("eight_bit", Boolean, nullable=False),
    Column("ret", String(8)),
    Column("envid", Text),
    sqlite_autoincrement=True,
)

item = Table(
    "queue_item",
    metadata,
    Column("id", _Serial, primary_key=True, autoincrement=True),
    Column("message", BigInteger, ForeignKey(message.c.id), nullable=False, index=True),
    Column("destination", Text, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("held", Boolean, nullable=False),
    Column("owner", String(255), index=True),
    Column("attempts", Integer, nullable=False),
    Column("delay_told", Boolean, nullable=False),
    # Covers the search for due items, which walks past those of busy destinations.
    Index("ix_queue_item_due", "held", "due_at", "destination"),
    # Numbers are never used again: the outcome of a lease that was lost must not meet another item.
    sqlite_autoincrement=True,
)

recipient = Table(
    "queue_recipient",
    metadata,
    Column("item", BigInteger, ForeignKey(item.c.id), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("address", Text, nullable=False),
    Column("original", Text),
    Column("notify", String(64), nullable=False),
    Column("state", String(8), nullable=False),
    Column("code", Integer),
    Column("status", String(16)),
    Column("text", Text, nullable=False),
    Column("remote", Text, nullable=False),
)
