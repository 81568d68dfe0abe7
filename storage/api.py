"""The contract of the store: what listeners and delivery may ask of it.

Every method blocks, is safe to call from any thread, and raises only errors of ``storage.errors``. What a method that
changes something has returned is durable: files and directories are fsynced and the transaction is committed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from sqlalchemy import Connection

from message.content import Content
from message.summary import Summary
from storage.database import NewRow
from storage.model import (
    EVERY_FLAG,
    Changes,
    Columns,
    ContentRow,
    CopyResult,
    Filing,
    FlagChange,
    FlagResult,
    Grant,
    Mailbox,
    MessageRow,
    NewMessage,
    Quota,
    SearchKey,
    Settable,
    SharedQuota,
    SortKey,
    SpecialUse,
    Thread,
    Threading,
    UseChange,
)

#: Rows that commit together with a delivery (queue, trace): called inside the transaction, must not block on
#: anything else.
AlongWith = Callable[[Connection], None]


class MailboxView(Protocol):
    """A mailbox's light rows at one mod-sequence; immutable, shared by the sessions of a process."""

    @property
    def mailbox(self) -> Mailbox: ...

    @property
    def highest_modseq(self) -> int: ...

    @property
    def uids(self) -> Sequence[int]:
        """All UIDs, rising."""
        ...

    @property
    def rows(self) -> Sequence[MessageRow]:
        """All rows, by rising UID."""
        ...

    @property
    def keywords(self) -> frozenset[str]:
        """All keywords of its rows."""
        ...

    @property
    def first_unseen(self) -> int | None:
        """The place of the first row without SEEN; the first place is 0."""
        ...

    @property
    def summed(self) -> bool:
        """True when what is of all rows (``keywords``, ``first_unseen``) was computed before."""
        ...

    def row(self, uid: int) -> MessageRow | None:
        """The row of a UID, None when it is gone."""
        ...

    def changed_since(self, modseq: int) -> Sequence[MessageRow]:
        """Rows with a higher mod-sequence, by rising UID. Quick for what happened lately."""
        ...


class Sharing(Protocol):
    """Access control lists, and who shares something with whom. What rights allow is the listener's to say."""

    def account_number(self, key: str) -> int | None:
        """The store's number of an account, None while it has no mail store; never makes one."""
        ...

    def acl(self, account: int, mailbox: int) -> tuple[Grant, ...]:
        """The entries of a mailbox's list, by identifier."""
        ...

    def acls(self, account: int) -> dict[int, tuple[Grant, ...]]:
        """The same for all mailboxes of an account that have entries, by mailbox number."""
        ...

    def change_acl(
        self, account: int, mailbox: int, identifier: str, combined: Callable[[str | None], str | None]
    ) -> None:
        """Replace an entry's rights by what ``combined`` makes of them in the transaction; None is no entry.

        Raises NoSuchMailbox, LimitReached.
        """
        ...

    def accounts_that_share(self, identifiers: Iterable[str]) -> dict[int, str]:
        """Numbers and keys of the accounts that have an entry for one of the identifiers."""
        ...


class SharedQuotas(Protocol):
    """Quotas of groups of accounts, which count beside the accounts' own."""

    def of(self, account: int) -> SharedQuota | None:
        """The one that an account takes from, with its use."""
        ...


class Annotations(Protocol):
    """What is noted of mailboxes (RFC 5464). Names of entries are in lower case and begin with /shared or /private.

    Mailbox 0 is the server; as account, ``storage.model.SERVER`` has what is shared of it, and every account what is
    its own. ``reader`` is the account whose private entries are meant beside those that are shared.
    """

    def sizes(self, account: int, mailbox: int, reader: int) -> dict[str, int]:
        """Octets of all entries of a mailbox, by name in order."""
        ...

    def values(
        self, account: int, reader: int, entries: Iterable[str], mailbox: int | None = None
    ) -> dict[int, dict[str, bytes]]:
        """Those of the entries that are there, by mailbox and name; of all mailboxes if none is given."""
        ...

    def change(
        self,
        account: int,
        mailbox: int,
        reader: int,
        values: Mapping[str, bytes | None],
        use: UseChange | None = None,
    ) -> int:
        """Set entries, take away those with None, and set the special use, all or nothing; returns the mod-sequence.

        Raises NoSuchMailbox, AnnotationTooBig, TooManyAnnotations, OverQuota, UseRefused.
        """
        ...

    def highest(self, account: int) -> int:
        """The mod-sequence of the last change of an account's mailboxes; 0 when there was none."""
        ...

    def changed(self, account: int, reader: int, since: int) -> list[tuple[int, int, str]]:
        """Mod-sequence, mailbox and name of entries changed after a mod-sequence, in order; removed ones too."""
        ...


