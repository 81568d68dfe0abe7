"""PostgreSQL under ``storage.database``: connections, snapshots, locks, and which of its errors pass by themselves.

A read sees one snapshot (REPEATABLE READ). A write is READ COMMITTED and takes row locks, the account's first, accounts
in rising order: what it then reads is the newest, and two of them wait for each other instead of failing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Engine, Table, event, func, select
from sqlalchemy.exc import DBAPIError

#: Seconds that a new connection may take.
CONNECT_TIMEOUT = 5

#: Parts of SQLSTATE codes under which the same call may succeed later: connection lost, transaction rolled back, no
#: resources, shut down, system error, read-only server (a failover is under way), lock not available.
_PASSING = ("08", "40", "53", "57", "58", "25006", "55P03")

_DISK_FULL = "53100"

#: Serialization failure and deadlock: the transaction was undone in favour of another one.
_UNDONE = ("40001", "40P01")


def prepare(engine: Engine, lock_timeout: float) -> Engine:
    """Bring each connection into the state that the store relies on; returns the engine for reading.

    ``lock_timeout`` is in seconds.
    """

    # Imported here: only sites with PostgreSQL need the driver.
    from psycopg.types.string import StrDumperUnknown

    class Text(StrDumperUnknown):
        """Text columns can't hold NUL, which mail may have anywhere: it is kept as U+FFFD."""

        def dump(self, obj: str) -> Any:
            return super().dump(obj.replace("\0", "\N{REPLACEMENT CHARACTER}") if "\0" in obj else obj)

    def connected(connection: Any, _record: object) -> None:
        connection.adapters.register_dumper(str, Text)
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, false)", (f"{lock_timeout:.0f}s",))
            # A server may be set to say yes before a commit is on disk: not to us.
            cursor.execute(
                "SELECT set_config('synchronous_commit', 'on', false)"
                " WHERE current_setting('synchronous_commit') = 'off'"
            )
        connection.commit()

    event.listen(engine, "connect", connected)
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def lock(connection: Connection, name: str) -> None:
    """Hold an advisory lock of that name until the transaction ends."""
    key = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), signed=True)
    connection.execute(select(func.pg_advisory_xact_lock(key)))


def advance_sequences(connection: Connection, tables: Iterable[Table]) -> None:
    """Let numbers that the database gives go on above those of rows that came with theirs."""
    if connection.dialect.name != "postgresql":
        return
    for table in tables:
        column = table.autoincrement_column
        if column is not None:
            sequence = func.pg_get_serial_sequence(table.name, column.name)
            highest = select(func.coalesce(func.max(column), 0) + 1).scalar_subquery()
            connection.execute(select(func.setval(sequence, highest, False)).where(sequence.is_not(None)))


def passes(error: DBAPIError) -> bool:
    """True for errors that go away by themselves."""
    return _state(error).startswith(_PASSING)


def undone(error: DBAPIError) -> bool:
    """True when the same transaction would succeed if it were run again at once."""
    return _state(error) in _UNDONE


def disk_full(error: DBAPIError) -> bool:
    """True when the server has no room left."""
    return _state(error) == _DISK_FULL


def _state(error: DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or ""
