"""What an account brought from a source already. A message and the note of it are one transaction."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, delete, insert, select, update

from storage.database import Database
from storage.index.ledger import join_keywords
from storage.index.messages import split_keywords
from transfer import tables
from transfer.source import SourceMessage

_f, _m = tables.folder.c, tables.message.c

#: Rows of one statement.
_BLOCK = 500


@dataclass(slots=True)
class FolderState:
    """A folder that came here before. ``number`` is the state's own."""

    number: int
    generation: int
    mailbox: int
    uidvalidity: int
    grants: dict[str, str]


class Known(NamedTuple):
    """Our UID of a message, and the flags that the source had when it was looked at last."""

    uid: int
    system: int
    keywords: tuple[str, ...]


class ImportState:
    """The notes of one account about one source."""

    def __init__(self, database: Database, account: int, source: str) -> None:
        self._database = database
        self._account = account
        self._source = source

    def folders(self) -> dict[str, FolderState]:
        """All folders that came, by the source's name of them."""
        query = select(tables.folder).where(_f.account_id == self._account, _f.source == self._source)
        with self._database.read() as connection:
            return {
                row.folder: FolderState(row.id, row.generation, row.mailbox_id, row.uidvalidity, json.loads(row.grants))
                for row in connection.execute(query)
            }

    def begin(self, folder: str, generation: int, mailbox: int, uidvalidity: int) -> FolderState:
        """Note where a folder comes to. What was known of it under other numbers is forgotten."""
        values = {"generation": generation, "mailbox_id": mailbox, "uidvalidity": uidvalidity}
        where = _f.account_id == self._account, _f.source == self._source, _f.folder == folder
        with self._database.write() as connection:
            row = connection.execute(select(tables.folder).where(*where)).first()
            if row is None:
                named = {"account_id": self._account, "source": self._source, "folder": folder, "grants": "{}"}
                done = connection.execute(insert(tables.folder).values(**named, **values))
                assert done.inserted_primary_key is not None
                return FolderState(int(done.inserted_primary_key[0]), generation, mailbox, uidvalidity, {})
            if (row.generation, row.mailbox_id, row.uidvalidity) != (generation, mailbox, uidvalidity):
                connection.execute(delete(tables.message).where(_m.folder_id == row.id))
                connection.execute(update(tables.folder).where(*where).values(values))
            return FolderState(row.id, generation, mailbox, uidvalidity, json.loads(row.grants))

    def known(self, folder: FolderState) -> dict[str, Known]:
        """All messages of a folder that came, by key."""
        query = select(_m.key, _m.uid, _m.system, _m.keywords).where(_m.folder_id == folder.number)
        with self._database.read() as connection:
            return {
                key: Known(uid, system, split_keywords(keywords))
                for key, uid, system, keywords in connection.execute(query)
            }

    def note(self, connection: Connection, folder: FolderState, pairs: Iterable[tuple[SourceMessage, Known]]) -> None:
        """Note messages that came, within the transaction in which they do."""
        rows = [
            {
                "folder_id": folder.number,
                "key": one.key,
                "uid": known.uid,
                "system": known.system,
                "keywords": join_keywords(known.keywords),
            }
            for one, known in pairs
        ]
        if rows:
            connection.execute(insert(tables.message), rows)

    def claim(self, folder: FolderState, pairs: Iterable[tuple[SourceMessage, Known]]) -> None:
        """Note messages that were here already."""
        with self._database.write() as connection:
            self.note(connection, folder, pairs)

    def note_flags(self, folder: FolderState, messages: Iterable[SourceMessage]) -> None:
        """Note flags that were taken over."""
        with self._database.write() as connection:
            for one in messages:
                where = _m.folder_id == folder.number, _m.key == one.key
                values = {"system": one.system, "keywords": join_keywords(one.keywords)}
                connection.execute(update(tables.message).where(*where).values(values))

    def forget(self, folder: FolderState, keys: Iterable[str]) -> None:
        """Forget messages that are gone there and here."""
        wanted = list(keys)
        with self._database.write() as connection:
            for start in range(0, len(wanted), _BLOCK):
                some = wanted[start : start + _BLOCK]
                connection.execute(delete(tables.message).where(_m.folder_id == folder.number, _m.key.in_(some)))

    def note_grants(self, folder: FolderState, grants: Mapping[str, str]) -> None:
        """Note rights that were given."""
        with self._database.write() as connection:
            values = {"grants": json.dumps(dict(grants))}
            connection.execute(update(tables.folder).where(_f.id == folder.number).values(values))
