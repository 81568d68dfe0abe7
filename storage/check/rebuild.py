"""Makes the index of mail again from the tree of bodies, for a site whose database is lost or beyond repair.

What the tree tells: octets, folders, flags (in the file names), dates of arrival (the files' times). What it does not:
keywords, access control lists of mailboxes that the index no longer has, and which UIDs were given out before: each
mailbox gets a new UIDVALIDITY, so that clients fetch it anew instead of mixing old numbers with new.

Messages that went away can be brought back as before. Those that the index lost are known again by their bodies: as
gone since their file was changed last, from their mailbox, or from INBOX where the tree does not tell which it was.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, delete, select

from message.summary import Summary, summarise
from storage import names, tables
from storage.blobs.api import BlobStore, Body, Place
from storage.database import Database
from storage.doorbell import Doorbell
from storage.errors import Damaged, InvalidName, Unavailable
from storage.index import mailboxes
from storage.index.ledger import Ledger, Limits
from storage.model import HAS_ATTACHMENT
from storage.names import INBOX
from storage.naming import Naming
from storage.zone import local_zone

_m, _c, _r = tables.message.c, tables.content.c, tables.removed.c

#: Messages in one transaction.
BLOCK = 200

_MADE = re.compile(r"(\d+)\.M(\d+)P\d+R[0-9a-f]+Q(\d+)\.")


@dataclass(slots=True)
class Rebuilt:
    """What was found of an account: counts, and in words what could not be taken."""

    mailboxes: int = 0
    messages: int = 0
    removed: int = 0
    octets: int = 0
    passed_over: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Read:
    body: Body
    digest: bytes
    summary: Summary


class Rebuilder:
    """Rebuilds accounts one by one; mail that comes meanwhile is kept. A run that was cut off is simply run again."""

    def __init__(
        self, database: Database, blobs: BlobStore, doorbell: Doorbell, told: Callable[[int], None] = lambda count: None
    ) -> None:
        """``told`` hears how many messages were taken so far."""
        self._database = database
        self._blobs = blobs
        self._doorbell = doorbell
        self._told = told
        self._count = 0

    def account(self, key: str) -> Rebuilt:
        """Rebuild one account by its key. Raises Unavailable, DiskFull."""
        result = Rebuilt()
        self._settle(key)
        places: dict[int, Place] = {}
        with self._database.write() as connection:
            number = mailboxes.provision(connection, [key])[key]
            mailboxes.hold(connection, number)
            forget(connection, number)
            for folder in self._blobs.folders(key):
                place = Place(key, folder)
                name = self._name(place)
                if name is None:
                    result.passed_over.append(f"{key}: the folder {folder} has no name that a mailbox can have")
                    continue
                places[_mailbox(connection, number, name)] = place
            mailboxes.begin_anew(connection, number)
            ledger = Ledger(connection, number, Limits(None, None))
            ledger.recount_use()
            ledger.close()
            contents = _kept_contents(connection, number)
            removed = set(connection.scalars(select(_r.blob).where(_r.account_id == number)))
            inbox = mailboxes.by_name(connection, number, INBOX)
        for mailbox, place in places.items():
            bodies = sorted(self._blobs.bodies(place), key=_arrival)
            for start in range(0, len(bodies), BLOCK):
                self._take(number, mailbox, place, bodies[start : start + BLOCK], contents, result)
            result.mailboxes += 1
        for mailbox, place in places.items():
            self._take_removed(
                number, mailbox, self._blobs.bodies(place, retired=True), place, removed, contents, result
            )
        if inbox is not None:
            self._take_attics(number, inbox.id, key, removed, contents, result)
        self._doorbell.ring([(number, 0), *((number, mailbox) for mailbox in places)])
        return result

    def _settle(self, key: str) -> None:
        """What the index knows and the names do not show yet would be lost."""
        with self._database.read() as connection:
            number = mailboxes.account_number(connection, key)
        if number is not None:
            Naming(self._database, self._blobs).catch_up(number)

    def _name(self, place: Place) -> str | None:
        name = names.unfolded(place.folder) or self._blobs.label(place)
        if name == names.HELD:
            return name
        try:
            return name and names.canonical(name, octets=2**16, depth=2**8)
        except InvalidName:
            return None

    def _take(
        self,
        account: int,
        mailbox: int,
        place: Place,
        bodies: Sequence[Body],
        contents: dict[bytes, int],
        result: Rebuilt,
    ) -> None:
        read = [one for body in bodies if (one := self._read(place, body, result)) is not None]
        with self._database.write() as connection:
            ledger = Ledger(connection, account, Limits(None, None))
            state = ledger.mailbox(mailbox)
            there = _there(connection, account, mailbox, [one.body.name.blob for one in read])
            new = [one for one in read if one.body.name.blob not in there]
            for one in new:
                if one.digest not in contents:
                    contents[one.digest] = ledger.add_content(one.summary, one.digest)
                ledger.add_message(
                    state,
                    modseq=ledger.next_modseq(),
                    system=one.body.name.system,
                    keywords=(HAS_ATTACHMENT,) if one.summary.has_attachment else (),
                    size=one.body.name.size,
                    internal_date=one.body.date,
                    zone=local_zone(one.body.date),
                    content=contents[one.digest],
                    blob=one.body.name.blob,
                )
            # A place that a rename moved meanwhile has its rows all the same: bodies are found by the mailbox.
            ledger.close()
        result.messages += len(new)
        result.octets += sum(one.body.name.size for one in new)
        self._count += len(new)
        self._told(self._count)

    def _take_attics(
        self, account: int, inbox: int, key: str, removed: set[str], contents: dict[bytes, int], result: Rebuilt
    ) -> None:
        home = Place(key, names.attic(inbox))
        for folder in self._blobs.attics(key):
            place = Place(key, folder)
            for retired in (False, True):
                lost = [one for one in self._blobs.bodies(place, retired=retired) if one.name.blob not in removed]
                for body in lost:
                    if place != home:
                        self._blobs.move(place, body.name, home)
                self._take_removed(account, inbox, lost, home, removed, contents, result)

    def _take_removed(
        self,
        account: int,
        mailbox: int,
        bodies: Iterable[Body],
        place: Place,
        removed: set[str],
        contents: dict[bytes, int],
        result: Rebuilt,
    ) -> None:
        """Note messages as gone whose bodies are still there, but for those in ``removed``."""
        lost = sorted((one for one in bodies if one.name.blob not in removed), key=_arrival)
        for start in range(0, len(lost), BLOCK):
            read = [one for body in lost[start : start + BLOCK] if (one := self._read(place, body, result)) is not None]
            with self._database.write() as connection:
                ledger = Ledger(connection, account, Limits(None, None))
                state = ledger.mailbox(mailbox)
                for one in read:
                    if one.digest not in contents:
                        contents[one.digest] = ledger.add_content(one.summary, one.digest)
                    ledger.add_removed(
                        state,
                        one.body.name,
                        one.body.date,
                        contents[one.digest],
                        int(one.body.changed),
                        shelved=place.folder == names.attic(mailbox),
                    )
                ledger.close()
            result.removed += len(read)

    def _read(self, place: Place, body: Body, result: Rebuilt) -> _Read | None:
        try:
            content = self._blobs.open(place, body.name)
        except (Damaged, Unavailable) as error:
            result.passed_over.append(f"{place.account}{place.folder}: {error}")
            return None
        try:
            return _Read(body, hashlib.sha256(content.buffer()).digest(), summarise(content.buffer()))
        finally:
            content.close()


def _mailbox(connection: Connection, account: int, name: str) -> int:
    """Number of a mailbox, made where it is not there."""
    if name == names.HELD:
        return mailboxes.held(connection, account) or mailboxes.create(connection, account, name, None)
    box = mailboxes.by_name(connection, account, name)
    if box is not None:
        return box.id
    mailboxes.subscribe(connection, account, name, True)
    return mailboxes.create(connection, account, name, None)


def forget(connection: Connection, account: int) -> None:
    """Take all rows of an account's messages away, but for those that can be brought back; bodies stay."""
    for table in (tables.message, tables.expunged):
        connection.execute(delete(table).where(table.c.account_id == account))
    kept = select(_r.content_id).where(_r.account_id == account)
    connection.execute(delete(tables.content).where(_c.account_id == account, _c.id.not_in(kept)))


def _kept_contents(connection: Connection, account: int) -> dict[bytes, int]:
    """Numbers of contents by digest: a message that went away and its copy that stayed are one content."""
    rows = connection.execute(select(_c.digest, _c.id).where(_c.account_id == account)).all()
    return {bytes(row.digest): row.id for row in rows}


def _there(connection: Connection, account: int, mailbox: int, blobs: Sequence[str]) -> set[str]:
    """Those that came by delivery since the rebuild began."""
    query = select(_m.blob).where(_m.account_id == account, _m.mailbox_id == mailbox, _m.blob.in_(blobs))
    return set(connection.scalars(query))


def _arrival(body: Body) -> tuple[int, int, int, str]:
    """The order in which bodies got their names, which is that of their UIDs."""
    made = _MADE.match(body.name.blob)
    if made is None:
        return body.date, 0, 0, body.name.blob
    return int(made[1]), int(made[2]), int(made[3]), body.name.blob
