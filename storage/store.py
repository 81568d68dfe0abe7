"""The store: index and bodies together. The only file that touches both, and the place of their order:
bodies are durable before rows name them, and rows are gone before bodies are.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import compress

from sqlalchemy import Connection

from config.settings import Store as Settings
from message.content import Content
from message.summary import Summary, summarise
from storage import events, names
from storage.annotations import Annotations
from storage.blobs.api import BlobStore, BodyName, Place, Staged
from storage.committer import Committer, Entry, Target
from storage.database import Database, NewRow
from storage.doorbell import Doorbell
from storage.errors import (
    Damaged,
    LimitReached,
    MailboxExists,
    NoSuchMailbox,
    NoSuchMessage,
    NotPermitted,
    TooBig,
)
from storage.index import acl, mailboxes, messages, notes, pools
from storage.index.columns import Facts
from storage.index.ledger import Ledger, Limits, runs
from storage.index.pools import Pools
from storage.index.search import Search, time_check
from storage.index.sorting import ordered, threadable
from storage.index.state import MailboxState
from storage.index.threads import threads
from storage.model import (
    DELIMITER,
    EVERY_FLAG,
    HAS_ATTACHMENT,
    PHISHING,
    Changes,
    Columns,
    ContentRow,
    CopyResult,
    Filing,
    FlagChange,
    FlagResult,
    Mailbox,
    MessageRow,
    NewMessage,
    Quota,
    SearchKey,
    Settable,
    SortKey,
    SpecialUse,
    System,
    Thread,
    Threading,
)
from storage.names import INBOX
from storage.naming import Naming
from storage.pools import SharedQuotas
from storage.sharing import Sharing
from storage.sweeping import Sweeper
from storage.texts.api import TextIndex
from storage.texts.nothing import NoTexts
from storage.unchanged import Unchanged
from storage.uses import check_use
from storage.views import View, Views
from storage.zone import local_zone

#: Accounts that get their store in one transaction.
AT_ONCE = 500


class Store:
    """Implements ``storage.api.MailStore`` on a database and a body store."""

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        settings: Settings,
        doorbell: Doorbell,
        texts: TextIndex | None = None,
    ) -> None:
        """Without ``texts`` a search for text opens bodies."""
        self._database = database
        self._blobs = blobs
        self._settings = settings
        self._doorbell = doorbell
        self._limits = Limits(settings.quota_bytes or None, settings.quota_messages or None, settings.sent_reserve)
        self._committer = Committer(database, blobs, doorbell, self._limits)
        self._views = Views(database, settings.views)
        self._named: Unchanged[tuple[int, str], Mailbox] = Unchanged(database, settings.views)
        self._facts = Facts(database)
        self._naming = Naming(database, blobs)
        self._sweeper = Sweeper(database, blobs, settings, self.body, self._move_folders)
        self._texts = texts or NoTexts()
        self.sharing = Sharing(database, doorbell)
        self.annotations = Annotations(database, doorbell, settings)
        self.shared_quotas = SharedQuotas(database)
        self._keys: dict[int, str] = {}
        self._numbers: dict[str, int] = {}
        self._held: dict[int, int] = {}
        self._folders: dict[tuple[int, int], str] = {}

    def close(self) -> None:
        """Finish what is under way."""
        self._committer.close()

    # ---------------------------------------------------------------- accounts

    def open_account(self, key: str) -> int:
        number = self._numbers.get(key)
        return self.open_accounts([key])[key] if number is None else number

    def open_accounts(self, keys: Iterable[str]) -> dict[str, int]:
        found = {key: self._numbers.get(key) for key in keys}
        unknown = [key for key, number in found.items() if number is None]
        if unknown:
            with self._database.read() as connection:
                self._numbers |= mailboxes.account_numbers(connection, unknown)
        missing = [key for key in unknown if key not in self._numbers]
        for start in range(0, len(missing), AT_ONCE):
            with self._database.write() as connection:
                made = mailboxes.provision(connection, missing[start : start + AT_ONCE])
            self._numbers |= made
        return {key: self._numbers[key] for key in found}

    def quota(self, account: int) -> Quota:
        with self._database.read() as connection:
            found = mailboxes.quota(connection, account, self._limits.bytes, self._limits.messages)
        return dataclasses.replace(found, sent_reserve=self._limits.sent)

    def has_room(self, account: int, octets: int) -> bool:
        with self._database.read() as connection:
            own = mailboxes.quota(connection, account, self._limits.bytes, self._limits.messages)
            shared = pools.of_account(connection, account)
        return own.has_room(octets) and (shared is None or shared.has_room(octets))

    def set_quota(self, account: int, limit_bytes: int | None, limit_messages: int | None) -> None:
        with self._database.write() as connection:
            mailboxes.set_quota(connection, account, limit_bytes, limit_messages)

    def _key(self, account: int) -> str:
        key = self._keys.get(account)
        if key is None:
            with self._database.read() as connection:
                key = self._keys[account] = mailboxes.account_key(connection, account)
        return key

    @contextlib.contextmanager
    def _writing(self, account: int) -> Iterator[Connection]:
        """A write transaction that has the account to itself. Raises NoSuchAccount."""
        with self._database.write() as connection:
            mailboxes.hold(connection, account)
            yield connection

    # ---------------------------------------------------------------- mailboxes

    def _canonical(self, name: str) -> str:
        return names.canonical(name, octets=self._settings.mailbox_name, depth=self._settings.mailbox_depth)

    def mailboxes(self, account: int) -> list[Mailbox]:
        with self._database.read() as connection:
            return mailboxes.every(connection, account)

    def mailbox(self, account: int, name: str) -> Mailbox:
        return self._named.get((account, name), lambda: self._by_name(account, name))

    def mailbox_at_hand(self, account: int, name: str) -> Mailbox | None:
        return self._named.at_hand((account, name))

    def _by_name(self, account: int, name: str) -> Mailbox:
        name = INBOX if name.upper() == INBOX else name
        with self._database.read() as connection:
            # PostgreSQL can't be asked for a NUL.
            found = None if "\0" in name else mailboxes.by_name(connection, account, name)
            if found is None:
                found = mailboxes.by_name(connection, account, self._canonical(name))
        if found is None:
            raise NoSuchMailbox(f"no mailbox named {name}")
        return found

    def numbered(self, account: int, mailbox: int) -> Mailbox:
        with self._database.read() as connection:
            box = mailboxes.by_number(connection, account, mailbox)
        if box.name == names.HELD:
            raise NoSuchMailbox("no mailbox that anybody sees")
        return box

    def held_mail(self, account: int) -> Mailbox:
        number = self._held.get(account)
        if number is None:
            with self._database.read() as connection:
                number = mailboxes.held(connection, account)
            if number is None:
                with self._writing(account) as connection:
                    number = mailboxes.held(connection, account)
                    if number is None:
                        number = mailboxes.create(connection, account, names.HELD, None)
            self._held[account] = number
        with self._database.read() as connection:
            return mailboxes.by_number(connection, account, number)

    def create(self, account: int, name: str, use: SpecialUse | None = None) -> Mailbox:
        name = self._canonical(name)
        with self._writing(account) as connection:
            there = {box.name: box for box in mailboxes.every(connection, account)}
            if name in there:
                raise MailboxExists(f"there is a mailbox named {name}")
            wanted = [one for one in names.parents(name) if one not in there]
            if len(there) + len(wanted) + 1 > self._settings.mailboxes:
                raise LimitReached(f"an account may have {self._settings.mailboxes} mailboxes")
            check_use(use, name, there.values())
            numbers = {box.name: box.id for box in there.values()}
            for parent in wanted:
                _make(connection, account, parent, None, numbers)
            created = mailboxes.by_number(connection, account, _make(connection, account, name, use, numbers))
        for one in (*wanted, name):
            self._label(account, names.folder(one), one)
        self._doorbell.ring([(account, 0)])
        return created

    def set_use(self, account: int, mailbox: int, use: SpecialUse | None) -> None:
        with self._database.write() as connection:
            box = mailboxes.by_number(connection, account, mailbox)
            if use is not box.special_use:
                check_use(use, box.name, mailboxes.every(connection, account))
                mailboxes.set_use(connection, account, mailbox, use)
        self._doorbell.ring([(account, 0)])

    def delete(self, account: int, name: str) -> None:
        name = self._canonical(name)
        if name == INBOX:
            raise NotPermitted("INBOX can't be deleted")
        with self._writing(account) as connection:
            box = mailboxes.by_name(connection, account, name)
            if box is None:
                raise NoSuchMailbox(f"no mailbox named {name}")
            folder, _ = mailboxes.folder_of(connection, account, box.id)
            ledger = Ledger(connection, account, self._limits)
            ledger.forget_messages(ledger.mailbox(box.id))
            ledger.close()
            mailboxes.drop(connection, account, box.id)
        self._views.forget(account, box.id)
        self._blobs.rename_folder(self._key(account), folder, names.attic(box.id))
        self._doorbell.ring([(account, 0), (account, box.id)])

    def _label(self, account: int, folder: str, name: str) -> None:
        """Write a mailbox's name beside bodies whose folder does not tell it: a rebuild needs it."""
        if names.unfolded(folder) is None:
            self._blobs.make_folder(Place(self._key(account), folder), name)

    def rename(self, account: int, old: str, new: str) -> None:
        old, new = self._canonical(old), self._canonical(new)
        if new == INBOX:
            raise MailboxExists("INBOX is always there")
        if old == INBOX:
            self._rename_inbox(account, new)
            return
        if new.startswith(old + DELIMITER):
            raise NotPermitted("a mailbox can't become its own child")
        moved: list[tuple[int, str, str]] = []
        with self._writing(account) as connection:
            there = {box.name: box for box in mailboxes.every(connection, account)}
            inner = [box for box in there.values() if box.name.startswith(old + DELIMITER)]
            family = [there[old], *inner] if old in there else inner
            if not family:
                raise NoSuchMailbox(f"no mailbox named {old}")
            targets = {box.id: self._canonical(new + box.name[len(old) :]) for box in family}
            for target in targets.values():
                if target in there:
                    raise MailboxExists(f"there is a mailbox named {target}")
            numbers = {box.name: box.id for box in there.values()}
            for parent in names.parents(new):
                if parent not in there:
                    _make(connection, account, parent, None, numbers)
            for box in family:
                folder, _ = mailboxes.folder_of(connection, account, box.id)
                mailboxes.rename(connection, account, box.id, folder, targets[box.id])
                moved.append((box.id, folder, names.folder(targets[box.id])))
        self._move_folders(account, moved)
        for name in targets.values():
            self._label(account, names.folder(name), name)
        self._doorbell.ring([(account, 0)])

    def _move_folders(self, account: int, moved: Sequence[tuple[int, str, str]]) -> None:
        """Bring the folders on disk after their rows."""
        for _, was, now in moved:
            self._blobs.rename_folder(self._key(account), was, now)
        with self._writing(account) as connection:
            mailboxes.rename_done(connection, account, [number for number, _, _ in moved])

    def _rename_inbox(self, account: int, new: str) -> None:
        target = self.create(account, new)
        inbox = self.mailbox(account, INBOX)
        self.move(account, inbox.id, self.view(account, inbox.id).uids, target.id)
        # INBOX keeps its annotations, and its messages take them along (RFC 5464 section 4.1).
        with self._database.write() as connection:
            notes.copy(connection, account, inbox.id, target.id)

    def subscribe(self, account: int, name: str, on: bool) -> None:
        name = self._canonical(name)
        with self._writing(account) as connection:
            mailboxes.subscribe(connection, account, name, on)
        self._doorbell.ring([(account, 0)])

    def subscriptions(self, account: int) -> list[str]:
        with self._database.read() as connection:
            return mailboxes.subscriptions(connection, account)

    # ---------------------------------------------------------------- reading

    def view(self, account: int, mailbox: int) -> View:
        return self._views.look(account, mailbox)

    def view_at_hand(self, account: int, mailbox: int) -> View | None:
        return self._views.at_hand(account, mailbox)

    def claim_recent(self, account: int, mailbox: int) -> range:
        box = self.view(account, mailbox).mailbox
        if box.first_recent >= box.uidnext:
            return range(box.uidnext, box.uidnext)
        with self._database.write() as connection:
            ledger = Ledger(connection, account, self._limits)
            state = ledger.mailbox(mailbox)
            claimed = range(state.first_recent, state.uidnext)
            state.first_recent, state.changed = state.uidnext, True
            ledger.close()
        return claimed

    def changes(self, account: int, mailbox: int, since: int) -> Changes:
        with self._database.read() as connection:
            box = mailboxes.by_number(connection, account, mailbox)
            return messages.changes(connection, box, since)

    def vanished(self, account: int, mailbox: int, since: int) -> list[tuple[int, int]]:
        with self._database.read() as connection:
            return messages.vanished(connection, mailboxes.by_number(connection, account, mailbox), since)

    def contents(self, account: int, mailbox: int, uids: Sequence[int], columns: Columns) -> Iterator[ContentRow]:
        for start in range(0, len(uids), messages.BLOCK):
            with self._database.read() as connection:
                block = list(
                    messages.contents(connection, account, mailbox, uids[start : start + messages.BLOCK], columns)
                )
            yield from block

    def digests(self, account: int, mailbox: int) -> dict[int, bytes]:
        """SHA-256 of the octets of each message of a mailbox, by UID, as they were kept."""
        with self._database.read() as connection:
            return messages.digests(connection, account, mailbox)

    def body(self, account: int, mailbox: int, row: MessageRow) -> Content:
        name = _name(row)
        key = self._key(account)
        known = self._folders.get((account, mailbox))
        if known is not None:
            # Names of bodies are unique: one that is found under a remembered folder is the right one.
            with contextlib.suppress(Damaged):
                return self._blobs.open(Place(key, known), name)
        with self._database.read() as connection:
            folder, was = mailboxes.folder_of(connection, account, mailbox)
        if len(self._folders) >= self._settings.views:
            self._folders.clear()
        self._folders[account, mailbox] = folder
        try:
            return self._blobs.open(Place(key, folder), name)
        except Damaged:
            if was is not None:
                # The process ended between a rename's commit and the rename on disk.
                self._move_folders(account, [(mailbox, was, folder)])
                return self._blobs.open(Place(key, folder), name)
            with self._database.read() as connection:
                if not messages.rows_of(connection, account, mailbox, [row.uid]):
                    raise NoSuchMessage("the message was expunged") from None
            raise

    def search(self, account: int, mailbox: int, key: SearchKey, deadline: float | None = None) -> list[int]:
        return self._search(account, mailbox, deadline).run(key)

    def ranked(self, account: int, mailbox: int, key: SearchKey, deadline: float | None = None) -> dict[int, int]:
        search = self._search(account, mailbox, deadline)
        return {uid: search.relevancy(uid) for uid in search.run(key)}

    def _search(self, account: int, mailbox: int, deadline: float | None) -> Search:
        view = self.view(account, mailbox)
        return Search(
            self._database, self._facts, self._texts, view, lambda row: self.body(account, mailbox, row), deadline
        )

    def sort(
        self,
        account: int,
        mailbox: int,
        uids: Sequence[int],
        keys: Sequence[SortKey],
        relevancy: Mapping[int, int],
        deadline: float | None = None,
    ) -> list[int]:
        view = self.view(account, mailbox)
        return ordered(self._facts, view, view.some(uids), keys, relevancy, time_check(deadline))

    def threads(
        self, account: int, mailbox: int, uids: Sequence[int], how: Threading, deadline: float | None = None
    ) -> list[Thread]:
        view = self.view(account, mailbox)
        check = time_check(deadline)
        return threads(threadable(self._facts, view, view.some(uids), check), how, check)

    # ---------------------------------------------------------------- writing

    def append(
        self,
        account: int,
        mailbox: int,
        messages: Sequence[NewMessage],
        noted: Callable[[Connection, list[int]], None] | None = None,
    ) -> list[int]:
        """See ``storage.api.MailStore``. ``noted`` is told the UIDs within the transaction."""
        with self._committer.coming():
            return self._append(account, mailbox, messages, None, noted)

    def replace(self, account: int, mailbox: int, uid: int, to: int, message: NewMessage) -> int:
        with self._committer.coming():
            return self._append(account, to, [message], (mailbox, uid))[0]

    def _append(
        self,
        account: int,
        mailbox: int,
        messages: Sequence[NewMessage],
        replaces: tuple[int, int] | None,
        noted: Callable[[Connection, list[int]], None] | None = None,
    ) -> list[int]:
        now = int(time.time())
        bodies: list[Staged] = []
        try:
            self._check_size(*(one.content for one in messages))
            dates = [now if one.internal_date is None else one.internal_date for one in messages]
            summaries: list[Summary] = []
            bodies = self._blobs.stage_all(
                [(one.content, date) for one, date in zip(messages, dates, strict=True)],
                lambda: summaries.extend(one.summary or summarise(one.content.buffer()) for one in messages),
            )
            entries = [
                Entry(
                    target=Target(account, mailbox),
                    staged=staged,
                    summary=summary,
                    system=one.system,
                    keywords=tuple(sorted(one.keywords)),
                    internal_date=date,
                    zone=one.zone,
                    replaces=replaces,
                )
                for one, date, summary, staged in zip(messages, dates, summaries, bodies, strict=True)
            ]
            return [uid for _, _, uid in self._committer.keep(entries, noted=noted)]
        finally:
            for one in messages:
                one.content.close()
            for staged in bodies:
                self._blobs.discard(staged)

    def store_flags(
        self,
        account: int,
        mailbox: int,
        uids: Sequence[int],
        change: FlagChange,
        system: int,
        keywords: Iterable[str],
        unchanged_since: int | None = None,
        *,
        within: Settable = EVERY_FLAG,
    ) -> FlagResult:
        given = tuple(keywords)
        after: list[MessageRow] = []
        refused: list[int] = []
        with self._database.write() as connection:
            ledger = Ledger(connection, account, self._limits)
            state = ledger.mailbox(mailbox)
            before = state.modseq
            rows = self._rows(connection, account, mailbox, uids, state.modseq)
            if given and within.keywords and change is not FlagChange.REMOVE:
                self._check_keywords(self._keywords(connection, account, mailbox, before), given)
            modseq = 0
            if unchanged_since is not None:
                refused = [row.uid for row in rows if row.modseq > unchanged_since]
                rows = [row for row in rows if row.modseq <= unchanged_since]
            for alike in messages.by_flags(rows):
                was = alike[0]
                new_system, new_keywords = messages.combined(was, change, system, given, within)
                if new_system == was.system and new_keywords == was.keywords:
                    after += alike
                    continue
                modseq = modseq or ledger.next_modseq()
                if _marked(PHISHING, new_keywords) and not _marked(PHISHING, was.keywords):
                    for low, high in runs([row.uid for row in alike]):
                        ledger.add_events(events.REPORTED, state, state, range(low, high + 1))
                after += ledger.change_flags(state, alike, new_system, new_keywords, modseq)
            rings = ledger.close()
        if modseq:
            changed = tuple(row for row in after if row.modseq == modseq)
            news = Changes(modseq, state.uidnext, changed, ())
            self._views.tell(before, state.counters, account, mailbox, news)
        self._doorbell.ring(rings)
        return FlagResult(tuple(sorted(after)), tuple(refused))

    def _keywords(self, connection: Connection, account: int, mailbox: int, modseq: int) -> set[str]:
        """Keywords in use in a mailbox at ``modseq``, case-folded; from memory where they are."""
        view = self._views.at(account, mailbox, modseq)
        if view is None:
            return messages.keywords_in(connection, account, mailbox)
        return {keyword.casefold() for keyword in view.keywords}

    def _check_keywords(self, have: set[str], given: Sequence[str]) -> None:
        for keyword in given:
            if len(keyword) > self._settings.keyword_length:
                raise LimitReached(f"a keyword may have {self._settings.keyword_length} octets")
        if len(have | {keyword.casefold() for keyword in given}) > self._settings.keywords:
            raise LimitReached(f"a mailbox may have {self._settings.keywords} keywords")

    def copy(
        self,
        account: int,
        mailbox: int,
        uids: Sequence[int],
        to: int,
        *,
        to_account: int | None = None,
        within: Settable = EVERY_FLAG,
        every: bool = False,
    ) -> CopyResult:
        return self._transfer((account, mailbox), uids, (to_account or account, to), within, move=False, every=every)

    def move(
        self,
        account: int,
        mailbox: int,
        uids: Sequence[int],
        to: int,
        *,
        to_account: int | None = None,
        within: Settable = EVERY_FLAG,
        every: bool = False,
    ) -> CopyResult:
        return self._transfer((account, mailbox), uids, (to_account or account, to), within, move=True, every=every)

    def _transfer(
        self,
        start: tuple[int, int],
        uids: Sequence[int],
        end: tuple[int, int],
        within: Settable,
        *,
        move: bool,
        every: bool,
    ) -> CopyResult:
        (account, mailbox), (other, to) = start, end
        with self._database.read() as connection:
            source = Place(self._key(account), mailboxes.folder_of(connection, account, mailbox)[0])
            target = Place(self._key(other), mailboxes.folder_of(connection, other, to)[0])
            before = self._rows(connection, account, mailbox, uids, mailboxes.modseq_of(connection, account, mailbox))
        names = self._blobs.new_names(len(before))
        new = [BodyName(names.name(n), row.size, row.system & within.system) for n, row in enumerate(before)]
        linked = {row.blob: n for n, row in enumerate(before)}
        try:
            self._blobs.copy_all(source, target, [(_name(row), one) for row, one in zip(before, new, strict=True)])
            if linked:
                self._blobs.sync([target])
            with self._database.write() as connection:
                # In rising order, so that two processes can't wait for each other's row locks.
                shared = Pools(connection)
                ledgers = {one: Ledger(connection, one, self._limits, shared) for one in sorted({account, other})}
                giving, taking = ledgers[account], ledgers[other]
                here, there = giving.mailbox(mailbox), taking.mailbox(to)
                was = here.modseq
                if taking.place(there) != target:
                    raise NoSuchMailbox("the mailbox was renamed meanwhile: try again")
                found = self._rows(connection, account, mailbox, uids, here.modseq)
                rows = [row for row in found if row.blob in linked]
                if every and len(rows) < len(set(uids)):
                    raise NoSuchMessage("some of the messages were expunged")
                if not move or giving is not taking or not here.charged:
                    size = sum(row.size for row in rows)
                    if move and here.charged:
                        # What two accounts hold together stays the same when one gives it to the other.
                        giving.set_aside(-size, -len(rows))
                    taking.check_room(size, len(rows))
                    if move and here.charged:
                        giving.set_aside(size, len(rows))
                numbers = [linked[row.blob] for row in rows]
                if giving is taking:
                    arrived = taking.copy_messages(here, there, rows, names, numbers, within)
                    # What goes to somebody else says nothing of what its owner thinks of it.
                    taking.add_events("moved" if move else "copied", here, there, arrived)
                else:
                    arrived = _hand_over(giving, taking, there, rows, [new[n] for n in numbers], within)
                changed = [row.system != before[n].system for row, n in zip(rows, numbers, strict=True)]
                taking.name_later(there, list(compress(arrived, changed)))
                if move:
                    messages.expunge(giving, here, rows)
                rings = [ring for ledger in ledgers.values() for ring in ledger.close()]
            for row in rows:
                del linked[row.blob]
        finally:
            # What is still in here was linked for rows that went away meanwhile, or for a transaction that failed.
            for n in linked.values():
                self._blobs.remove(target, new[n])
        if move and rows and here is not there:
            gone = tuple(row.uid for row in rows)
            self._views.tell(was, here.counters, account, mailbox, Changes(here.modseq, here.uidnext, (), gone))
        self._doorbell.ring(rings)
        return CopyResult(there.uidvalidity, tuple(row.uid for row in rows), tuple(arrived))

    def _rows(
        self, connection: Connection, account: int, mailbox: int, uids: Sequence[int], modseq: int
    ) -> Sequence[MessageRow]:
        """Rows of those UIDs that exist in a mailbox at ``modseq``, by rising UID; from memory where they are."""
        view = self._views.at(account, mailbox, modseq)
        return messages.rows_of(connection, account, mailbox, uids) if view is None else view.some(sorted(set(uids)))

    def _deleted(self, connection: Connection, account: int, mailbox: int, modseq: int) -> list[MessageRow]:
        view = self._views.at(account, mailbox, modseq)
        if view is None:
            return messages.deleted_rows(connection, account, mailbox)
        deleted = int(System.DELETED)
        return [row for row in view.rows if row.system & deleted]

    def expunge(self, account: int, mailbox: int, uids: Sequence[int] | None = None) -> list[int]:
        with self._database.write() as connection:
            ledger = Ledger(connection, account, self._limits)
            state = ledger.mailbox(mailbox)
            before = state.modseq
            rows = self._deleted(connection, account, mailbox, before) if state.deleted else []
            if uids is not None:
                wanted = set(uids)
                rows = [row for row in rows if row.uid in wanted]
            gone = messages.expunge(ledger, state, rows)
            rings = ledger.close()
        if gone:
            news = Changes(state.modseq, state.uidnext, (), tuple(gone))
            self._views.tell(before, state.counters, account, mailbox, news)
        self._doorbell.ring(rings)
        return gone

    # ---------------------------------------------------------------- delivery

    def _check_size(self, *contents: Content) -> None:
        """Before anything is written. Raises TooBig."""
        limit = self._settings.message_size
        for one in contents:
            if one.size > limit:
                raise TooBig(f"a message may have {limit} octets, this one has {one.size}")

    def coming(self) -> AbstractContextManager[None]:
        return self._committer.coming()

    def deliver(
        self,
        filings: Sequence[Filing],
        content: Content | None,
        summary: Summary | None,
        received_at: float,
        along: Callable[..., None] | None = None,
        rows: Sequence[NewRow] = (),
    ) -> list[tuple[int, int, int]]:
        staged: Staged | None = None
        try:
            if filings:
                assert content is not None
                self._check_size(content)
                staged = self._blobs.stage(content, int(received_at))
                summary = summary or summarise(content.buffer())
            marks = [HAS_ATTACHMENT] * bool(summary and summary.has_attachment)
            return self._committer.keep(
                [
                    Entry(
                        target=Target(filing.account, use=filing.use, name=filing.mailbox),
                        staged=staged,
                        summary=summary,
                        system=filing.system,
                        keywords=tuple(sorted({*filing.keywords, *marks})),
                        internal_date=int(received_at),
                        zone=local_zone(received_at),
                    )
                    for filing in filings
                    if staged is not None and summary is not None
                ],
                along,
                rows,
            )
        finally:
            if staged is not None:
                self._blobs.discard(staged)

    # ---------------------------------------------------------------- news

    def watch(self, account: int, bell: Callable[[int], None]) -> Callable[[], None]:
        return self._doorbell.watch(account, bell)

    def events_after(self, cursor: int, limit: int) -> list[events.Event]:
        """Events with a number above ``cursor``, in order."""
        with self._database.read() as connection:
            return events.after(connection, cursor, limit)

    def event_body(self, event: events.Event) -> Content:
        """The message of an event, where it was put. Raises NoSuchMessage, NoSuchMailbox, Damaged."""
        with self._database.read() as connection:
            rows = messages.rows_of(connection, event.account, event.mailbox, [event.uid])
        if not rows:
            raise NoSuchMessage("the message went on since")
        return self.body(event.account, event.mailbox, rows[0])

    # ---------------------------------------------------------------- sweeping

    def sweep(self, now: float) -> int:
        """Unlink what nobody can bring back any more, see ``storage.sweeping``; returns how many bodies went.

        Called by one process now and then. ``now`` is seconds since the epoch.
        """
        return self._sweeper.sweep(now)

    def rename_bodies(self) -> int:
        """Bring file names after flags and removals; returns how many changes were made good.

        Called by one process every few seconds.
        """
        return self._naming.catch_up()

    def scrub(self, now: float, mailboxes_at_a_time: int) -> int:
        """Compare files and rows of the next few mailboxes, round and round; returns how many files were removed."""
        return self._sweeper.scrub(now, mailboxes_at_a_time)


