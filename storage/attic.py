"""Where messages wait that went away: their bodies move out of the mailboxes' folders, and go for good in the end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, delete, exists, select, tuple_, update

from storage import names, tables
from storage.blobs.api import BlobStore, BodyName, Place
from storage.database import Database
from storage.errors import Damaged
from storage.index import messages

_r = tables.removed.c
_ROWS = (
    select(tables.removed, tables.mailbox.c.folder, tables.account.c.key)
    .join(tables.account, tables.account.c.id == _r.account_id)
    .outerjoin(tables.mailbox, (tables.mailbox.c.account_id == _r.account_id) & (tables.mailbox.c.id == _r.mailbox_id))
    .order_by(_r.removed_at, _r.id)
    .limit(messages.BLOCK)
)


@dataclass(frozen=True, slots=True)
class Gone:
    """A message that went away: its ``removed`` row."""

    id: int
    mailbox: int
    uid: int
    content: int
    blob: str
    size: int
    system: int
    keywords: str
    internal_date: int
    zone: int
    saved_at: int

    @property
    def name(self) -> BodyName:
        """Its body's."""
        return BodyName(self.blob, self.size, self.system)


_GONE = (
    *(_r.id, _r.mailbox_id, _r.uid, _r.content_id, _r.blob, _r.size, _r.system, _r.keywords),
    *(_r.internal_date, _r.zone, _r.saved_at),
)


class Attic:
    """The ``removed`` rows and their bodies."""

    def __init__(self, database: Database, blobs: BlobStore) -> None:
        self._database = database
        self._blobs = blobs

    def shelve(self, before: int) -> int:
        """Move bodies that went away before ``before`` out of the mailboxes' folders; returns how many."""
        count = 0
        while rows := self._rows(_ROWS.where(_r.shelved.is_(False), _r.removed_at <= before)):
            for row in rows:
                if row.folder is not None:
                    place = Place(row.key, row.folder)
                    self._blobs.move(place, _name(row), Place(row.key, names.attic(row.mailbox_id)))
            with self._database.write() as connection:
                connection.execute(
                    update(tables.removed).where(_r.id.in_([row.id for row in rows])).values(shelved=True)
                )
            count += len(rows)
        return count

    def clear(self, before: int) -> int:
        """Take away for good what went away before ``before``; returns how many bodies."""
        count = 0
        old = _r.shelved.is_(True), _r.removed_at <= before, tables.account.c.held.is_(False)
        while rows := self._rows(_ROWS.where(*old)):
            count += self._remove(rows)
        return count

    def _rows(self, query: Select[Any]) -> list[Any]:
        with self._database.read() as connection:
            return list(connection.execute(query))

    def _remove(self, rows: list[Any]) -> int:
        a = tables.account.c
        with self._database.write() as connection:
            # A hold that came since the rows were read wins: it waits for this, or this passes its account over.
            free = select(a.id).where(a.id.in_({row.account_id for row in rows}), a.held.is_(False)).with_for_update()
            accounts = set(connection.scalars(free.order_by(a.id)))
            rows = [row for row in rows if row.account_id in accounts]
            for row in rows:
                self._blobs.remove(Place(row.key, names.attic(row.mailbox_id)), _name(row))
            connection.execute(delete(tables.removed).where(_r.id.in_([row.id for row in rows])))
            for account, content in {(row.account_id, row.content_id) for row in rows}:
                forget_content(connection, account, content)
            deleted = {(row.account_id, row.mailbox_id, row.key) for row in rows if row.folder is None}
            empty = [one for one in deleted if not messages.removed_blobs(connection, one[0], one[1])]
        for _, mailbox, key in empty:
            self._blobs.remove_folder(key, names.attic(mailbox))
        return len(rows)

    def scrub(self, account: int, mailbox: int, key: str, older_than: float) -> None:
        """Unlink what stands in the attic of a mailbox without a row, changed before ``older_than``."""
        place = Place(key, names.attic(mailbox))
        files = [body.name for body in self._blobs.bodies(place) if body.changed < older_than]
        if files:
            with self._database.read() as connection:
                known = messages.removed_blobs(connection, account, mailbox)
            for name in files:
                if name.blob not in known:
                    self._blobs.remove(place, name)

    def gather(self, account: int, key: str) -> None:
        """Bring home what deleted mailboxes left in folders: see ``bring_home``."""
        b = tables.mailbox.c
        there = exists().where(b.account_id == account, b.id == _r.mailbox_id)
        with self._database.read() as connection:
            homes = {
                row.blob: row.mailbox_id
                for row in connection.execute(select(_r.blob, _r.mailbox_id).where(_r.account_id == account, ~there))
            }
        for folder in self._blobs.folders(key) if homes else ():
            place = Place(key, folder)
            for retired in (False, True):
                for body in list(self._blobs.bodies(place, retired=retired)):
                    if body.name.blob in homes:
                        self._blobs.move(place, body.name, Place(key, names.attic(homes[body.name.blob])))

    def bring_home(self, account: int, place: Place, bodies: Iterable[BodyName]) -> set[str]:
        """Move those of some bodies in ``place`` to the attic that belong there; returns the names of all that do.

        A DELETE that was cut off between commit and disk leaves them in the folder of a mailbox that is gone, which may
        be another's by now.
        """
        strays = {name.blob: name for name in bodies}
        homes: dict[str, int] = {}
        with self._database.read() as connection:
            blobs = list(strays)
            for at in range(0, len(blobs), messages.BLOCK):
                block = blobs[at : at + messages.BLOCK]
                query = select(_r.blob, _r.mailbox_id).where(_r.account_id == account, _r.blob.in_(block))
                homes |= {row.blob: row.mailbox_id for row in connection.execute(query)}
        for blob, mailbox in homes.items():
            self._blobs.move(place, strays[blob], Place(place.account, names.attic(mailbox)))
        return set(homes)

    def copy(self, key: str, folder: str | None, gone: Gone, target: Place, new: BodyName) -> None:
        """Give a body a second place; ``folder`` is its mailbox's, None for a deleted one. Raises Damaged."""
        try:
            self._blobs.copy(Place(key, names.attic(gone.mailbox)), gone.name, target, new)
        except Damaged:
            if folder is None:
                raise
            self._blobs.copy(Place(key, folder), gone.name, target, new)

    def remove(self, key: str, folder: str | None, gone: Gone) -> None:
        """Unlink a body whose row was taken."""
        for one in (names.attic(gone.mailbox), folder):
            if one is not None:
                self._blobs.remove(Place(key, one), gone.name)


