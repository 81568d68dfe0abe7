"""Whose mailbox is nearly full, and who was told so."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, and_, case, literal, or_, select, update

from storage import tables

_a = tables.account.c

#: Percent of a limit from which the owner is told, again at each.
LEVELS = (80, 90, 95)

#: Percent by which use must fall below a level before that level is told again.
SLACK = 3


@dataclass(frozen=True, slots=True)
class Fullness:
    """An account's use of its limits; a limit of 0 is none. ``told`` is the highest level that its owner was told."""

    account: int
    key: str
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
        """The level to which ``told`` is to be set: above it when the owner is to be told now."""
        reached = max((level for level in LEVELS if self.percent >= level), default=0)
        held = max((level for level in LEVELS if level <= self.told and self.percent > level - SLACK), default=0)
        return max(reached, held)


def changed(connection: Connection, default_bytes: int, default_messages: int) -> list[Fullness]:
    """Accounts whose level is another than what was told; a default of 0 is no limit."""
    octets = case((_a.limit_bytes.is_(None), literal(default_bytes)), else_=_a.limit_bytes)
    count = case((_a.limit_messages.is_(None), literal(default_messages)), else_=_a.limit_messages)
    near = or_(
        and_(octets > 0, _a.used_bytes * 100 >= octets * LEVELS[0]),
        and_(count > 0, _a.used_messages * 100 >= count * LEVELS[0]),
        _a.told_level > 0,
    )
    query = select(_a.id, _a.key, _a.used_bytes, octets, _a.used_messages, count, _a.told_level).where(near)
    found = (Fullness(*row) for row in connection.execute(query.order_by(_a.id)))
    return [one for one in found if one.level != one.told]


def tell(connection: Connection, account: int, level: int) -> None:
    """Remember what the owner was told."""
    connection.execute(update(tables.account).where(_a.id == account).values(told_level=level))
