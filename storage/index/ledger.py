"""Bookkeeping of one account within one write transaction.

A ledger reads the account's row (locking it where the database has row locks) and the rows of the mailboxes it is
asked for, gives out UIDs and mod-sequences, keeps the counters, and writes everything back at ``close``. All changes
of mail go through it: there is no second place where a counter is touched.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from message.summary import Summary
from storage import tables
from storage.blobs.api import BodyName, Place, Series
from storage.database import take_turn
from storage.errors import NoSuchAccount, NoSuchMailbox, OverQuota
from storage.events import REPORTED
from storage.index import statements
from storage.index.copying import copy_rows, note_copies
from storage.index.pools import Pools
from storage.index.state import MailboxState
from storage.model import MessageRow, Settable, SpecialUse
from storage.names import HELD
from storage.prepared import Prepared
from storage.zone import local_zone

#: Messages by which copies of sent mail may exceed a limit, where there is a reserve for them.
SENT_MESSAGES = 100


@dataclass(frozen=True, slots=True)
class Limits:
    """The site's defaults for accounts that have no limits of their own; None means none."""

    bytes: int | None
    messages: int | None
    #: Octets by which copies of sent mail may exceed a limit.
    sent: int = 0


_row = MessageRow._make


def join_keywords(keywords: tuple[str, ...]) -> str:
    """Keywords as one column: they are atoms and hold no space."""
    return " ".join(keywords)