def gone_since(connection: Connection, account: int, moment: int) -> list[Gone]:
    """Messages that were there at ``moment`` (seconds since the epoch) and went away since, by mailbox and UID.

    Those that were recalled are not among them: they come back when the recall is undone.
    """
    d, j = tables.recalled.c, tables.recall.c
    recalled = exists().where(
        *(d.account_id == _r.account_id, d.mailbox_id == _r.mailbox_id, d.uid == _r.uid),
        *(j.id == d.recall_id, j.undone_at.is_(None)),
    )
    query = (
        select(*_GONE)
        .where(_r.account_id == account, _r.uid.is_not(None), _r.saved_at <= moment, _r.removed_at > moment, ~recalled)
        .order_by(_r.mailbox_id, _r.uid)
    )
    return [Gone(*row) for row in connection.execute(query)]


def gone_of(connection: Connection, account: int, places: Sequence[tuple[int, int]]) -> list[Gone]:
    """Messages that went away from these mailboxes and UIDs and can still come back, by mailbox and UID."""
    found: list[Gone] = []
    for at in range(0, len(places), messages.BLOCK):
        wanted = tuple_(_r.mailbox_id, _r.uid).in_(places[at : at + messages.BLOCK])
        found += [Gone(*row) for row in connection.execute(select(*_GONE).where(_r.account_id == account, wanted))]
    return sorted(found, key=lambda one: (one.mailbox, one.uid))


def take_gone(connection: Connection, numbers: list[int]) -> set[int]:
    """Take rows away whose messages are back; returns the numbers of those that were there."""
    still = set(connection.scalars(select(_r.id).where(_r.id.in_(numbers)).with_for_update()))
    connection.execute(delete(tables.removed).where(_r.id.in_(list(still))))
    return still


def forget_content(connection: Connection, account: int, content: int) -> None:
    """Forget what is known of a content that no message has any more, nor one that can come back."""
    m, c = tables.message.c, tables.content.c
    connection.execute(
        delete(tables.content).where(
            c.account_id == account,
            c.id == content,
            ~exists().where(m.account_id == account, m.content_id == content),
            ~exists().where(_r.account_id == account, _r.content_id == content),
        )
    )


def forget_recalled(connection: Connection, before: int) -> None:
    """Forget which copies recalls took that began before ``before``: they are gone for good, but on held accounts."""
    d, j = tables.recalled.c, tables.recall.c
    old = select(j.id).where(j.started_at < before)
    held = select(tables.account.c.id).where(tables.account.c.held.is_(True))
    connection.execute(delete(tables.recalled).where(d.recall_id.in_(old), d.account_id.not_in(held)))


def _name(row: Any) -> BodyName:
    return BodyName(row.blob, row.size, row.system)
