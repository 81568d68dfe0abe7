"""The durable queue: rows in SQL, bodies in files, a lease for each item that is being tried.

What a restart needs to know is in the database; nothing else is kept between attempts. ``stage`` brings a body to disk
before the transaction that ``enqueue`` takes part in, so a message is in the queue with its body or not at all.
``record`` writes the outcome of an attempt in the caller's transaction, together with what the sender is told.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, delete, func, insert, select, update

from delivery.queue import tables
from delivery.queue.bodies import BodyFolder
from delivery.queue.model import Outgoing, QueuedMessage, QueuedRecipient, QueueEntry, State
from delivery.queue.schedule import Settlement
from message.envelope import Notify
from storage.database import Database

_message, _item, _recipient = tables.message, tables.item, tables.recipient


@dataclass(frozen=True, slots=True)
class Staged:
    """A message whose body is on disk and whose rows are still to be committed."""

    outgoing: Outgoing
    body: str


class QueueStore:
    """The outgoing queue of the site. All calls block and are safe from any thread; errors are ``storage.errors``'."""

    def __init__(self, database: Database, folder: Path) -> None:
        """``folder`` holds the bodies and the runners' signs of life."""
        self._database = database
        self._bodies = BodyFolder(folder / "bodies")
        self.presence_folder = folder / "runners"

    # ------------------------------------------------------------ into the queue

    def stage(self, outgoing: Outgoing) -> Staged:
        """Bring the body to disk. Raises DiskFull, Unavailable."""
        return Staged(outgoing, self._bodies.write(outgoing.content))

    def discard(self, staged: Iterable[Staged]) -> None:
        """Forget staged messages whose transaction failed."""
        for one in staged:
            self._bodies.remove(one.body)

    def enqueue(self, connection: Connection, staged: Staged) -> list[int]:
        """Add the rows in the caller's write transaction: one item a destination domain. Returns their numbers."""
        outgoing = staged.outgoing
        message = connection.execute(
            insert(_message).returning(_message.c.id),
            {
                "message_id": outgoing.message_id,
                "sender": outgoing.sender,
                "body": staged.body,
                "size": outgoing.content.size,
                "queued_at": outgoing.queued_at,
                "smtputf8": outgoing.smtputf8,
                "eight_bit": outgoing.eight_bit,
                "ret": outgoing.ret,
                "envid": outgoing.envid,
            },
        ).scalar_one()
        return [
            self._enqueue_item(connection, message, outgoing.queued_at, destination, recipients)
            for destination, recipients in _by_destination(outgoing).items()
        ]

    @staticmethod
    def _enqueue_item(
        connection: Connection, message: int, due_at: float, destination: str, recipients: list[QueuedRecipient]
    ) -> int:
        item: int = connection.execute(
            insert(_item).returning(_item.c.id),
            {
                "message": message,
                "destination": destination,
                "due_at": due_at,
                "held": False,
                "owner": None,
                "attempts": 0,
                "delay_told": False,
            },
        ).scalar_one()
        connection.execute(
            insert(_recipient),
            [
                {
                    "item": item,
                    "position": position,
                    "address": recipient.address,
                    "original": recipient.original,
                    "notify": ",".join(sorted(recipient.notify)),
                    "state": recipient.state,
                    "text": "",
                    "remote": "",
                }
                for position, recipient in enumerate(recipients)
            ],
        )
        return item

    # ------------------------------------------------------------ leases

    def lease(
        self, owner: str, now: float, until: float, limit: int, busy: Mapping[int, str], per_destination: int
    ) -> list[QueuedMessage]:
        """Take at most ``limit`` due items until ``until``, the longest due first.

        ``busy`` maps the items that the owner is trying to their destinations; no destination gets more than
        ``per_destination`` with these. Items of ``busy`` are never returned, even when their lease ran out.
        """
        with self._database.read() as connection:
            if connection.execute(_due(now, (), 1)).first() is None:
                return []
        with self._database.write() as connection:
            chosen = self._choose(connection, now, limit, busy, per_destination)
            if not chosen:
                return []
            connection.execute(update(_item).where(_item.c.id.in_(chosen)).values(owner=owner, due_at=until))
            return self._load(connection, chosen)

    @staticmethod
    def _choose(
        connection: Connection, now: float, limit: int, busy: Mapping[int, str], per_destination: int
    ) -> list[int]:
        load: dict[str, int] = defaultdict(int)
        for destination in busy.values():
            load[destination] += 1
        chosen: list[int] = []
        taken = set(busy)
        while len(chosen) < limit:
            full = [destination for destination, count in load.items() if count >= per_destination]
            due = _due(now, full, limit + len(taken)).with_for_update(skip_locked=True)
            before = len(chosen)
            for number, destination in connection.execute(due):
                if number not in taken and load[destination] < per_destination and len(chosen) < limit:
                    chosen.append(number)
                    taken.add(number)
                    load[destination] += 1
            if len(chosen) == before:
                break
        return chosen

    def renew(self, owner: str, items: Iterable[int], until: float) -> None:
        """Lengthen the leases of items that the owner is still trying."""
        with self._database.write() as connection:
            connection.execute(
                update(_item).where(_item.c.id.in_(list(items)), _item.c.owner == owner).values(due_at=until)
            )

    def release(self, owner: str, now: float) -> int:
        """Make everything that a dead runner had leased due at once; returns how many items that were."""
        with self._database.write() as connection:
            return connection.execute(
                update(_item).where(_item.c.owner == owner).values(owner=None, due_at=now)
            ).rowcount

    # ------------------------------------------------------------ outcomes

    def settle(self, item: QueuedMessage, owner: str, settlement: Settlement, notices: Sequence[Outgoing] = ()) -> None:
        """Write an attempt's outcome and queue what its sender is told, in one transaction. Raises LeaseLost."""
        staged = [self.stage(notice) for notice in notices]
        with self._database.write() as connection:
            body = self.record(connection, item, owner, settlement)
            for one in staged:
                self.enqueue(connection, one)
        self.forget(body)

    def record(self, connection: Connection, item: QueuedMessage, owner: str, settlement: Settlement) -> str | None:
        """Write an attempt's outcome in the caller's write transaction.

        Returns the name of the body when nothing needs it any more: hand it to ``forget`` after the commit.
        Raises LeaseLost when the item is no longer the owner's, so that the transaction writes nothing.
        """
        row = connection.execute(
            select(_item.c.message).where(_item.c.id == item.id, _item.c.owner == owner).with_for_update()
        ).first()
        if row is None:
            raise LeaseLost(item.id)
        if settlement.due_at is None:
            return self._finish(connection, item.id, row.message)
        connection.execute(
            update(_item)
            .where(_item.c.id == item.id)
            .values(
                owner=None,
                due_at=settlement.due_at,
                attempts=_item.c.attempts + 1,
                delay_told=settlement.delay_told,
            )
        )
        connection.execute(
            update(_recipient).where(_recipient.c.item == item.id, _recipient.c.position == bindparam("at")),
            [
                {
                    "at": position,
                    "state": recipient.state,
                    "code": recipient.code,
                    "status": recipient.status,
                    "text": recipient.text,
                    "remote": recipient.remote,
                }
                for position, recipient in enumerate(settlement.recipients)
            ],
        )
        return None

    def forget(self, body: str | None) -> None:
        """Remove the body of a message whose last item is final."""
        if body is not None:
            self._bodies.remove(body)

    @staticmethod
    def _finish(connection: Connection, item: int, message: int) -> str | None:
        # The message's row is locked first: of two last items that end together one must see that it is the last.
        body: str = connection.execute(
            select(_message.c.body).where(_message.c.id == message).with_for_update()
        ).scalar_one()
        connection.execute(delete(_recipient).where(_recipient.c.item == item))
        connection.execute(delete(_item).where(_item.c.id == item))
        if connection.execute(select(_item.c.id).where(_item.c.message == message).limit(1)).first() is not None:
            return None
        connection.execute(delete(_message).where(_message.c.id == message))
        return body

    # ------------------------------------------------------------ for operators

    def entries(self, limit: int = 1000, after: int = 0) -> list[QueueEntry]:
        """Items with numbers above ``after``, by number."""
        with self._database.read() as connection:
            return self._entries(connection, select(_item.c.id).where(_item.c.id > after).order_by(_item.c.id), limit)

    def entry(self, number: int) -> QueueEntry | None:
        """One item, or None when it is not (or no longer) in the queue."""
        with self._database.read() as connection:
            found = self._entries(connection, select(_item.c.id).where(_item.c.id == number), 1)
        return found[0] if found else None

    def depth(self) -> int:
        """Number of items."""
        with self._database.read() as connection:
            return connection.execute(select(func.count()).select_from(_item)).scalar_one()

    def kick(self, now: float, number: int | None = None) -> int:
        """Make an item (or all) due now; those being tried are left alone. Returns how many were changed."""
        return self._change(number, _item.c.owner.is_(None), due_at=now)

    def hold(self, number: int) -> bool:
        """Keep an item from being tried; an attempt under way goes on."""
        return bool(self._change(number, held=True))

    def unhold(self, number: int) -> bool:
        """Let a held item be tried again when it is due."""
        return bool(self._change(number, held=False))

    def remove(self, number: int) -> bool:
        """Drop an item without telling its sender. An attempt under way may still succeed."""
        with self._database.write() as connection:
            row = connection.execute(select(_item.c.message).where(_item.c.id == number).with_for_update()).first()
            if row is None:
                return False
            body = self._finish(connection, number, row.message)
        self.forget(body)
        return True

    def sweep(self, now: float, age: float) -> int:
        """Remove body files older than ``age`` seconds that no row names; returns how many.

        The age must be above that of any delivery under way: its body is on disk before its rows.
        """
        old = list(self._bodies.older_than(now - age))
        removed = 0
        for start in range(0, len(old), 500):
            names = old[start : start + 500]
            with self._database.read() as connection:
                used = set(connection.execute(select(_message.c.body).where(_message.c.body.in_(names))).scalars())
            for name in set(names) - used:
                self._bodies.remove(name)
                removed += 1
        return removed

    # ------------------------------------------------------------ rows to values

    def _change(self, number: int | None, *conditions: Any, **values: Any) -> int:
        statement = update(_item).where(*conditions).values(**values)
        if number is not None:
            statement = statement.where(_item.c.id == number)
        with self._database.write() as connection:
            return connection.execute(statement).rowcount

    def _load(self, connection: Connection, numbers: Sequence[int]) -> list[QueuedMessage]:
        recipients = _recipients(connection, numbers)
        rows = {row.id: row for row in connection.execute(_joined().where(_item.c.id.in_(numbers)))}
        return [
            QueuedMessage(
                id=number,
                message_id=rows[number].message_id,
                sender=rows[number].sender,
                destination=rows[number].destination,
                recipients=recipients[number],
                content=self._bodies.content(rows[number].body, rows[number].size),
                queued_at=rows[number].queued_at,
                due_at=rows[number].due_at,
                attempts=rows[number].attempts,
                smtputf8=rows[number].smtputf8,
                eight_bit=rows[number].eight_bit,
                ret=rows[number].ret,
                envid=rows[number].envid,
                delay_told=rows[number].delay_told,
            )
            for number in numbers
        ]

    @staticmethod
    def _entries(connection: Connection, which: Select[int], limit: int) -> list[QueueEntry]:
        numbers = list(connection.execute(which.limit(limit)).scalars())
        recipients = _recipients(connection, numbers)
        return [
            QueueEntry(
                id=row.id,
                message_id=row.message_id,
                sender=row.sender,
                destination=row.destination,
                recipients=recipients[row.id],
                size=row.size,
                queued_at=row.queued_at,
                due_at=row.due_at,
                attempts=row.attempts,
                held=row.held,
                leased_by=row.owner,
            )
            for row in connection.execute(_joined().where(_item.c.id.in_(numbers)).order_by(_item.c.id))
        ]