def runs(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Rising numbers as inclusive ranges."""
    if numbers and numbers[-1] - numbers[0] == len(numbers) - 1:
        return [(numbers[0], numbers[-1])]
    ranges: list[tuple[int, int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return ranges


class Ledger:
    """See the module. Raises NoSuchAccount."""

    def __init__(self, connection: Connection, account: int, defaults: Limits, shared: Pools | None = None) -> None:
        """Ledgers of one transaction have the same ``shared``."""
        self._connection = connection
        self.account = account
        row = statements.ACCOUNT.first(connection, {"account": account})
        if row is None:
            raise NoSuchAccount(f"no account number {account}")
        self.key: str
        self._modseq: int
        self._next_content: int
        self._used_bytes: int
        self._used_messages: int
        self._pool: str | None
        (
            *(self.key, self._modseq, self._next_content, self._used_bytes, self._used_messages, octets, count),
            self._pool,
        ) = row
        self._shared = shared or Pools(connection)
        self._sent = defaults.sent
        self._limit_bytes = defaults.bytes if octets is None else octets or None
        self._limit_messages = defaults.messages if count is None else count or None
        self._mailboxes: dict[int, MailboxState] = {}
        self._rows: dict[Prepared, list[dict[str, object]]] = {}
        #: UIDs that get the same flags, by mailbox, system flags, keywords and mod-sequence; and
        #: those to be taken away, by mailbox and mod-sequence.
        self._flags: defaultdict[tuple[int, int, str, int], list[int]] = defaultdict(list)
        self._gone: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        #: UIDs whose files are to get other names, by mailbox.
        self._names: defaultdict[int, list[int]] = defaultdict(list)
        self._copies: list[Callable[[], None]] = []
        self._touched = False
        self._now = int(time.time())

    # ---------------------------------------------------------------- reading

    def mailbox(self, number: int) -> MailboxState:
        """The mailbox row. Raises NoSuchMailbox."""
        state = self._mailboxes.get(number)
        if state is None:
            row = statements.MAILBOX.first(self._connection, {"account": self.account, "mailbox": number})
            if row is None:
                raise NoSuchMailbox("the mailbox is gone")
            state = MailboxState(*row)
            state.special_use = SpecialUse(state.special_use) if state.special_use else None
            self._mailboxes[number] = state
        return state

    def place(self, state: MailboxState) -> Place:
        """Where the mailbox's bodies are."""
        return Place(self.key, state.folder)

    # ---------------------------------------------------------------- numbers

    def next_modseq(self) -> int:
        """A mod-sequence above all that this account ever had."""
        self._modseq += 1
        self._touched = True
        return self._modseq

    def check_room(self, octets: int, messages: int, *, sent: bool = False) -> None:
        """Raises OverQuota when so much more would exceed a limit, with ``sent`` by more than its reserve."""
        if sent and self._sent:
            octets, messages = octets - self._sent, messages - SENT_MESSAGES
        if self._limit_bytes is not None and self._used_bytes + octets > self._limit_bytes:
            raise OverQuota(self.account, f"the quota of {self._limit_bytes} octets would be exceeded")
        if self._limit_messages is not None and self._used_messages + messages > self._limit_messages:
            raise OverQuota(self.account, f"the quota of {self._limit_messages} messages would be exceeded")
        if self._pool is not None:
            self._shared.check_room(self.account, self._pool, octets, messages)

    def set_aside(self, octets: int, messages: int) -> None:
        """Count room of a shared quota as taken until it is given back by the same less than 0."""
        if self._pool is not None:
            self._shared.charge(self._pool, octets, messages)

    # ---------------------------------------------------------------- changing

    def add_content(self, summary: Summary, digest: bytes, number: int | None = None) -> int:
        """Keep what a message holds; returns its number. ``number`` is one that lost its row."""
        if number is None:
            number = self._next_content
            self._next_content += 1
        self._queue(
            statements.INSERT_CONTENT,
            account_id=self.account,
            id=number,
            digest=digest,
            envelope=summary.envelope,
            bodystructure=summary.bodystructure,
            fields=summary.fields,
            parts=summary.parts,
            subject=summary.subject,
            base_subject=summary.base_subject,
            from_=summary.from_,
            to=summary.to,
            cc=summary.cc,
            bcc=summary.bcc,
            message_id=summary.message_id,
            references=summary.references,
            sent_at=summary.sent_at,
            sent_day=summary.sent_day,
            has_attachment=summary.has_attachment,
            preview=summary.preview,
        )
        return number

    def adopt_content(self, account: int, number: int) -> int:
        """Take over what a message of another account holds; returns its number here."""
        c = tables.content.c
        query = select(tables.content).where(c.account_id == account, c.id == number)
        row = self._connection.execute(query).mappings().one()
        adopted = self._next_content
        self._next_content += 1
        self._touched = True
        self._queue(statements.INSERT_CONTENT, **{**row, "account_id": self.account, "id": adopted})
        return adopted

    def add_message(
        self,
        state: MailboxState,
        *,
        modseq: int,
        system: int,
        keywords: tuple[str, ...],
        size: int,
        internal_date: int,
        zone: int,
        content: int,
        blob: str,
        saved_at: int | None = None,
    ) -> int:
        """A new row in a mailbox; returns its UID. Charges the quota without checking it.

        ``saved_at`` is when it came into the mailbox, in seconds since the epoch; None means now.
        """
        uid = state.uidnext
        state.uidnext += 1
        state.modseq = modseq
        state.count(system, size, 1)
        self._charge(state, size, 1)
        self._queue(
            statements.INSERT_MESSAGE,
            account_id=self.account,
            mailbox_id=state.id,
            uid=uid,
            modseq=modseq,
            system=system,
            keywords=join_keywords(keywords),
            size=size,
            internal_date=internal_date,
            zone=zone,
            content_id=content,
            blob=blob,
            saved_at=self._now if saved_at is None else saved_at,
        )
        return uid

    def add_removed(
        self, state: MailboxState, name: BodyName, date: int, content: int, removed_at: int, *, shelved: bool
    ) -> None:
        """Note a message as gone from a mailbox since ``removed_at``, that came at ``date`` (seconds since the epoch).

        It takes a UID that no other has.
        """
        self._queue(
            statements.INSERT_REMOVED,
            account_id=self.account,
            mailbox_id=state.id,
            uid=state.uidnext,
            content_id=content,
            blob=name.blob,
            size=name.size,
            system=name.system,
            keywords="",
            internal_date=date,
            zone=local_zone(date),
            saved_at=date,
            removed_at=removed_at,
            shelved=shelved,
        )
        state.uidnext += 1
        state.changed = self._touched = True

    def copy_messages(
        self,
        source: MailboxState,
        target: MailboxState,
        rows: Sequence[MessageRow],
        names: Series,
        numbers: Sequence[int],
        within: Settable,
    ) -> range:
        """Rows of a mailbox also in another one of the account, with the flags ``within``; returns their UIDs.

        ``numbers`` are the places of their bodies' names in ``names``.
        """
        first, modseq = target.uidnext, self.next_modseq()
        target.uidnext += len(rows)
        target.modseq = modseq
        for system, count in Counter(row.system & within.system for row in rows).items():
            target.count(system, 0, count)
        size = sum(row.size for row in rows)
        target.size += size
        self._charge(target, size, len(rows))
        self._copies.append(
            lambda: copy_rows(
                *(self._connection, self.account, source.id, target.id, [row.uid for row in rows], names, numbers),
                first=first,
                modseq=modseq,
                within=within,
                saved_at=self._now,
            )
        )
        return range(first, first + len(rows))

    def name_later(self, state: MailboxState, uids: Sequence[int]) -> None:
        """The files of messages are to get other names."""
        if uids:
            self._names[state.id] += uids

    def change_flags(
        self, state: MailboxState, rows: Sequence[MessageRow], system: int, keywords: tuple[str, ...], modseq: int
    ) -> list[MessageRow]:
        """New flags for rows that have the same ones; returns the rows as they are then."""
        state.count(rows[0].system, 0, -len(rows))
        state.count(system, 0, len(rows))
        state.modseq = modseq
        uids = [row[0] for row in rows]
        self._flags[state.id, system, join_keywords(keywords), modseq] += uids
        if system != rows[0].system:
            self._names[state.id] += uids
        return [_row((row[0], modseq, system, keywords, *row[4:])) for row in rows]

    def remove_messages(self, state: MailboxState, rows: Sequence[MessageRow], modseq: int) -> None:
        """Take rows away; their bodies are left for ``storage.naming`` and the sweeper."""
        for system, number in Counter(row.system for row in rows).items():
            state.count(system, 0, -number)
        size = sum(row.size for row in rows)
        state.size -= size
        state.modseq = modseq
        self._charge(state, -size, -len(rows))
        uids = [row.uid for row in rows]
        self._gone[state.id, modseq] += uids
        self._names[state.id] += uids

    def forget_messages(self, state: MailboxState) -> None:
        """Take the charges of a mailbox that is being deleted away."""
        self._charge(state, -state.size, -state.messages)

    def _charge(self, state: MailboxState, octets: int, messages: int) -> None:
        if state.charged:
            self._used_bytes += octets
            self._used_messages += messages
            if self._pool is not None:
                self._shared.charge(self._pool, octets, messages)
        self._touched = True

    def recount(self, state: MailboxState, rows: Sequence[MessageRow]) -> None:
        """Set a mailbox's counters by its rows, all of them by rising UID. UIDs and mod-sequences never go back."""
        state.messages = state.unseen = state.deleted = state.size = 0
        for row in rows:
            state.count(row.system, row.size, 1)
        if rows:
            state.uidnext = max(state.uidnext, rows[-1].uid + 1)
        self._modseq = max(self._modseq, state.modseq, *(row.modseq for row in rows))
        # Who shows the mailbox must look at it again.
        state.modseq = self.next_modseq()

    def recount_use(self) -> None:
        """Set what the account has used by its rows."""
        self._used_bytes, self._used_messages = used(self._connection, self.account)
        self._touched = True

    def add_events(self, kind: str, source: MailboxState, target: MailboxState, uids: range) -> None:
        """Record what its owner did with messages, which are at ``uids`` now. What was held back was taken for junk.

        Of moves those that say something of a message: into Junk and out of it.
        """
        was = source.special_use if source.charged else SpecialUse.JUNK
        if kind != REPORTED and (was is SpecialUse.JUNK) is (target.special_use is SpecialUse.JUNK):
            return
        uses = tuple(use.value if use else None for use in (was, target.special_use))

        def note() -> None:
            # Readers keep a cursor: an event may not become visible before one with a lower number.
            take_turn(self._connection, "events")
            note_copies(self._connection, self.account, target.id, uids, kind=kind, uses=uses, at=self._now)

        self._copies.append(note)

    # ---------------------------------------------------------------- the end

    def _queue(self, statement: Prepared, **values: object) -> None:
        self._rows.setdefault(statement, []).append(values)

    def _name(self, statement: Prepared, mailbox: int, ranges: Sequence[tuple[int, int]], **values: object) -> None:
        """Do one thing to many messages, by ranges in which there is no other message."""
        where = {"_account": self.account, "_mailbox": mailbox, **values}
        statement.run_many(self._connection, [{**where, "_low": low, "_high": high} for low, high in ranges])

    def _note_names(self, mailbox: int, uids: list[int]) -> None:
        of = {"account_id": self.account, "mailbox_id": mailbox, "at": self._now}
        ranges = runs(sorted(set(uids)))
        statements.NOTE_NAMES.run_many(self._connection, [{**of, "low": low, "high": high} for low, high in ranges])

    def close(self) -> list[tuple[int, int]]:
        """Write everything; returns the (account, mailbox) pairs that changed."""
        for statement, rows in self._rows.items():
            statement.run_many(self._connection, rows)
        self._rows.clear()
        for copy in self._copies:
            copy()
        self._copies.clear()
        for (mailbox, system, keywords, modseq), uids in self._flags.items():
            ranges = runs(uids)
            self._name(statements.NOTE_FLAGS, mailbox, ranges, at=self._now)
            self._name(statements.SAVE_FLAGS, mailbox, ranges, system=system, keywords=keywords, modseq=modseq)
        self._flags.clear()
        for (mailbox, modseq), uids in self._gone.items():
            ranges = runs(uids)
            self._name(statements.NOTE_EXPUNGED, mailbox, ranges, modseq=modseq)
            self._name(statements.NOTE_REMOVED, mailbox, ranges, removed_at=self._now)
            self._name(statements.DELETE_MESSAGES, mailbox, ranges)
        self._gone.clear()
        for mailbox, uids in self._names.items():
            self._note_names(mailbox, uids)
        self._names.clear()
        changed = [state for state in self._mailboxes.values() if state.changed]
        if changed:
            statements.SAVE_MAILBOX.run_many(
                self._connection,
                [
                    {
                        "_account": self.account,
                        "_mailbox": state.id,
                        "uidnext": state.uidnext,
                        "modseq": state.modseq,
                        "messages": state.messages,
                        "unseen": state.unseen,
                        "deleted": state.deleted,
                        "size": state.size,
                        "first_recent": state.first_recent,
                    }
                    for state in changed
                ],
            )
        if self._touched:
            statements.SAVE_ACCOUNT.run(
                self._connection,
                {
                    "_account": self.account,
                    "modseq": self._modseq,
                    "next_content": self._next_content,
                    "used_bytes": self._used_bytes,
                    "used_messages": self._used_messages,
                },
            )
        return [(self.account, state.id) for state in changed]


def used(connection: Connection, account: int) -> tuple[int, int]:
    """Octets and messages of an account that count against its quota, by its rows."""
    b, m = tables.mailbox.c, tables.message.c
    held = select(b.id).where(b.account_id == account, b.name == HELD)
    query = select(func.coalesce(func.sum(m.size), 0), func.count())
    octets, count = connection.execute(query.where(m.account_id == account, m.mailbox_id.not_in(held))).one()
    return int(octets), int(count)
