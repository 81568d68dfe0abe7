"""The time machine: what an account or one mailbox was at a moment, and the way back to it.

Whatever came since then stays: a restore takes nothing away but what it puts back elsewhere. Messages that return get
new UIDs, the body and the date they had, and the flags of that moment except \\Deleted (the next EXPUNGE would take
them again). A second restore to the same moment finds nothing to do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from storage import tables
from storage.attic import Attic, Gone, gone_since, take_gone
from storage.blobs.api import BlobStore, BodyName, Place
from storage.database import Database
from storage.doorbell import Doorbell
from storage.errors import Damaged, MailboxExists, NoSuchMailbox, StoreError, UseRefused
from storage.index import acl, history, mailboxes, messages
from storage.index.history import Past
from storage.index.ledger import Ledger, Limits
from storage.model import FlagChange, Grant, Mailbox, System
from storage.store import Store

_m = tables.message.c

#: Messages in one transaction.
BLOCK = 200

_DELETED = int(System.DELETED)


@dataclass(frozen=True, slots=True)
class Return:
    """A message that returns with these flags. ``leaves`` is the mailbox and UID where it stands today."""

    gone: Gone
    system: int
    keywords: str
    leaves: tuple[int, int] | None


@dataclass(slots=True)
class FolderPlan:
    """What is to be done for one mailbox of the past.

    ``now`` is its name today where it is another. ``back`` are messages that return. ``flags`` are UIDs by the system
    flags and keywords they get.
    """

    past: Past
    missing: bool = False
    now: str | None = None
    back: list[Return] = field(default_factory=list)
    flags: dict[tuple[int, str], list[int]] = field(default_factory=dict)
    rights: bool = False


@dataclass(slots=True)
class Plan:
    """A restore of one account; ``refused`` tells in words what could not be done."""

    account: int
    moment: int
    folders: list[FolderPlan]
    refused: list[str] = field(default_factory=list)


class TimeMachine:
    """Plans and carries out restores."""

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        store: Store,
        doorbell: Doorbell,
        told: Callable[[int], None] = lambda count: None,
    ) -> None:
        """``told`` hears how many messages are back so far."""
        self._database = database
        self._blobs = blobs
        self._store = store
        self._doorbell = doorbell
        self._attic = Attic(database, blobs)
        self._told = told
        self._count = 0

    # ---------------------------------------------------------------- planning

    def plan(self, account: int, moment: int, name: str | None = None, *, rights: bool = False) -> Plan:
        """What leads back to ``moment`` (seconds since the epoch), for all mailboxes or the one then named ``name``.

        ``rights`` are access control lists of mailboxes that are still there; those of deleted ones always come back.
        Raises NoSuchMailbox, NoSuchAccount.
        """
        with self._database.read() as connection:
            then = history.mailboxes_at(connection, account, moment)
            if name is not None:
                then = [one for one in then if one.name == name]
                if not then:
                    raise NoSuchMailbox(f"there was no mailbox named {name} at that time")
            now = {box.id: box for box in mailboxes.every(connection, account)}
            gone = self._gone(connection, account, moment)
            newer = {} if name is not None else self._newer(connection, account, moment, gone)
            flags = history.flags_at(connection, account, moment)
            return Plan(account, moment, [_folder(connection, one, now, gone, newer, flags, rights) for one in then])

    def _gone(self, connection: Connection, account: int, moment: int) -> dict[int, list[Gone]]:
        """Messages that were there then and went away since, by mailbox."""
        found: defaultdict[int, list[Gone]] = defaultdict(list)
        for one in gone_since(connection, account, moment):
            found[one.mailbox].append(one)
        return found

    def _newer(
        self, connection: Connection, account: int, moment: int, gone: dict[int, list[Gone]]
    ) -> dict[int, list[tuple[int, int]]]:
        """Where messages that went away stand today: mailboxes and UIDs by content, what came there since only."""
        contents = {row.content for rows in gone.values() for row in rows}
        query = select(_m.content_id, _m.mailbox_id, _m.uid).where(_m.account_id == account, _m.saved_at > moment)
        found: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        for row in connection.execute(query):
            if row.content_id in contents:
                found[row.content_id].append((row.mailbox_id, row.uid))
        return found

    # ---------------------------------------------------------------- doing

    def apply(self, plan: Plan) -> None:
        """Carry a plan out; ``plan.refused`` gets what could not be done. One that was cut off is planned again."""
        for folder in sorted(plan.folders, key=lambda one: one.past.name):
            try:
                target = self._folder(plan, folder)
            except StoreError as error:
                plan.refused.append(f"{folder.past.name}: {error}")
                continue
            for start in range(0, len(folder.back), BLOCK):
                block = folder.back[start : start + BLOCK]
                self._bring_back(plan.account, folder.past.name, target, block, plan.refused)
            for (system, keywords), uids in folder.flags.items():
                self._store.store_flags(
                    plan.account, target.id, uids, FlagChange.REPLACE, system, messages.split_keywords(keywords)
                )
            if folder.missing or folder.rights:
                self._grant(plan.account, target.id, folder.past.grants)

    def _folder(self, plan: Plan, folder: FolderPlan) -> Mailbox:
        """The mailbox of today, with its name of then. Raises StoreError."""
        account, past = plan.account, folder.past
        if folder.missing:
            try:
                made = self._store.create(account, past.name, past.special_use)
            except UseRefused:
                made = self._store.create(account, past.name)
            except MailboxExists:
                return self._store.mailbox(account, past.name)
            self._store.subscribe(account, past.name, True)
            return made
        try:
            box = self._store.numbered(account, past.id)
        except NoSuchMailbox:
            # Deleted, and another has its name today.
            return self._store.mailbox(account, past.name)
        if box.name != past.name:
            try:
                self._store.rename(account, box.name, past.name)
            except MailboxExists:
                plan.refused.append(f"{box.name} keeps its name: another mailbox is named {past.name} today")
        return self._store.numbered(account, past.id)

    def bring_back(self, account: int, target: Mailbox, gone: Sequence[Gone]) -> tuple[int, list[str]]:
        """Put messages that went away into ``target``; returns how many came, and what could not be done, in words.

        Raises StoreError.
        """
        before, refused = self._count, list[str]()
        for start in range(0, len(gone), BLOCK):
            block = [Return(one, one.system & ~_DELETED, one.keywords, None) for one in gone[start : start + BLOCK]]
            self._bring_back(account, target.name, target, block, refused)
        return self._count - before, refused

    def _bring_back(
        self, account: int, past: str, target: Mailbox, block: Sequence[Return], refused: list[str]
    ) -> None:
        with self._database.read() as connection:
            key = mailboxes.account_key(connection, account)
            folders = {number: one[1] for number, one in mailboxes.folders(connection, account).items()}
        place = Place(key, folders[target.id])
        linked: dict[int, BodyName] = {}
        try:
            for one in block:
                name = BodyName(self._blobs.new_name(), one.gone.size, one.system)
                try:
                    self._attic.copy(key, folders.get(one.gone.mailbox), one.gone, place, name)
                except Damaged as error:
                    refused.append(f"{past}: {error}")
                else:
                    linked[one.gone.id] = name
            self._blobs.sync([place])
            done = self._enter(account, target.id, place, block, linked)
            for one in block:
                if one.gone.id in done:
                    del linked[one.gone.id]
                    self._attic.remove(key, folders.get(one.gone.mailbox), one.gone)
        finally:
            for name in linked.values():
                self._blobs.remove(place, name)
        self._count += len(done)
        self._told(self._count)

    def _enter(
        self, account: int, mailbox: int, place: Place, block: Sequence[Return], linked: dict[int, BodyName]
    ) -> set[int]:
        """Write the rows of a block; returns the numbers of those that no other restore brought back meanwhile."""
        with self._database.write() as connection:
            # The operator's command may go beyond the quota: what comes back was the owner's mail.
            ledger = Ledger(connection, account, Limits(None, None))
            state = ledger.mailbox(mailbox)
            if ledger.place(state) != place:
                raise NoSuchMailbox("the mailbox was renamed meanwhile: try again")
            still = take_gone(connection, list(linked))
            for one in block:
                if one.gone.id not in still:
                    continue
                ledger.add_message(
                    state,
                    modseq=ledger.next_modseq(),
                    system=one.system,
                    keywords=messages.split_keywords(one.keywords),
                    size=one.gone.size,
                    internal_date=one.gone.internal_date,
                    zone=one.gone.zone,
                    content=one.gone.content,
                    blob=linked[one.gone.id].blob,
                    saved_at=one.gone.saved_at,
                )
                if one.leaves is not None:
                    there, uid = one.leaves
                    messages.expunge(ledger, ledger.mailbox(there), messages.rows_of(connection, account, there, [uid]))
            rings = ledger.close()
        self._doorbell.ring(rings)
        return still

    def _grant(self, account: int, mailbox: int, grants: Sequence[Grant]) -> None:
        """Make a mailbox's access control list what it was."""
        before = {one.identifier: one.rights for one in grants}
        for one in {*before, *(grant.identifier for grant in self._store.sharing.acl(account, mailbox))}:
            self._store.sharing.change_acl(account, mailbox, one, lambda _, one=one: before.get(one))  # type: ignore[misc]


