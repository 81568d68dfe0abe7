"""A store of every schema there ever was comes up to date with its mail; the release before reads on meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Boolean, Integer, LargeBinary, MetaData, Numeric, Table, func, inspect, select

from config.settings import Store as Settings
from message.content import MemoryContent
from storage.blobs.maildir import Maildir
from storage.database import Database, metadata
from storage.doorbell import Doorbell
from storage.migrate import SCRIPTS, is_current, upgrade
from storage.model import FlagChange, NewMessage, System
from storage.store import Store

REVISIONS = sorted(step.revision for step in ScriptDirectory(str(SCRIPTS)).walk_revisions())

#: What a step took away: nothing that is kept for people, or nothing that the release before would miss.
TAKEN_AWAY = {
    # The learners keep other features since; what was learnt was learnt anew.
    ("0006", "spam_tokens"),
}


@pytest.fixture(params=["sqlite", "postgresql"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database without tables, of each kind."""
    if request.param == "postgresql":
        database = Database(request.getfixturevalue("postgres").database(empty=True))
    else:
        database = Database(f"sqlite:///{tmp_path}/old.db")
    yield database
    database.close()


@pytest.fixture
def bells(tmp_path: Path) -> Iterator[Doorbell]:
    doorbell = Doorbell(tmp_path / "bells")
    yield doorbell
    doorbell.close()


@pytest.fixture
def furnished(tmp_path: Path, bells: Doorbell) -> Iterator[Database]:
    """A store of today with mail of all kinds in it; the bodies are in ``mail``."""
    database = Database(f"sqlite:///{tmp_path}/index.db")
    metadata.create_all(database.engine)
    store = Store(database, Maildir(tmp_path / "mail"), Settings(), bells)
    account = store.open_account("marie")
    inbox, classe = store.mailbox(account, "INBOX").id, store.create(account, "Élèves/6e B").id
    letters = [NewMessage(MemoryContent(b"Subject: n%d\r\n\r\nbody %d\r\n" % (n, n))) for n in range(4)]
    assert store.append(account, inbox, letters) == [1, 2, 3, 4]
    store.store_flags(account, inbox, [1, 2], FlagChange.ADD, int(System.SEEN | System.DELETED), ("vu",))
    store.copy(account, inbox, [1, 3], classe)
    store.expunge(account, inbox, [2])
    store.rename_bodies()
    yield database
    store.close()
    database.close()


def stand_in(column: Any) -> object:
    """A value for what is not in the schema of today."""
    match column.type:
        case Boolean():
            return False
        case Integer() | Numeric():
            return 0
        case LargeBinary():
            return b""
    return ""


def fill(old: Database, today: Database) -> None:
    """The rows of a store of today, as far as the old schema has a place for them."""
    reflected = MetaData()
    reflected.reflect(old.engine)
    with today.read() as source, old.write() as target:
        for table in reflected.sorted_tables:
            declared: Table | None = metadata.tables.get(table.name)
            if declared is None:
                continue
            for row in source.execute(select(declared)).mappings():
                missing = {
                    column.name: stand_in(column)
                    for column in table.columns
                    if column.name not in row and not column.nullable and column.server_default is None
                }
                target.execute(table.insert(), {name: row[name] for name in row if name in table.c} | missing)
            if not old.is_sqlite and table.autoincrement_column is not None:
                # Its numbers were given here, and the sequence knows nothing of that.
                sequence = func.pg_get_serial_sequence(table.name, table.autoincrement_column.name)
                target.execute(select(func.setval(sequence, 1000)).where(sequence.is_not(None)))


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_store_of_every_schema_comes_up_to_date_with_its_mail(
    old: Database, furnished: Database, tmp_path: Path, bells: Doorbell, revision: str
) -> None:
    upgrade(old, revision)
    fill(old, furnished)
    upgrade(old)
    assert is_current(old)
    store = Store(old, Maildir(tmp_path / "mail"), Settings(), bells)
    account = store.open_account("marie")
    boxes = {box.name: box for box in store.mailboxes(account)}
    inbox, classe = boxes["INBOX"], boxes["Élèves/6e B"]
    assert (inbox.messages, inbox.uidnext, inbox.unseen, classe.messages) == (3, 5, 2, 2)
    view = store.view(account, inbox.id)
    assert [(row.uid, row.system, row.keywords) for row in view.rows] == [(1, 9, ("vu",)), (3, 0, ()), (4, 0, ())]
    for box in (inbox, classe):
        for row in store.view(account, box.id).rows:
            content = store.body(account, box.id, row)
            assert bytes(content.buffer()).startswith(b"Subject: n")
            content.close()
    # And it works on: what comes, changes and goes.
    assert store.append(account, inbox.id, [NewMessage(MemoryContent(b"Subject: new\r\n\r\n"))]) == [5]
    store.store_flags(account, inbox.id, [3], FlagChange.ADD, int(System.DELETED), ())
    assert store.expunge(account, inbox.id) == [1, 3]
    with old.read() as connection:
        assert connection.scalar(select(func.count()).select_from(metadata.tables["content"])) == 5
    store.close()


def test_the_release_before_can_still_read(tmp_path: Path) -> None:
    """A step only adds, and what it adds to a table of before has a default: old code reads and writes on."""
    database = Database(f"sqlite:///{tmp_path}/index.db")
    before: dict[str, set[str]] = {}
    for revision in REVISIONS:
        upgrade(database, revision)
        found = inspect(database.engine)
        now = {name: found.get_columns(name) for name in found.get_table_names()}
        gone = {(revision, name) for name in before.keys() - now.keys()}
        gone |= {
            (revision, f"{name}.{column}")
            for name in before.keys() & now.keys()
            for column in before[name] - {one["name"] for one in now[name]}
        }
        assert gone <= TAKEN_AWAY
        for name in before.keys() & now.keys():
            for one in now[name]:
                filled = one["nullable"] or one["default"] is not None
                assert one["name"] in before[name] or filled, f"{revision}: {name}.{one['name']} needs a default"
        before = {name: {one["name"] for one in columns} for name, columns in now.items()}
    database.close()
