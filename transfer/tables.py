"""What was brought from where, and what was erased. Times are seconds since the epoch."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text

from storage.database import metadata

# SQLite gives only INTEGER PRIMARY KEY columns a number by itself.
_Serial = BigInteger().with_variant(Integer, "sqlite")

#: A folder of a source and the mailbox that it comes into. ``generation`` is the source's UIDVALIDITY, ``uidvalidity``
#: ours: when one of them changes, all that is known of messages is void.
folder = Table(
    "import_folder",
    metadata,
    Column("id", _Serial, primary_key=True, autoincrement=True),
    Column("account_id", BigInteger, nullable=False),
    Column("source", String(400), nullable=False),
    Column("folder", Text, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("mailbox_id", Integer, nullable=False),
    Column("uidvalidity", BigInteger, nullable=False),
    # The rights of others that were given, as JSON.
    Column("grants", Text, nullable=False),
    Index("uq_import_folder", "account_id", "source", "folder", unique=True),
)

#: A message of a source, ours, and the flags that the source had when it was looked at last.
message = Table(
    "import_message",
    metadata,
    Column("folder_id", BigInteger, primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("uid", BigInteger, nullable=False),
    Column("system", Integer, nullable=False),
    Column("keywords", Text, nullable=False),
    sqlite_with_rowid=False,
)

#: Accounts that were erased. While an erasure is under way it says whose, so that one that was cut off is finished;
#: afterwards only ``record`` is left, without anything personal, chained by ``digest`` to the record before it.
erasure = Table(
    "erasure",
    metadata,
    Column("id", _Serial, primary_key=True, autoincrement=True),
    Column("account_key", String(64)),
    Column("record", Text, nullable=False),
    Column("digest", String(64), nullable=False),
)
