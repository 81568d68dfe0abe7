"""Fixtures that several rooms' tests share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
import structlog

import delivery.queue.tables
import directory.tables
import spamfilter.tables
import storage.tables
from config.settings import Store as StoreSettings
from storage.blobs.maildir import Maildir
from storage.database import Database, metadata
from storage.doorbell import Doorbell
from storage.store import Store

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


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An embedded database with all tables."""
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
