"""Bringing the database to the schema of this release, step by step (alembic)."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from storage.database import Database, own_errors

SCRIPTS = Path(__file__).parent / "migrations"


def _config(database: Database) -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.attributes["engine"] = database.engine
    return config


def upgrade(database: Database, to: str = "head") -> None:
    """Apply the steps that are missing, up to step ``to``; safe to call at every start, by one process at a time.

    Raises Unavailable, DiskFull.
    """
    with own_errors():
        command.upgrade(_config(database), to)


def revision(database: Database) -> str:
    """The step that the database is at; empty before the first."""
    with own_errors(), database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision() or ""


def is_known(revision: str) -> bool:
    """True when a step of that name leads to the schema of this release."""
    return revision in {step.revision for step in ScriptDirectory(str(SCRIPTS)).walk_revisions()}


def is_current(database: Database) -> bool:
    """True when the database has the schema that this release expects."""
    head = ScriptDirectory.from_config(_config(database)).get_current_head()
    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision() == head
