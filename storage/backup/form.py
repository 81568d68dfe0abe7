"""What a backup is made of.

``objects/`` holds bodies and blocks of table rows, each under a name made of its SHA-256: what did not change is there
already. A block names its table and columns, so that later releases can read it: a step of the schema only adds, and
what it adds may be left out. ``backups/NAME`` is the manifest, written last; ``backups/NAME.list`` tells in the clear
how much there is and which objects belong to it, for those who list and prune without a key.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import LargeBinary, Table

from storage import tables
from storage.backup.seal import Seal
from storage.backup.target import Target
from storage.database import metadata
from storage.errors import Damaged

#: Tables of one account, in the order in which they are written.
OF_ACCOUNT: tuple[Table, ...] = (
    tables.account,
    tables.mailbox,
    tables.acl,
    tables.annotation,
    tables.subscription,
    tables.content,
    tables.message,
)
#: Not in a backup: what went away, what was learnt from events, and mail on its way out, which would go out twice.
_LEFT_OUT = {"expunged", "removed", "names_due", "flags_before", "mailbox_before", "event", "event_cursor", "recalled"}

#: The form of blocks and manifests.
VERSION = 2

#: Rows of one block.
ROWS = 1000


def shared_tables() -> list[Table]:
    """Tables of the site as a whole, of whatever rooms are loaded."""
    return [
        table
        for table in metadata.sorted_tables
        if table not in OF_ACCOUNT and table.name not in _LEFT_OUT and not table.name.startswith("queue_")
    ]


@dataclass(slots=True)
class Manifest:
    """One backup: names of the blocks of each account by key, and of what is shared."""

    version: int
    made_at: int
    revision: str
    accounts: dict[str, list[str]] = field(default_factory=dict)
    shared: list[str] = field(default_factory=list)
    messages: int = 0
    octets: int = 0
    #: Bodies that could not be read, in words.
    missing: list[str] = field(default_factory=list)

    def octets_of(self) -> bytes:
        """As it is kept."""
        return json.dumps(asdict(self)).encode()


def read_manifest(target: Target, seal: Seal, name: str) -> Manifest:
    """Raises Damaged, NotPermitted."""
    try:
        manifest = Manifest(**json.loads(seal.open(target.get(f"backups/{name}"))))
    except (ValueError, TypeError) as error:
        raise Damaged(f"the manifest of {name} can't be read") from error
    if manifest.version != VERSION:
        raise Damaged(f"{name} has form {manifest.version}, this release reads {VERSION}")
    return manifest


def backups(target: Target) -> list[str]:
    """Names of all complete backups, the oldest first."""
    return sorted(name[8:] for name in target.names("backups") if not name.endswith(".list"))


def encode(table: Table, rows: Iterable[Mapping[str, Any]]) -> bytes:
    """A block: the table's name and columns, then a line for each row."""
    columns = [column.name for column in table.columns]
    lines = [[table.name, columns], *([_plain(row[name]) for name in columns] for row in rows)]
    return b"\n".join(json.dumps(line).encode() for line in lines)


def _plain(value: Any) -> Any:
    return {"b": base64.b64encode(value).decode()} if isinstance(value, bytes | memoryview) else value


def decode(block: bytes) -> Iterator[tuple[Table, dict[str, Any]]]:
    """The rows of a block, with the columns that this release still has; none of a table that is no more.

    Raises Damaged.
    """
    try:
        (name, columns), *lines = map(json.loads, block.splitlines())
        table = metadata.tables.get(name)
        if table is None:
            return
        known = {column.name: column for column in table.columns}
        for line in lines:
            row = {name: value for name, value in zip(columns, line, strict=True) if name in known}
            for name, value in row.items():
                if value is not None and isinstance(known[name].type, LargeBinary):
                    row[name] = base64.b64decode(value["b"])
            yield table, row
    except (ValueError, KeyError, TypeError) as error:
        raise Damaged(f"a block of the backup can't be read: {error}") from error


def read_object(target: Target, seal: Seal, name: str) -> bytes:
    """The octets of an object, compared with its name. Raises Damaged, NotPermitted."""
    octets = seal.open(target.get(name))
    if seal.name(hashlib.sha256(octets).digest()) != name:
        raise Damaged(f"{name} does not hold what it should")
    return octets


def rows_of(target: Target, seal: Seal, blocks: Iterable[str]) -> Iterator[tuple[Table, dict[str, Any]]]:
    """The rows of several blocks."""
    for name in blocks:
        yield from decode(read_object(target, seal, name))
