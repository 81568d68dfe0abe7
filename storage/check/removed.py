"""Compares removed messages with the bodies that wait for a restore, in both directions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from sqlalchemy import bindparam, select

from storage import names, tables
from storage.blobs.api import BlobStore, Body, BodyName, Place
from storage.check.findings import Fault, Finding
from storage.check.repair import Repair
from storage.database import Database
from storage.errors import Damaged, Unavailable

_r, _c, _b = tables.removed.c, tables.content.c, tables.mailbox.c
_ROWS = (
    select(_r.id, _r.mailbox_id, _r.uid, _r.blob, _r.size, _r.system, _r.shelved, _c.digest, _b.name, _b.folder)
    .outerjoin(tables.content, (_c.account_id == _r.account_id) & (_c.id == _r.content_id))
    .outerjoin(tables.mailbox, (_b.account_id == _r.account_id) & (_b.id == _r.mailbox_id))
    .where(_r.account_id == bindparam("account"))
    .order_by(_r.id)
)

#: A fault, and what mends it (None: nothing can).
Fix = tuple[Finding, Callable[[Repair], str] | None]


class RemovedCheck:
    """One account's."""

    def __init__(self, database: Database, blobs: BlobStore, account: int, key: str) -> None:
        self._database = database
        self._blobs = blobs
        self._account = account
        self._key = key

    def run(self, orphans_before: float) -> Iterator[Fix]:
        """Raises Unavailable. Files younger than ``orphans_before`` may be on their way."""
        files = list(self._files())
        with self._database.read() as connection:
            rows = connection.execute(_ROWS, {"account": self._account}).all()
        for row in rows:
            if self._fault(row) is not None:
                yield from self._again(row.id)
        known = {row.blob for row in rows}
        for place, body in files:
            if body.name.blob not in known and body.changed < orphans_before:
                text = f"{body.name.blob}, {body.name.size} octets"
                finding = Finding(Fault.ORPHAN, self._key, place.folder, None, text)
                yield finding, partial(Repair.set_aside, account=self._account, place=place, name=body.name)

    def _files(self) -> Iterator[tuple[Place, Body]]:
        for folder in self._blobs.attics(self._key):
            place = Place(self._key, folder)
            for retired in (False, True):
                yield from ((place, body) for body in self._blobs.bodies(place, retired=retired))

    def _again(self, number: int) -> Iterator[Fix]:
        """The row was brought back, moved on, or gone for good meanwhile?"""
        with self._database.read() as connection:
            row = connection.execute(_ROWS.where(_r.id == number), {"account": self._account}).first()
        fault = None if row is None else self._fault(row)
        if row is None or fault is None:
            return
        error, place = fault
        finding = Finding(Fault.KEPT, self._key, row.name or "a deleted mailbox", row.uid, str(error))
        if isinstance(error, Unavailable):
            yield finding, None
        else:
            yield finding, partial(Repair.kept, number=number, place=place, name=_name(row), digest=bytes(row.digest))

    def _fault(self, row: Any) -> tuple[Damaged | Unavailable, Place] | None:
        """What is wrong with a body, and where it is or ought to be; None when nothing is.

        A release before 0008 removed messages without what a restore needs: of their bodies nothing is known.
        """
        if row.digest is None:
            return None
        attic = Place(self._key, names.attic(row.mailbox_id))
        folder = attic if row.folder is None else Place(self._key, row.folder)
        home, other = (attic, folder) if row.shelved else (folder, attic)
        wrong = self._wrong(home, row)
        # On its way to the attic, maybe.
        return None if wrong is None or self._wrong(other, row) is None else (wrong, home)

    def _wrong(self, place: Place, row: Any) -> Damaged | Unavailable | None:
        try:
            if self._blobs.digest(place, _name(row)) == row.digest:
                return None
        except (Damaged, Unavailable) as error:
            return error
        return Damaged(f"the octets of {row.blob} have another SHA-256 than when they came")


def _name(row: Any) -> BodyName:
    return BodyName(row.blob, row.size, row.system)
