"""File names that follow their rows.

A change of flags, a removal and a move change rows only, and note which messages they met (``names_due``). Soon after,
one process renames the files: the name shows the flags again, or the body of a message that went away
hides from other readers of the tree. Each step may be done twice, so that a crash between the rename
and the end of the note is made good by the next round; meanwhile a body is found under its older name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import BigInteger, Connection, bindparam, delete, select

from storage import tables
from storage.blobs.api import BlobStore, BodyName, Place
from storage.database import Database
from storage.errors import NoSuchAccount, NoSuchMailbox, Unavailable
from storage.index import mailboxes

_n, _m, _r = tables.names_due.c, tables.message.c, tables.removed.c

#: Notes worked off in one transaction.
_BLOCK = 500

_RANGE = (bindparam("low", type_=BigInteger), bindparam("high", type_=BigInteger))
_THERE = select(_m.blob, _m.size, _m.system).where(
    _m.account_id == bindparam("account"), _m.mailbox_id == bindparam("mailbox"), _m.uid.between(*_RANGE)
)
_GONE = select(_r.blob, _r.size, _r.system).where(
    _r.shelved.is_(False),
    _r.removed_at >= bindparam("since"),
    _r.account_id == bindparam("account"),
    _r.mailbox_id == bindparam("mailbox"),
    _r.uid.between(*_RANGE),
)


def due(connection: Connection, account: int, mailbox: int) -> list[tuple[int, int]]:
    """Ranges of UIDs whose files may still have older names."""
    query = select(_n.low, _n.high).where(_n.account_id == account, _n.mailbox_id == mailbox)
    return [(row.low, row.high) for row in connection.execute(query)]


class Naming:
    """Works the notes off."""

    def __init__(self, database: Database, blobs: BlobStore) -> None:
        self._database = database
        self._blobs = blobs

    def catch_up(self, account: int | None = None) -> int:
        """Rename what is due, of everybody or of one account; returns how many notes were made good.

        What the disk refuses stays due; the rest is done all the same. Raises Unavailable, DiskFull at the end.
        """
        query = select(tables.names_due).order_by(_n.id).limit(_BLOCK)
        if account is not None:
            query = query.where(_n.account_id == account)
        count, last = 0, 0
        failure: Unavailable | None = None
        while notes := self._notes(query.where(_n.id > last)):
            last = notes[-1].id
            done: list[int] = []
            for group in _by_mailbox(notes):
                try:
                    done += self._work_off(group)
                except Unavailable as error:
                    failure = error
            if done:
                with self._database.write() as connection:
                    connection.execute(delete(tables.names_due).where(_n.id.in_(done)))
            count += len(done)
        if failure is not None:
            raise failure
        return count

    def _notes(self, query: Any) -> Sequence[Any]:
        with self._database.read() as connection:
            return connection.execute(query).all()

    def _work_off(self, notes: Sequence[Any]) -> list[int]:
        """Returns the notes that are done: not those of a mailbox whose folder is being renamed."""
        done = [one.id for one in notes]
        account, mailbox = notes[0].account_id, notes[0].mailbox_id
        where = {"account": account, "mailbox": mailbox, "since": min(one.at for one in notes) - 1}
        there: set[BodyName] = set()
        gone: set[BodyName] = set()
        try:
            with self._database.read() as connection:
                place = self._place(connection, account, mailbox)
                for low, high in _merged((one.low, one.high) for one in notes):
                    ranged = {**where, "low": low, "high": high}
                    there.update(BodyName(*row) for row in connection.execute(_THERE, ranged))
                    gone.update(BodyName(*row) for row in connection.execute(_GONE, ranged))
            for name in there:
                self._blobs.reflag(place, name)
            for name in gone:
                self._blobs.retire(place, name)
            with self._database.read() as connection:
                still = self._place(connection, account, mailbox) == place
                return done if still and mailboxes.folder_of(connection, account, mailbox)[1] is None else []
        except (NoSuchMailbox, NoSuchAccount):
            # A deleted mailbox went to the attic as a whole.
            return done

    @staticmethod
    def _place(connection: Connection, account: int, mailbox: int) -> Place:
        return Place(mailboxes.account_key(connection, account), mailboxes.folder_of(connection, account, mailbox)[0])


def _by_mailbox(notes: Sequence[Any]) -> Iterable[list[Any]]:
    groups: defaultdict[tuple[int, int], list[Any]] = defaultdict(list)
    for one in notes:
        groups[one.account_id, one.mailbox_id].append(one)
    return groups.values()


def _merged(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ranges without what they share."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return merged