class MailStore(Protocol):
    """Mailboxes and messages of all accounts."""

    @property
    def annotations(self) -> Annotations: ...

    @property
    def sharing(self) -> Sharing: ...

    @property
    def shared_quotas(self) -> SharedQuotas: ...

    # accounts
    def open_account(self, key: str) -> int:
        """The store's number of the account, provisioned with its standard folders at the first call."""
        ...

    def open_accounts(self, keys: Iterable[str]) -> dict[str, int]:
        """The same for several, by key."""
        ...

    def quota(self, account: int) -> Quota: ...

    def has_room(self, account: int, octets: int) -> bool:
        """Whether one more message of so many octets fits the quota now, and what the account shares with others."""
        ...

    def set_quota(self, account: int, limit_bytes: int | None, limit_messages: int | None) -> None: ...

    # mailboxes
    def mailboxes(self, account: int) -> list[Mailbox]:
        """All mailboxes, by name."""
        ...

    def mailbox(self, account: int, name: str) -> Mailbox:
        """One mailbox by name (INBOX in any case). Raises NoSuchMailbox."""
        ...

    def mailbox_at_hand(self, account: int, name: str) -> Mailbox | None:
        """The same where it is known without I/O and without waiting, else None: for threads that may not wait."""
        ...

    def numbered(self, account: int, mailbox: int) -> Mailbox:
        """One mailbox by its number. Raises NoSuchMailbox."""
        ...

    def held_mail(self, account: int) -> Mailbox:
        """The mailbox ``storage.names.HELD``, made if need be: for mail that is held back from its recipient.

        Nobody sees it: of all methods that take a name none finds it, but ``deliver`` and those that take numbers do.
        What is in it does not count against the quota. See ``storage.held``.
        """
        ...

    def create(self, account: int, name: str, use: SpecialUse | None = None) -> Mailbox:
        """Make a mailbox and its missing parents. Raises MailboxExists, InvalidName, LimitReached, UseRefused."""
        ...

    def set_use(self, account: int, mailbox: int, use: SpecialUse | None) -> None:
        """Say what a mailbox is used for (RFC 6154); one mailbox of an account has a use, and not INBOX.

        Raises NoSuchMailbox, UseRefused.
        """
        ...

    def delete(self, account: int, name: str) -> None:
        """Remove a mailbox and its messages; its children stay. Raises NoSuchMailbox, NotPermitted (INBOX)."""
        ...

    def rename(self, account: int, old: str, new: str) -> None:
        """Rename with all inferiors; of INBOX, move its messages away (RFC 9051 section 6.3.6)."""
        ...

    def subscribe(self, account: int, name: str, on: bool) -> None: ...

    def subscriptions(self, account: int) -> list[str]:
        """Subscribed names, whether or not such a mailbox exists."""
        ...

    # reading
    def view(self, account: int, mailbox: int) -> MailboxView:
        """The mailbox as it is now. Raises NoSuchMailbox when it was deleted."""
        ...

    def view_at_hand(self, account: int, mailbox: int) -> MailboxView | None:
        """The same where it is known without I/O and without waiting, else None: for threads that may not wait."""
        ...

    def claim_recent(self, account: int, mailbox: int) -> range:
        """Take, for a read-write session, the UIDs that no other was told of: they are \\Recent there alone."""
        ...

    def changes(self, account: int, mailbox: int, since: int) -> Changes:
        """What happened after mod-sequence ``since``. Raises NoSuchMailbox when it was deleted."""
        ...

    def vanished(self, account: int, mailbox: int, since: int) -> list[tuple[int, int]]:
        """Rising, inclusive ranges of the UIDs that went away after mod-sequence ``since``.

        Where the store no longer knows, all UIDs that were given out and are not there. Raises NoSuchMailbox.
        """
        ...

    def contents(self, account: int, mailbox: int, uids: Sequence[int], columns: Columns) -> Iterator[ContentRow]:
        """Content columns of the UIDs that still exist, in the order of ``uids``, read in blocks."""
        ...

    def body(self, account: int, mailbox: int, row: MessageRow) -> Content:
        """The octets of a message. Raises NoSuchMessage (expunged), Damaged."""
        ...

    def search(self, account: int, mailbox: int, key: SearchKey, deadline: float | None = None) -> list[int]:
        """UIDs that match, rising. ``deadline`` is a ``time.monotonic`` value; past it Unavailable is raised."""
        ...

    def ranked(self, account: int, mailbox: int, key: SearchKey, deadline: float | None = None) -> dict[int, int]:
        """The same, each with its relevancy from 1 to 100 (RFC 6203 section 4), by rising UID."""
        ...

    def sort(
        self,
        account: int,
        mailbox: int,
        uids: Sequence[int],
        keys: Sequence[SortKey],
        relevancy: Mapping[int, int],
        deadline: float | None = None,
    ) -> list[int]:
        """Those of the UIDs (rising) that are there, in the order of the keys. ``relevancy`` as ``ranked`` gives it.

        No body is opened. Past the deadline Unavailable is raised.
        """
        ...

    def threads(
        self, account: int, mailbox: int, uids: Sequence[int], how: Threading, deadline: float | None = None
    ) -> list[Thread]:
        """Those of the UIDs (rising) that are there, as threads. No body is opened; Unavailable past the deadline."""
        ...

    # writing
    def append(self, account: int, mailbox: int, messages: Sequence[NewMessage]) -> list[int]:
        """Keep messages, all or none; returns their UIDs in order. Raises OverQuota, TooBig, LimitReached, DiskFull."""
        ...

    def replace(self, account: int, mailbox: int, uid: int, to: int, message: NewMessage) -> int:
        """Keep a message in mailbox ``to`` and remove another in one transaction; returns the new UID.

        Only what it needs beyond the other counts for the quota. Raises NoSuchMessage, and what ``append`` raises.
        """
        ...

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
        """Change flags of the UIDs that exist. Rows that stay the same keep their mod-sequence.

        With REPLACE the keywords and system flags are set to exactly those given; flags that are not ``within`` stay
        as they are. Raises LimitReached (keywords).
        """
        ...

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
        """Copy to mailbox number ``to``, of ``to_account`` if given, whose quota it takes. Raises OverQuota.

        Dates are kept, and of flags and keywords those ``within``. UIDs that are gone are left out; with ``every``
        nothing is copied then, and NoSuchMessage raised.
        """
        ...

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
        """The same as a move in one transaction: a message is never in both places nor in none."""
        ...

    def expunge(self, account: int, mailbox: int, uids: Sequence[int] | None = None) -> list[int]:
        """Remove messages that have DELETED (only those of ``uids`` if given); returns the UIDs removed, rising."""
        ...

    # delivery
    def coming(self) -> AbstractContextManager[None]:
        """Within it the calling thread is on its way to ``deliver`` something: commits wait a little for it."""
        ...

    def deliver(
        self,
        filings: Sequence[Filing],
        content: Content | None,
        summary: Summary | None,
        received_at: float,
        along: AlongWith | None = None,
        rows: Sequence[NewRow] = (),
    ) -> list[tuple[int, int, int]]:
        """Keep one message for many accounts, written once, in a commit shared with concurrent deliveries.

        Returns (account, mailbox id, uid) for each filing, in order. ``along`` runs in the same transaction, and
        ``rows`` are written in it, together with those of other deliveries; with no filings this is all that is done
        (``content`` may then be None). Raises TooBig, and OverQuota for the accounts that have no room
        (nothing is kept for anybody: the caller leaves them out and calls again), DiskFull, Unavailable.
        """
        ...

    # news
    def watch(self, account: int, bell: Callable[[int], None]) -> Callable[[], None]:
        """Call ``bell(mailbox_id)`` from some thread soon after a mailbox of the account changes, in any process.

        Mailbox number 0 means "something of the account". A hint: look with ``changes``. Returns the function that
        ends the watch.
        """
        ...
