"""What a database is told to do, as its driver sees it."""

from __future__ import annotations

from sqlalchemy import event

from storage.database import Database

_TRANSACTION = ("BEGIN", "COMMIT", "ROLLBACK")


def statements_of(database: Database) -> list[str]:
    """Statements that are executed from now on, those that begin and end transactions left out."""
    executed: list[str] = []

    def hear(text: str) -> None:
        if not text.startswith(_TRANSACTION):
            executed.append(text)

    if database.is_sqlite:
        database.close()
        event.listen(database.engine, "connect", lambda driver, _: driver.set_trace_callback(hear))
    else:
        event.listen(database.engine, "before_cursor_execute", lambda _, __, text, *rest: hear(text))
    return executed