class LeaseLost(Exception):
    """The item is leased by somebody else, or was removed: the outcome of the attempt may not be recorded."""

    def __init__(self, item: int) -> None:
        super().__init__(f"item {item} is no longer leased by this runner")
        self.item = item


def _due(now: float, full: Sequence[str], limit: int) -> Select[int, str]:
    return (
        select(_item.c.id, _item.c.destination)
        .where(_item.c.held.is_(False), _item.c.due_at <= now, _item.c.destination.not_in(full))
        .order_by(_item.c.due_at)
        .limit(limit)
    )


def _joined() -> Select[Any]:
    return select(_item, *(column for column in _message.c if column.name != "id")).join(
        _message, _item.c.message == _message.c.id
    )


def _recipients(connection: Connection, numbers: Sequence[int]) -> dict[int, tuple[QueuedRecipient, ...]]:
    found: dict[int, list[QueuedRecipient]] = defaultdict(list)
    for start in range(0, len(numbers), 500):
        block = numbers[start : start + 500]
        for row in connection.execute(
            select(_recipient).where(_recipient.c.item.in_(block)).order_by(_recipient.c.item, _recipient.c.position)
        ):
            found[row.item].append(_queued_recipient(row))
    return {number: tuple(found[number]) for number in numbers}


def _queued_recipient(row: Row[Any]) -> QueuedRecipient:
    return QueuedRecipient(
        address=row.address,
        original=row.original,
        notify=frozenset(Notify(word) for word in row.notify.split(",") if word),
        state=State(row.state),
        code=row.code,
        status=row.status,
        text=row.text,
        remote=row.remote,
    )


def _by_destination(outgoing: Outgoing) -> dict[str, list[QueuedRecipient]]:
    """Recipients by destination domain, each address once."""
    destinations: dict[str, dict[str, QueuedRecipient]] = defaultdict(dict)
    for recipient in outgoing.recipients:
        domain = recipient.address.rpartition("@")[2].lower()
        destinations[domain].setdefault(
            recipient.address, QueuedRecipient(recipient.address, recipient.original, recipient.notify)
        )
    return {domain: list(recipients.values()) for domain, recipients in destinations.items()}
