"""Quotas that several accounts share, for instance those of a school: what all of them hold counts together.

What is used of one is the sum over its accounts' own counters, so there is nothing that could go wrong on its own.
"""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import Connection, delete, func, insert, select, update

from storage import tables
from storage.database import take_turn
from storage.errors import OverQuota
from storage.model import SharedQuota

_a, _p = tables.account.c, tables.pool.c


class Pools:
    """The shared quotas that one transaction takes from, with what it adds itself."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[str, SharedQuota | None] = {}
        self._added: defaultdict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))

    def check_room(self, account: int, name: str, octets: int, messages: int) -> None:
        """Raises OverQuota when so much more would exceed a limit.

        Transactions that ask go one after the other from here to their end: no two take the last room.
        """
        use = self._use(name)
        if use is None:
            return
        more_octets, more_messages = self._added[name]
        if use.limit_bytes and use.used_bytes + more_octets + octets > use.limit_bytes:
            raise OverQuota(account, f"the {use.limit_bytes} octets shared by the group {name} would be exceeded")
        if use.limit_messages and use.used_messages + more_messages + messages > use.limit_messages:
            raise OverQuota(account, f"the {use.limit_messages} messages shared by the group {name} would be exceeded")

    def charge(self, name: str, octets: int, messages: int) -> None:
        """Count what is added in this transaction; less than 0 is taken away."""
        before = self._added[name]
        self._added[name] = before[0] + octets, before[1] + messages

    def _use(self, name: str) -> SharedQuota | None:
        if name not in self._known:
            take_turn(self._connection, "pools")
            self._known[name] = of_name(self._connection, name)
        return self._known[name]


def of_name(connection: Connection, name: str) -> SharedQuota | None:
    """A shared quota with its use; None when there is none of that name."""
    limits = connection.execute(select(_p.limit_bytes, _p.limit_messages).where(_p.name == name)).first()
    if limits is None:
        return None
    used = select(func.coalesce(func.sum(_a.used_bytes), 0), func.coalesce(func.sum(_a.used_messages), 0))
    octets, messages = connection.execute(used.where(_a.pool == name)).one()
    return SharedQuota(int(octets), int(messages), limits.limit_bytes or None, limits.limit_messages or None, name=name)


def names(connection: Connection) -> list[str]:
    """Of all shared quotas, sorted."""
    return list(connection.scalars(select(_p.name).order_by(_p.name)))


def of_account(connection: Connection, account: int) -> SharedQuota | None:
    """The one that an account takes from."""
    name = connection.scalar(select(_a.pool).where(_a.id == account))
    return None if name is None else of_name(connection, name)


def change(connection: Connection, name: str, limit_bytes: int, limit_messages: int) -> None:
    """Make a shared quota, or give it other limits; 0 is none."""
    limits = {"limit_bytes": limit_bytes, "limit_messages": limit_messages}
    if not connection.execute(update(tables.pool).where(_p.name == name).values(**limits)).rowcount:
        connection.execute(insert(tables.pool).values(name=name, **limits))


def remove(connection: Connection, name: str) -> None:
    """Its accounts have their own quotas only from then on."""
    connection.execute(update(tables.account).where(_a.pool == name).values(pool=None))
    connection.execute(delete(tables.pool).where(_p.name == name))


def place(connection: Connection, account: int, name: str | None) -> None:
    """Let an account take from a shared quota, or from none."""
    connection.execute(update(tables.account).where(_a.id == account).values(pool=name))
