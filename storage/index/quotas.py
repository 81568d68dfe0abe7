"""What is nearly full, the mailboxes of one account or of those that share a quota, and who was told so."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from sqlalchemy import Connection, and_, case, func, literal, or_, select, update

from storage import tables

_a, _p = tables.account.c, tables.pool.c

#: Percent of a limit from which the owner is told, again at each.
LEVELS = (80, 90, 95)

#: Percent by which use must fall below a level before that level is told again.
SLACK = 3


@dataclass(frozen=True, slots=True)
class Fullness:
    """Use of limits; a limit of 0 is none. ``told`` is the highest level that the owners were told.

    ``owners`` are keys and numbers of the accounts whose use it is; ``group`` is the name of what they share, None for
    the quota of one.
    """

    owners: dict[str, int]
    group: str | None
    used_bytes: int
    limit_bytes: int
    used_messages: int
    limit_messages: int
    told: int

    @property
    def percent(self) -> int:
        """Of the limit that is nearer, rounded down."""
        pairs = ((self.used_bytes, self.limit_bytes), (self.used_messages, self.limit_messages))
        return max((100 * used // limit for used, limit in pairs if limit), default=0)

    @property
    def level(self) -> int:
        """The level to which ``told`` is to be set: above it when the owners are to be told now."""
        reached = max((level for level in LEVELS if self.percent >= level), default=0)
        held = max((level for level in LEVELS if level <= self.told and self.percent > level - SLACK), default=0)
        return max(reached, held)


def changed(connection: Connection, default_bytes: int, default_messages: int) -> list[Fullness]:
    """Accounts and shared quotas whose level is another than what was told; a default of 0 is no limit."""
    found = _accounts(connection, default_bytes, default_messages) + _shared(connection)
    return [one for one in found if one.level != one.told]


def _accounts(connection: Connection, default_bytes: int, default_messages: int) -> list[Fullness]:
    octets = case((_a.limit_bytes.is_(None), literal(default_bytes)), else_=_a.limit_bytes)
    count = case((_a.limit_messages.is_(None), literal(default_messages)), else_=_a.limit_messages)
    near = or_(
        and_(octets > 0, _a.used_bytes * 100 >= octets * LEVELS[0]),
        and_(count > 0, _a.used_messages * 100 >= count * LEVELS[0]),
        _a.told_level > 0,
    )
    query = select(_a.id, _a.key, _a.used_bytes, octets, _a.used_messages, count, _a.told_level).where(near)
    rows = connection.execute(query.order_by(_a.id))
    return [Fullness({key: number}, None, *use) for number, key, *use in rows]


def _shared(connection: Connection) -> list[Fullness]:
    use = (
        select(_a.pool, func.sum(_a.used_bytes).label("octets"), func.sum(_a.used_messages).label("count"))
        .where(_a.pool.is_not(None))
        .group_by(_a.pool)
        .subquery()
    )
    near = or_(
        and_(_p.limit_bytes > 0, use.c.octets * 100 >= _p.limit_bytes * LEVELS[0]),
        and_(_p.limit_messages > 0, use.c.count * 100 >= _p.limit_messages * LEVELS[0]),
        _p.told_level > 0,
    )
    query = select(_p.name, use.c.octets, _p.limit_bytes, use.c.count, _p.limit_messages, _p.told_level)
    rows = connection.execute(query.join(use, use.c.pool == _p.name).where(near).order_by(_p.name)).all()
    owners: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for name, key, number in connection.execute(
        select(_a.pool, _a.key, _a.id).where(_a.pool.in_([row.name for row in rows])).order_by(_a.key)
    ):
        owners[name][key] = number
    return [Fullness(owners[name], name, *(int(value) for value in use)) for name, *use in rows]


def tell(connection: Connection, one: Fullness) -> None:
    """Remember that the owners were told."""
    if one.group is not None:
        connection.execute(update(tables.pool).where(_p.name == one.group).values(told_level=one.level))
        return
    numbers = list(one.owners.values())
    connection.execute(update(tables.account).where(_a.id.in_(numbers)).values(told_level=one.level))
