"""What works on one database works on the other."""

from __future__ import annotations

import pytest

from storage.database import Database


@pytest.fixture
def database(each_database: Database) -> Database:
    return each_database
