"""What lessons taught the site, in SQL: the truth, the same on every database.

A row a feature: how many ham and spam messages held it (for tokens), and what lessons added to its weight. All
functions work within the caller's transaction. Writers take the lock of the model row first (on SQLite there is one
writer anyway), so revisions become visible in their order and a reader that knows revision n misses nothing by asking
for what is newer than n.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, case, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from spamfilter.tables import features as table
from spamfilter.tables import models

SITE = "site"

_ASKED_AT_ONCE = 8000
_READ_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class Totals:
    """Messages learnt of each kind, and the number of the last change."""

    ham: int
    spam: int
    revision: int


def totals(connection: Connection) -> Totals:
    """The model's totals; zeros before the first learning."""
    row = connection.execute(
        select(models.c.ham, models.c.spam, models.c.revision).where(models.c.name == SITE)
    ).one_or_none()
    return Totals(0, 0, 0) if row is None else Totals(row.ham, row.spam, row.revision)


def take_turn(connection: Connection) -> None:
    """Lock the model for writing until the transaction ends."""
    start = _insert(connection, models).values(name=SITE, ham=0, spam=0, revision=0)
    connection.execute(start.on_conflict_do_nothing())
    connection.execute(select(models.c.revision).where(models.c.name == SITE).with_for_update())


def add(
    connection: Connection, tokens: Iterable[int], changes: Mapping[int, int], *, ham: int = 0, spam: int = 0
) -> None:
    """Count one message's distinct tokens, and add to weights; ``ham`` and ``spam`` are 1, 0, or -1 to take a message
    back. No count falls below 0.

    The turn must be taken.
    """
    revision = _next_revision(connection, ham, spam)
    counted = set(tokens)
    _upsert(connection, {token: changes.get(token, 0) for token in counted}, ham, spam, revision)
    _upsert(connection, {number: weight for number, weight in changes.items() if number not in counted}, 0, 0, revision)


def _upsert(connection: Connection, weights: Mapping[int, int], ham: int, spam: int, revision: int) -> None:
    if not weights:
        return
    statement = _insert(connection, table)
    given = statement.excluded
    statement = statement.on_conflict_do_update(
        index_elements=[table.c.feature],
        set_={
            "ham": _not_below_zero(table.c.ham + ham),
            "spam": _not_below_zero(table.c.spam + spam),
            "weight": table.c.weight + given.weight,
            "revision": given.revision,
        },
    )
    new = {"ham": max(ham, 0), "spam": max(spam, 0), "revision": revision}
    connection.execute(statement, [{"feature": number, "weight": weights[number], **new} for number in sorted(weights)])


def _insert(connection: Connection, into: Table) -> Any:
    """INSERT of the dialect at hand: the generic one has no ON CONFLICT."""
    return postgresql.insert(into) if connection.dialect.name == "postgresql" else sqlite.insert(into)


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


def weights_of(connection: Connection, numbers: Iterable[int]) -> dict[int, int]:
    """What lessons added to the weights of these features; features that no lesson touched are left out."""
    found: dict[int, int] = {}
    wanted = sorted(numbers)
    for start in range(0, len(wanted), _ASKED_AT_ONCE):
        asked = wanted[start : start + _ASKED_AT_ONCE]
        query = select(table.c.feature, table.c.weight).where(table.c.feature.in_(asked))
        found.update({row.feature: row.weight for row in connection.execute(query)})
    return found


def changed_since(connection: Connection, revision: int) -> Iterator[list[tuple[int, int, int, int]]]:
    """(feature, ham, spam, weight) of every feature changed after ``revision``, in batches; from 0, all that lessons
    touched."""
    query = select(table.c.feature, table.c.ham, table.c.spam, table.c.weight)
    query = query.where(table.c.revision > revision) if revision else query
    for batch in connection.execution_options(yield_per=_READ_AT_ONCE).execute(query).partitions():
        yield [(row.feature, row.ham, row.spam, row.weight) for row in batch]


def size(connection: Connection) -> int:
    """Number of features that lessons touched."""
    return connection.execute(select(func.count()).select_from(table)).scalar_one()
