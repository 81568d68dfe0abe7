"""Everything of a person goes (GDPR article 17), and a proof of it stays.

The proof is written first, with whose erasure it is; a run that was cut off is finished by it. In the end it keeps who
asked, when, and how much went, but nothing personal: the account is in it as the SHA-256 of its key. Each proof holds
the hash of the one before it, so that none can be changed or left out unseen.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import ColumnElement, Connection, Table, delete, func, insert, select, tuple_, update

from delivery.queue.store import QueueStore
from directory.accounts import Accounts
from directory.errors import NotFound
from directory.model import Account
from spamfilter.tables import verdicts
from storage import tables as storage
from storage.blobs.api import BlobStore
from storage.database import Database, take_turn
from storage.doorbell import Doorbell
from storage.errors import NotPermitted
from storage.index import mailboxes
from storage.texts.api import TextIndex
from transfer import personal, tables

log = structlog.get_logger()

#: Rows that go in one transaction: a writer may not keep deliveries waiting for long.
_ROWS = 1000

#: What remains, and why; it stands in each proof.
REMAINS = (
    "backups, until they are pruned (backup prune); after a restore the erasure is to be done again",
    "logs of the server, for as long as the system keeps them",
    "copies of messages in the mailboxes of those who sent or received them",
    "what the filter learnt from lessons: counts of hashed features, of which nobody can be told",
    "records of verdicts on mail that came, without the person's name, until they are 30 days old",
    "earlier states of other people's mailboxes that name the person in their rights (store.keep_history)",
)


@dataclass(frozen=True, slots=True)
class Proof:
    """A finished erasure; ``valid`` is false when it or the one before it was changed."""

    number: int
    record: dict[str, Any]
    digest: str
    valid: bool


class Eraser:
    """``told`` hears how many rows are gone."""

    def __init__(
        self,
        database: Database,
        accounts: Accounts,
        blobs: BlobStore,
        texts: TextIndex,
        queue: QueueStore,
        doorbell: Doorbell,
        told: Callable[[int], None] = lambda count: None,
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._blobs = blobs
        self._texts = texts
        self._queue = queue
        self._doorbell = doorbell
        self._told = told
        self._gone = 0

    def erase(self, account: Account, asked_by: str, now: float) -> Proof:
        """Raises NotPermitted for an account on hold; Unavailable, then it is to be finished."""
        with self._database.write() as connection:
            take_turn(connection, "erasure")
            number = mailboxes.account_number(connection, account.key)
            held = select(storage.account.c.held).where(storage.account.c.key == account.key)
            if connection.scalar(held):
                raise NotPermitted(
                    f"{account.login} is on legal hold: nothing of it may go. "
                    "Release the hold first, if the law allows it (account hold --release)"
                )
            begun = select(tables.erasure.c.id).where(tables.erasure.c.account_key == account.key)
            if connection.scalar(begun) is None:
                record = {
                    "account": hashlib.sha256(account.key.encode()).hexdigest(),
                    "asked_by": asked_by,
                    "began_at": int(now),
                    "number": number,
                    "removed": self._counts(connection, number, account.key),
                    "queue": self._queued(account),
                }
                values = {"account_key": account.key, "record": json.dumps(record), "digest": ""}
                connection.execute(insert(tables.erasure).values(values))
        return self._finish(account.key, now)

    def finish(self, now: float) -> list[Proof]:
        """Finish what was cut off. Raises NotPermitted when a hold came meanwhile."""
        with self._database.read() as connection:
            keys = list(
                connection.scalars(
                    select(tables.erasure.c.account_key).where(tables.erasure.c.account_key.is_not(None))
                )
            )
        return [self._finish(key, now) for key in keys]

    # ---------------------------------------------------------------- the steps, each of which may be done twice

    def _finish(self, key: str, now: float) -> Proof:
        number = self._number(key)
        self._leave(key)
        if number is not None:
            self._texts.clear(number)
            self._delete(tables.message, personal.imported(number))
        self._delete(storage.acl, personal.grants_naming(key))
        with self._database.write() as connection:
            v = verdicts.c.accounts
            named = update(verdicts).where(v.contains(key, autoescape=True))
            connection.execute(named.values(accounts=func.replace(v, key, "")))
        self._delete_all(number, key)
        self._delete(storage.account, storage.account.c.key == key)
        # A delivery that was under way may have come in between; from here on there is no account for one.
        self._delete_all(number, key)
        self._blobs.forget_account(key)
        if number is not None:
            self._doorbell.ring([(number, 0)])
        return self._prove(key, now)

    def _number(self, key: str) -> int | None:
        """The store's number, noted when the erasure began. Raises NotPermitted for an account on hold."""
        with self._database.read() as connection:
            if connection.scalar(select(storage.account.c.held).where(storage.account.c.key == key)):
                raise NotPermitted(
                    "the account of an erasure that was cut off is on legal hold: release the hold first"
                )
            record = connection.scalar(select(tables.erasure.c.record).where(tables.erasure.c.account_key == key))
        number = json.loads(record or "{}").get("number")
        return number if isinstance(number, int) else None

    def _delete_all(self, number: int | None, key: str) -> None:
        """All rows but the store's account, which keeps its number from others until all else is gone."""
        for table, column, is_number in personal.tables():
            whose = number if is_number else key
            if whose is not None and table is not storage.account:
                self._delete(table, personal.rows_of(table, column, whose))

    def _leave(self, key: str) -> None:
        """Nobody signs in any more, nothing comes any more, and what waits to go out does not go."""
        try:
            account = self._accounts.show(key)
        except NotFound:
            return
        if account.enabled:
            self._accounts.set_enabled(key, False)
        for item in self._items(account):
            self._queue.remove(item)
        self._accounts.remove(key)

    def _items(self, account: Account) -> list[int]:
        own = {address.casefold() for address in account.addresses}
        found: list[int] = []
        after = 0
        while entries := self._queue.entries(1000, after):
            after = entries[-1].id
            found += [entry.id for entry in entries if entry.sender.casefold() in own]
        return found

    def _queued(self, account: Account) -> int:
        return len(self._items(account))

    def _delete(self, table: Table, where: ColumnElement[bool]) -> None:
        keys = list(table.primary_key.columns)
        some = tuple_(*keys).in_(select(*keys).where(where).limit(_ROWS))
        while True:
            with self._database.write() as connection:
                if self._database.is_sqlite:
                    # What is deleted is overwritten, not only forgotten.
                    connection.exec_driver_sql("PRAGMA secure_delete=ON")
                count = connection.execute(delete(table).where(some)).rowcount
            self._gone += count
            self._told(self._gone)
            if count < _ROWS:
                return

    # ---------------------------------------------------------------- the proof

    def _counts(self, connection: Connection, number: int | None, key: str) -> dict[str, int]:
        """Rows by table, and octets of messages and of those that went away before."""
        found: dict[str, int] = {}
        for table, column, is_number in personal.tables():
            whose = number if is_number else key
            if whose is not None:
                where = personal.rows_of(table, column, whose)
                found[table.name] = connection.scalar(select(func.count()).select_from(table).where(where)) or 0
        for name, table in (("message_octets", storage.message), ("removed_octets", storage.removed)):
            octets = select(func.coalesce(func.sum(table.c.size), 0)).where(table.c.account_id == number)
            found[name] = int(connection.scalar(octets) or 0)
        naming = select(func.count()).select_from(storage.acl).where(personal.grants_naming(key))
        found["acl_naming"] = connection.scalar(naming) or 0
        return {name: count for name, count in found.items() if count}

    def _prove(self, key: str, now: float) -> Proof:
        e = tables.erasure.c
        with self._database.write() as connection:
            take_turn(connection, "erasure")
            row = connection.execute(select(tables.erasure).where(e.account_key == key)).one()
            last = select(e.digest).where(e.digest != "", e.account_key.is_(None)).order_by(e.id.desc()).limit(1)
            record = json.loads(row.record) | {
                "finished_at": int(now),
                "remains": list(REMAINS),
                "previous": connection.scalar(last) or "",
                # Those that were begun earlier may be finished later: the order is that of finishing.
                "place": 1 + (connection.scalar(select(func.count()).where(e.account_key.is_(None))) or 0),
            }
            del record["number"]
            text = json.dumps(record, sort_keys=True, ensure_ascii=False)
            digest = hashlib.sha256(text.encode()).hexdigest()
            connection.execute(delete(tables.erasure).where(e.id == row.id))
            done = connection.execute(insert(tables.erasure).values(account_key=None, record=text, digest=digest))
            assert done.inserted_primary_key is not None
            number = int(done.inserted_primary_key[0])
        log.info("erasure.finished", proof=digest)
        return Proof(number, record, digest, True)

    def proofs(self) -> list[Proof]:
        """All finished erasures in the order in which they were, each compared with its hash and its place."""
        e = tables.erasure.c
        with self._database.read() as connection:
            rows = connection.execute(select(tables.erasure).where(e.account_key.is_(None)).order_by(e.id)).all()
        found: list[Proof] = []
        previous = ""
        for place, row in enumerate(rows, 1):
            record = json.loads(row.record)
            good = hashlib.sha256(row.record.encode()).hexdigest() == row.digest
            good = good and (record["previous"], record["place"]) == (previous, place)
            found.append(Proof(row.id, record, row.digest, good))
            previous = row.digest
        return found
