"""Makes a backup while the server runs.

First all rows as they are in one snapshot of the database, then the bodies that these rows name and the target does not
have. A body that was moved or expunged meanwhile is still in the folder of its mailbox or in its attic
(``storage.attic``), for as long as ``store.keep_history``. The manifest comes last: a backup that was cut off is none,
and its objects serve the next.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import IO, Any

from sqlalchemy import Connection, Table, select

from storage import tables
from storage.backup import form
from storage.backup.form import Manifest
from storage.backup.seal import Seal
from storage.backup.target import Target
from storage.blobs.api import BlobStore, BodyName, Place
from storage.database import Database
from storage.errors import Damaged
from storage.index import mailboxes
from storage.migrate import revision
from storage.model import SERVER
from storage.names import attic


class BackupWriter:
    """See the module."""

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        target: Target,
        seal: Seal,
        told: Callable[[int], None] = lambda count: None,
    ) -> None:
        """``told`` hears how many messages are safe so far."""
        self._database = database
        self._blobs = blobs
        self._target = target
        self._seal = seal
        self._told = told

    def create(self) -> tuple[str, Manifest]:
        """The name of the new backup and what is in it. Raises Unavailable, DiskFull."""
        with self._target.turn(), tempfile.TemporaryFile("w+") as bodies:
            made_at = int(time.time())
            manifest = Manifest(form.VERSION, made_at, revision(self._database))
            names: set[str] = set()
            with self._database.read() as connection:
                a = tables.account.c
                for account, key in connection.execute(select(a.id, a.key).order_by(a.id)).all():
                    blocks = self._account(connection, account, key, bodies)
                    manifest.accounts[key] = [self._keep(names, block) for block in blocks]
                manifest.shared = [self._keep(names, block) for block in self._shared(connection)]
            bodies.seek(0)
            for line in bodies:
                self._body(names, manifest, *json.loads(line))
            self._target.settle()
            name = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(made_at))
            while self._target.has(f"backups/{name}"):
                name += "x"
            facts = {"made_at": made_at, "messages": manifest.messages, "octets": manifest.octets}
            facts |= {"accounts": len(manifest.accounts), "missing": len(manifest.missing)}
            self._target.put(f"backups/{name}.list", "\n".join([json.dumps(facts), *sorted(names)]).encode())
            self._target.put(f"backups/{name}", self._seal.pack(manifest.octets_of()))
            self._target.settle()
            return name, manifest

    def _keep(self, names: set[str], octets: bytes) -> str:
        name = self._seal.name(hashlib.sha256(octets).digest())
        if not self._target.has(name):
            self._target.put(name, self._seal.pack(octets))
        names.add(name)
        return name

    # ---------------------------------------------------------------- rows

    def _account(self, connection: Connection, account: int, key: str, bodies: IO[str]) -> Iterator[bytes]:
        digests: dict[int, str] = {}
        for table in form.OF_ACCOUNT:
            number = table.c.id if table is tables.account else table.c.account_id
            for rows in _blocks(connection, table, number == account):
                for row in rows:
                    if table is tables.content:
                        digests[row["id"]] = row["digest"].hex()
                    elif table is tables.message:
                        digest = digests.get(row["content_id"], "")
                        facts = [account, key, row["mailbox_id"], row["uid"], row["blob"], row["size"], row["system"]]
                        bodies.write(json.dumps([*facts, digest]) + "\n")
                yield form.encode(table, rows)

    def _shared(self, connection: Connection) -> Iterator[bytes]:
        for table in form.shared_tables():
            for rows in _blocks(connection, table):
                yield form.encode(table, rows)
        for rows in _blocks(connection, tables.annotation, tables.annotation.c.account_id == SERVER):
            yield form.encode(tables.annotation, rows)

    # ---------------------------------------------------------------- bodies

    def _body(
        self,
        names: set[str],
        manifest: Manifest,
        account: int,
        key: str,
        mailbox: int,
        uid: int,
        blob: str,
        size: int,
        system: int,
        digest: str,
    ) -> None:
        name = self._seal.name(bytes.fromhex(digest))
        if name not in names and not self._target.has(name):
            try:
                octets = self._read(account, key, mailbox, BodyName(blob, size, system))
                if hashlib.sha256(octets).hexdigest() != digest:
                    raise Damaged("its octets are not those that came")
            except Damaged as error:
                manifest.missing.append(f"{key}, mailbox {mailbox}, UID {uid}: {error}")
                return
            self._target.put(name, self._seal.pack(octets))
        names.add(name)
        manifest.messages += 1
        manifest.octets += size
        self._told(manifest.messages)

    def _read(self, account: int, key: str, mailbox: int, name: BodyName) -> bytes:
        """A body where it stands now. Raises Damaged."""
        for last in (False, False, True):
            with self._database.read() as connection:
                folder = mailboxes.folders(connection, account).get(mailbox)
            for place in (*((folder[1],) if folder else ()), attic(mailbox)):
                try:
                    content = self._blobs.open(Place(key, place), name)
                except Damaged:
                    continue
                try:
                    return bytes(content.buffer())
                finally:
                    content.close()
            if not last:
                # Between a rename's commit and the rename on disk.
                time.sleep(0.2)
        raise Damaged("its body is missing")


def _blocks(connection: Connection, table: Table, *where: Any) -> Iterator[list[dict[str, Any]]]:
    """Rows of a table in the order of its key."""
    query = select(table).where(*where).order_by(*table.primary_key.columns)
    with connection.execution_options(yield_per=form.ROWS).execute(query) as result:
        for rows in result.mappings().partitions():
            yield [dict(row) for row in rows]
