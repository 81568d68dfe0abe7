"""Statements whose text is made once: a command that changes one message runs ten of them, each in microseconds, and
SQLAlchemy's way to the driver takes longer than SQLite's to the row.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Delete, Insert, Select, Update
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError

_Values = Mapping[str, object]

_SQLITE = sqlite.dialect(paramstyle="named")


class Prepared:
    """A statement that SQLite's driver is given as text; on other databases it is SQLAlchemy's as ever.

    Values and columns pass as they are: of integers, texts and octets only.
    """

    def __init__(self, statement: Select[Any] | Insert | Update | Delete, columns: Sequence[str] = ()) -> None:
        """``columns`` are those that an INSERT of values gives."""
        self._statement = statement
        compiled = statement.compile(dialect=_SQLITE, column_keys=list(columns) or None)
        self._text = str(compiled)
        # What stands in the statement itself.
        self._fixed = {name: value for name, value in compiled.params.items() if value is not None}

    def run(self, connection: Connection, values: _Values) -> None:
        """Carry out a change."""
        self._execute(connection, values)

    def run_many(self, connection: Connection, values: Sequence[_Values]) -> None:
        """Carry out a change for each of some values."""
        if not values:
            return
        if len(values) == 1:
            self._execute(connection, values[0])
        elif connection.dialect.name != "sqlite":
            connection.execute(self._statement, values)
        else:
            given = [{**self._fixed, **one} for one in values] if self._fixed else values
            try:
                driver_of(connection).executemany(self._text, given)
            except sqlite3.Error as error:
                raise wrapped(error, self._text) from error

    def all(self, connection: Connection, values: _Values) -> Sequence[Any]:
        """The rows of a query, as tuples."""
        rows: Sequence[Any] = self._execute(connection, values).fetchall()
        return rows

    def first(self, connection: Connection, values: _Values) -> Any:
        """The first row of a query that has one at most, or None."""
        rows = self.all(connection, values)
        return rows[0] if rows else None

    def _execute(self, connection: Connection, values: _Values) -> Any:
        if connection.dialect.name != "sqlite":
            return connection.execute(self._statement, values)
        try:
            return driver_of(connection).execute(self._text, {**self._fixed, **values} if self._fixed else values)
        except sqlite3.Error as error:
            raise wrapped(error, self._text) from error


def driver_of(connection: Connection) -> Any:
    """The driver's own connection, within the transaction that is under way."""
    return connection.connection.driver_connection


def wrapped(error: sqlite3.Error, text: str) -> DBAPIError:
    """The error as SQLAlchemy raises it; values stay out of it."""
    own = DBAPIError.instance(text, None, error, sqlite3.Error, hide_parameters=True)
    assert isinstance(own, DBAPIError)
    return own