def _make(connection: Connection, account: int, name: str, use: SpecialUse | None, numbers: dict[str, int]) -> int:
    """A mailbox with the rights of the one above it; ``numbers`` are those that are there, the new one included."""
    numbers[name] = mailboxes.create(connection, account, name, use)
    above = name.rpartition(DELIMITER)[0]
    if above:
        acl.inherit(connection, account, numbers[above], numbers[name])
    return numbers[name]


def _name(row: MessageRow) -> BodyName:
    return BodyName(row.blob, row.size, row.system)


def _hand_over(
    giving: Ledger,
    taking: Ledger,
    there: MailboxState,
    rows: Sequence[MessageRow],
    names: Sequence[BodyName],
    within: Settable,
) -> range:
    """Rows of one account also in a mailbox of another one; returns their UIDs there."""
    contents = {one: taking.adopt_content(giving.account, one) for one in {row.content for row in rows}}
    first, modseq = there.uidnext, taking.next_modseq()
    for row, name in zip(rows, names, strict=True):
        taking.add_message(
            there,
            modseq=modseq,
            system=row.system & within.system,
            keywords=row.keywords if within.keywords else (),
            size=row.size,
            internal_date=row.internal_date,
            zone=row.zone,
            content=contents[row.content],
            blob=name.blob,
        )
    return range(first, there.uidnext)


def _marked(keyword: str, keywords: Iterable[str]) -> bool:
    """Whether a keyword is among others, in any case (RFC 9051 section 2.3.2)."""
    return keyword.casefold() in map(str.casefold, keywords)
