"""Statements that go to the driver as text do what SQLAlchemy's do, and fail as they do."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from storage import tables
from storage.database import Database
from storage.errors import Unavailable
from storage.prepared import Prepared

_s = tables.subscription.c
ADD = Prepared(insert(tables.subscription), ("account_id", "name"))
ALL = Prepared(select(_s.account_id, _s.name).where(_s.account_id > 1, _s.name != bindparam("name")).order_by(_s.name))
RENAME = Prepared(update(tables.subscription).where(_s.name == bindparam("_name")).values(name=bindparam("name")))


def rows(*names: str) -> list[dict[str, object]]:
    return [{"account_id": 2, "name": name} for name in names]


def test_changes_and_queries_of_one_and_of_many(database: Database) -> None:
    with database.write() as connection:
        ADD.run_many(connection, [])
        ADD.run_many(connection, rows("a"))
        ADD.run_many(connection, rows("b", "c"))
        ADD.run(connection, {"account_id": 1, "name": "d"})
        RENAME.run_many(connection, [{"_name": "b", "name": "e"}, {"_name": "nobody", "name": "f"}])
    with database.read() as connection:
        assert [tuple(row) for row in ALL.all(connection, {"name": "c"})] == [(2, "a"), (2, "e")]
        assert tuple(ALL.first(connection, {"name": "a"})) == (2, "c")
        assert Prepared(select(_s.name).where(_s.name == "b")).first(connection, {}) is None


@pytest.mark.parametrize("names", [["secret"], ["other", "secret"]])
def test_what_the_database_refuses_is_raised_as_ever(database: Database, names: list[str]) -> None:
    with database.write() as connection:
        ADD.run(connection, rows("secret")[0])
    with pytest.raises(IntegrityError) as refused, database.write() as connection:
        ADD.run_many(connection, rows(*names))
    assert not database.is_sqlite or "secret" not in str(refused.value)
    with database.read() as connection:
        assert [tuple(row) for row in ALL.all(connection, {"name": ""})] == [(2, "secret")]


def test_a_database_that_is_away_is_told_in_our_words(tmp_path: Path) -> None:
    empty = Database(f"sqlite:///{tmp_path}/other.db")
    with pytest.raises(Unavailable, match="no such table"), empty.write() as connection:
        ADD.run_many(connection, rows("a", "b"))
    empty.close()
