"""What lessons added to the weights, in SQL: the truth, the same on every database.

All functions work within the caller's transaction; those that write need the model's turn (``bayes.tokens.take_turn``).
Rows carry the revision of the site's model, which both learners share.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from sqlalchemy import Connection, select

from spamfilter.bayes.tokens import insert, totals
from spamfilter.tables import weights as table

_ASKED_AT_ONCE = 8000
_READ_AT_ONCE = 10_000


def learnt(connection: Connection, features: Iterable[int]) -> dict[int, int]:
    """What lessons added to these features; features that no lesson touched are left out."""
    found: dict[int, int] = {}
    wanted = sorted(features)
    for start in range(0, len(wanted), _ASKED_AT_ONCE):
        asked = wanted[start : start + _ASKED_AT_ONCE]
        query = select(table.c.feature, table.c.weight).where(table.c.feature.in_(asked))
        found.update({row.feature: row.weight for row in connection.execute(query)})
    return found


def add(connection: Connection, changes: Mapping[int, int]) -> None:
    """Add to the weights, under the revision that the model has now."""
    if not changes:
        return
    revision = totals(connection).revision
    statement = insert(connection, table)
    given = statement.excluded
    statement = statement.on_conflict_do_update(
        index_elements=[table.c.feature],
        set_={"weight": table.c.weight + given.weight, "revision": given.revision},
    )
    rows = [{"feature": f, "weight": changes[f], "revision": revision} for f in sorted(changes)]
    connection.execute(statement, rows)


def changed_since(connection: Connection, revision: int) -> Iterator[tuple[int, int]]:
    """(feature, weight) of every feature changed after ``revision``; from 0, all that lessons touched."""
    query = select(table.c.feature, table.c.weight).where(table.c.revision > revision)
    for row in connection.execution_options(yield_per=_READ_AT_ONCE).execute(query):
        yield row.feature, row.weight
