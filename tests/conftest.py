"""Fixtures that several rooms' tests share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import structlog
from xdist.scheduler import LoadScopeScheduling

import delivery.queue.tables
import delivery.reports.tables
import directory.tables
import spamfilter.tables
import storage.tables
import transfer.tables
from config.settings import Store as StoreSettings
from storage.blobs.maildir import Maildir
from storage.database import Database, metadata
from storage.doorbell import Doorbell
from storage.store import Store
from tests.fakes.postgres import PostgresServer

# What lands is judged by examples that are the same each time; everywhere else they are new ones.
hypothesis.settings.register_profile("here", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "here")

# The default logger draws tracebacks with all local values: pretty, and slow enough to upset tests of time limits.
structlog.configure(
    processors=[structlog.processors.KeyValueRenderer(key_order=["event"])],
    logger_factory=structlog.ReturnLoggerFactory(),
    cache_logger_on_first_use=False,
)


class ByStack(LoadScopeScheduling):  # type: ignore[misc]
    """Spreads tests one by one over the workers, but those of a file in tests/whole together: they share a stack.

    (The groups of pytest-xdist 3.8 have no effect under pytest 9.1 and later.)
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return file if file.startswith("tests/whole/") else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByStack:
    return ByStack(config, log)


@pytest.fixture(scope="session")
def need() -> Callable[[str, str], str]:
    """Path of a program of a Debian package; skips with the package's name where it is missing (fails under CI)."""

    def find(program: str, package: str) -> str:
        path = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if path is None:
            if os.environ.get("CI"):
                pytest.fail(f"{program} is missing: install the Debian package {package}")
            pytest.skip(f"needs the Debian package {package}")
        return path

    return find


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server for this run's tests."""
    server = PostgresServer()
    yield server
    server.close()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An embedded database with all tables."""
    database = Database(f"sqlite:///{tmp_path}/index.db")
    metadata.create_all(database.engine)
    yield database
    database.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def each_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database with all tables, of each kind."""
    if request.param == "postgresql":
        with request.getfixturevalue("postgres").lent() as url:
            database = Database(url)
            yield database
            database.close()
    else:
        database = Database(f"sqlite:///{tmp_path}/index.db")
        metadata.create_all(database.engine)
        yield database
        database.close()


@pytest.fixture
def store(tmp_path: Path, database: Database) -> Iterator[Store]:
    """A store on SQLite and Maildir."""
    doorbell = Doorbell(tmp_path / "bells")
    store = Store(database, Maildir(tmp_path / "mail"), StoreSettings(), doorbell)
    yield store
    store.close()
    doorbell.close()
