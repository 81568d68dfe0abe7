"""Alembic environment: runs the steps in one transaction on the engine that ``storage.migrate`` hands over."""

from __future__ import annotations

from alembic import context

from storage.database import take_turn

engine = context.config.attributes["engine"]

with engine.connect().execution_options(immediate=True) as connection:
    context.configure(connection=connection, render_as_batch=True, transactional_ddl=True)
    with context.begin_transaction():
        # Several machines may start on one server at the same time.
        take_turn(connection, "migrations")
        context.run_migrations()
