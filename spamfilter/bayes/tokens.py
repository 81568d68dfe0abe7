"""The token store in SQL: how many ham and spam messages held each token.

All functions work within the caller's transaction. Writers take the lock of the model row first (on SQLite there is one
writer anyway), so revisions become visible in their order and a reader that knows revision n misses nothing by asking
for what is newer than n.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, case, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from spamfilter.tables import models
from spamfilter.tables import tokens as token_table

SITE = "site"

_READ_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class Totals:
    """Messages learnt of each kind, and the number of the last change."""

    ham: int
    spam: int
    revision: int


def insert(connection: Connection, table: Table) -> Any:
    """INSERT of the dialect at hand: the generic one has no ON CONFLICT."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


def totals(connection: Connection) -> Totals:
    """The model's totals; zeros before the first learning."""
    row = connection.execute(
        select(models.c.ham, models.c.spam, models.c.revision).where(models.c.name == SITE)
    ).one_or_none()
    return Totals(0, 0, 0) if row is None else Totals(row.ham, row.spam, row.revision)


def take_turn(connection: Connection) -> None:
    """Lock the model for writing until the transaction ends."""
    start = insert(connection, models).values(name=SITE, ham=0, spam=0, revision=0)
    connection.execute(start.on_conflict_do_nothing())
    connection.execute(select(models.c.revision).where(models.c.name == SITE).with_for_update())


def add(connection: Connection, tokens: Sequence[int], *, ham: int, spam: int) -> None:
    """Count one message's distinct tokens; ``ham`` and ``spam`` are 1, 0, or -1 to take a message back. Never below 0.

    The turn must be taken.
    """
    revision = _next_revision(connection, ham, spam)
    if not tokens:
        return
    statement = insert(connection, token_table)
    given = statement.excluded
    statement = statement.on_conflict_do_update(
        index_elements=[token_table.c.token],
        set_={
            "ham": _not_below_zero(token_table.c.ham + ham),
            "spam": _not_below_zero(token_table.c.spam + spam),
            "revision": given.revision,
        },
    )
    rows = [{"token": t, "ham": max(ham, 0), "spam": max(spam, 0), "revision": revision} for t in sorted(tokens)]
    connection.execute(statement, rows)


def _next_revision(connection: Connection, ham: int, spam: int) -> int:
    connection.execute(
        update(models)
        .where(models.c.name == SITE)
        .values(
            ham=_not_below_zero(models.c.ham + ham),
            spam=_not_below_zero(models.c.spam + spam),
            revision=models.c.revision + 1,
        )
    )
    return totals(connection).revision


def _not_below_zero(value: Any) -> Any:
    return case((value < 0, 0), else_=value)


def all_counts(connection: Connection) -> Iterator[tuple[int, int, int]]:
    """(token, ham, spam) of every token, by rising token."""
    query = select(token_table.c.token, token_table.c.ham, token_table.c.spam).order_by(token_table.c.token)
    yield from _rows(connection, query)


def changed_since(connection: Connection, revision: int) -> Iterator[tuple[int, int, int]]:
    """(token, ham, spam) of every token changed after ``revision``."""
    query = select(token_table.c.token, token_table.c.ham, token_table.c.spam).where(token_table.c.revision > revision)
    yield from _rows(connection, query)


def _rows(connection: Connection, query: Any) -> Iterator[tuple[int, int, int]]:
    result = connection.execution_options(yield_per=_READ_AT_ONCE).execute(query)
    for row in result:
        yield row.token, row.ham, row.spam


def known(connection: Connection, wanted: Iterable[int]) -> dict[int, tuple[int, int]]:
    """Counts of single tokens, for looking into the model by hand."""
    query = select(token_table).where(token_table.c.token.in_(list(wanted)))
    return {row.token: (row.ham, row.spam) for row in connection.execute(query)}


def size(connection: Connection) -> int:
    """Number of tokens kept."""
    return connection.execute(select(func.count()).select_from(token_table)).scalar_one()
