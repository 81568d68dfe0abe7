"""The steps lead to the schema that the code declares."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import column, insert, select, table, text

from config.settings import Store as Settings
from message.content import MemoryContent
from storage import tables
from storage.blobs.maildir import Maildir
from storage.database import Database, metadata
from storage.doorbell import Doorbell
from storage.migrate import is_current, upgrade
from storage.model import FlagChange, NewMessage, System
from storage.store import Store

ROOT = Path(__file__).parents[3]


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database without tables, of each kind."""
    if request.param == "postgresql":
        database = Database(request.getfixturevalue("postgres").database(empty=True))
    else:
        database = Database(f"sqlite:///{tmp_path}/index.db")
    yield database
    database.close()


def test_the_steps_lead_to_the_declared_schema(empty: Database) -> None:
    database = empty
    assert not is_current(database)
    upgrade(database)
    assert is_current(database)
    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


UPGRADE = """
import sys
from mailserver import wiring  # all rooms' tables
from storage.database import Database
from storage.migrate import upgrade
upgrade(Database(sys.argv[1]))
"""


def test_several_processes_may_start_at_the_same_time(empty: Database) -> None:
    url = empty.engine.url.render_as_string()
    starts = [subprocess.Popen([sys.executable, "-c", UPGRADE, url], cwd=ROOT) for _ in range(3)]
    assert [process.wait(60) for process in starts] == [0, 0, 0]
    assert is_current(empty)


def test_what_autogenerate_does_not_compare_is_the_same_too(tmp_path: Path) -> None:
    """Rowid, autoincrement and partial details stand only in SQLite's own text of a table."""
    ours, declared = Database(f"sqlite:///{tmp_path}/a.db"), Database(f"sqlite:///{tmp_path}/b.db")
    upgrade(ours)
    metadata.create_all(declared.engine)

    def tables(database: Database) -> dict[str, tuple[bool, bool]]:
        query = text("SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        with database.read() as connection:
            return {
                row.name: ("WITHOUT ROWID" in row.sql, "AUTOINCREMENT" in row.sql)
                for row in connection.execute(query)
                if row.name != "alembic_version"
            }

    assert tables(ours) == tables(declared)
    ours.close()
    declared.close()


def test_mail_of_the_first_release_stays(empty: Database) -> None:
    database = empty
    upgrade(database, "0001")
    box = {"account_id": 1, "id": 1, "name": "INBOX", "uidvalidity": 7, "uidnext": 2, "modseq": 2, "messages": 1}
    box |= {"unseen": 1, "deleted": 0, "size": 3, "first_recent": 1, "folder": ""}
    content: dict[str, object] = {"account_id": 1, "id": 1, "has_attachment": False, "digest": b"d"}
    content |= dict.fromkeys(("envelope", "bodystructure", "fields", "parts"), b"x")
    content |= dict.fromkeys(("subject", "base_subject", "from_", "to", "cc", "bcc", "message_id", "references"), "é")
    with database.write() as connection:
        for name, row in (("mailbox", box), ("content", content)):
            connection.execute(insert(table(name, *map(column, row))), row)
    upgrade(database)
    assert is_current(database)
    with database.read() as connection:
        found = connection.execute(select(tables.mailbox)).one()
        assert (found.name, found.uidnext, found.forgotten) == ("INBOX", 2, 0)
        assert connection.execute(select(tables.content)).one().preview is None


def test_upgrading_twice_changes_nothing(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/index.db")
    upgrade(database)
    upgrade(database)
    assert is_current(database)
    database.close()


def test_a_store_of_the_first_schema_with_mail_in_it(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/index.db")
    upgrade(database, "0001")
    assert not is_current(database)
    with database.write() as connection:
        connection.execute(text("INSERT INTO store_account VALUES (1, 'marie', 9, 2, 1, 7, 0, 0, NULL, NULL)"))
        connection.execute(
            text("INSERT INTO mailbox VALUES (1, 1, 'INBOX', 7, 3, 9, 0, 0, 0, 0, 1, NULL, '', NULL)"),
        )
        connection.execute(text("INSERT INTO removed VALUES (1, 1, 1, 1, 'gone', 3, 0, 1780000000)"))
    upgrade(database)
    assert is_current(database)
    with database.read() as connection:
        assert connection.execute(select(tables.removed.c.uid, tables.removed.c.shelved)).one() == (None, False)
    store = Store(database, Maildir(tmp_path / "mail"), Settings(), Doorbell(tmp_path / "bells"))
    box = store.mailbox(1, "INBOX")
    assert (box.uidvalidity, box.uidnext, box.has_acl) == (7, 3, False)
    assert store.append(1, box.id, [NewMessage(MemoryContent(b"Subject: a\r\n\r\nb\r\n"))]) == [3]
    store.store_flags(1, box.id, [3], FlagChange.ADD, int(System.SEEN), ())
    assert store.rename_bodies() == 1
    assert [path.name[-3:] for path in (tmp_path / "mail").rglob("cur/*")] == ["2,S"]
    store.annotations.change(1, box.id, 1, {"/private/comment": b"x"})
    assert store.annotations.sizes(1, box.id, 1) == {"/private/comment": 1}
    assert store.sweep(2**40) == 1
    store.close()
    database.close()