def _folder(
    connection: Connection,
    past: Past,
    now: dict[int, Mailbox],
    gone: dict[int, list[Gone]],
    newer: dict[int, list[tuple[int, int]]],
    flags: dict[tuple[int, int], tuple[int, str]],
    rights: bool,
) -> FolderPlan:
    plan = FolderPlan(past)
    box = now.get(past.id)
    if box is None:
        plan.missing = all(one.name != past.name for one in now.values())
    else:
        plan.now = box.name if box.name != past.name else None
        plan.rights = rights and acl.of_mailbox(connection, box.account, box.id) != past.grants
        plan.flags = _flags(connection, box, flags)
    for one in gone.get(past.id, ()):
        system, keywords = flags.get((past.id, one.uid), (one.system, one.keywords))
        standing = newer.get(one.content)
        plan.back.append(Return(one, system & ~_DELETED, keywords, standing.pop() if standing else None))
    return plan


def _flags(
    connection: Connection, box: Mailbox, flags: dict[tuple[int, int], tuple[int, str]]
) -> dict[tuple[int, str], list[int]]:
    then = {uid: value for (mailbox, uid), value in flags.items() if mailbox == box.id}
    found: defaultdict[tuple[int, str], list[int]] = defaultdict(list)
    for row in messages.rows_of(connection, box.account, box.id, list(then)):
        system, keywords = then[row.uid]
        if (system & ~_DELETED, keywords) != (row.system, " ".join(row.keywords)):
            found[system & ~_DELETED, keywords].append(row.uid)
    return dict(found)
