"""What a command may use: the services, and the state of its session."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from config.settings import Imap as Settings
from directory.api import SignInDoor
from directory.model import Account
from imap.errors import Refused
from imap.rendered import RenderedBlocks
from imap.session.selected import News, SelectedMailbox
from imap.session.states import State
from imap.watch import Watch
from imap.wire import encoder
from imap.wire.responses import Exists, Expunged, FetchData, Flags, RecentCount, Response, ok
from storage.api import MailboxView, MailStore
from storage.errors import NoSuchMailbox
from storage.model import Mailbox, MessageRow

#: Seconds after which a session looks for news though no bell rang.
LOOK_AGAIN = 60.0

#: Seconds to wait before asking a store again that could not tell the news.
RETRY = 1.0


class Admission(Protocol):
    """Counts sessions of an account; safe from any thread."""

    def admit(self, account: str, address: str) -> bool:
        """False when the account has too many sessions from that address."""
        ...

    def leave(self, account: str, address: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Services:
    """What all sessions of a process share. ``failure_delay`` is in seconds."""

    store: MailStore
    door: SignInDoor
    settings: Settings
    admission: Admission
    failure_delay: float = 2.0
    tls: bool = True
    rendered: RenderedBlocks = field(default_factory=RenderedBlocks)


class MailboxGone(Exception):
    """The selected mailbox was deleted or made anew by somebody: the session can't go on (RFC 2180 section 3.3)."""


@dataclass
class Context:
    """State of one session, used by one command at a time.

    ``trusted`` is true where the client's network may sign in without TLS. ``wake`` is called from any thread when
    there may be news while the session waits for them. ``number`` is the store's number of the account; ``looked`` and
    ``not_before`` are ``time.monotonic`` values: of the last look for news, and until when not to look.
    """

    services: Services
    address: str
    tls: bool
    trusted: bool
    wake: Callable[[], None]
    state: State = State.NOT_AUTHENTICATED
    account: Account | None = None
    number: int = 0
    failures: int = 0
    enabled: set[str] = field(default_factory=set)
    selected: SelectedMailbox | None = None
    watch: Watch | None = None
    looked: float = 0.0
    not_before: float = 0.0

    @property
    def store(self) -> MailStore:
        return self.services.store

    @property
    def settings(self) -> Settings:
        return self.services.settings

    @property
    def may_sign_in(self) -> bool:
        return self.tls or self.trusted

    @property
    def condstore(self) -> bool:
        return "CONDSTORE" in self.enabled

    def box(self) -> SelectedMailbox:
        """The selected mailbox; commands that ask for it are only allowed where there is one."""
        if self.selected is None:
            raise Refused("No mailbox is selected")
        return self.selected

    def writable(self) -> SelectedMailbox:
        """The same, for commands that change it. Refused after EXAMINE."""
        box = self.box()
        if box.read_only:
            raise Refused("The mailbox is selected read-only", b"NOPERM")
        return box

    # ---------------------------------------------------------------- selecting

    def select(self, mailbox: Mailbox, *, read_only: bool) -> SelectedMailbox:
        """Make a mailbox the selected one."""
        watch = Watch(self.store, self.number, mailbox.id, self.wake)
        try:
            view = self.store.view(self.number, mailbox.id)
            recent = self._recent(view, read_only)
            if recent.stop > view.mailbox.uidnext:
                # More came between the look and the claim.
                view = self.store.view(self.number, mailbox.id)
        except BaseException:
            watch.close()
            raise
        self.watch = watch
        self.selected = box = SelectedMailbox(view, read_only=read_only)
        box.add_recent(recent.start, recent.stop - 1)
        self.looked = time.monotonic()
        self.state = State.SELECTED
        return box

    def _recent(self, view: MailboxView, read_only: bool) -> range:
        r"""UIDs that are \Recent here: those that no session was told of, which a read-write session takes."""
        box = view.mailbox
        if read_only or box.first_recent >= box.uidnext:
            return range(box.first_recent, box.uidnext)
        return self.store.claim_recent(box.account, box.id)

    def unselect(self) -> None:
        """Leave the selected mailbox, if there is one."""
        if self.watch is not None:
            self.watch.close()
        self.watch = self.selected = None
        if self.state is State.SELECTED:
            self.state = State.AUTHENTICATED

    # ---------------------------------------------------------------- news

    @property
    def may_have_news(self) -> bool:
        """False when nothing is known that the client would have to be told; free of I/O."""
        if self.selected is None or self.watch is None or time.monotonic() < self.not_before:
            return False
        return self.watch.rung or self.selected.has_gone or time.monotonic() - self.looked > LOOK_AGAIN

    def look_again(self, after: float = 0.0) -> None:
        """Have ``news`` look at the mailbox, for instance after a change of our own; not before ``after`` seconds."""
        if self.watch is not None:
            self.watch.rung = True
        self.not_before = time.monotonic() + after

    def news(self, *, expunge: bool) -> Iterator[Response]:
        """What happened in the selected mailbox and may be told now. Raises MailboxGone."""
        box, watch = self.selected, self.watch
        if box is None or watch is None:
            return
        box.just_told = frozenset()
        if not self.may_have_news:
            return
        if watch.rung or time.monotonic() - self.looked > LOOK_AGAIN:
            # Before looking: a bell that rings while we look asks for another look.
            watch.rung = False
            self.looked = time.monotonic()
            view = self._look(box)
        else:
            view = box.view
        if box.stale(view):
            yield from self._told(box, box.advance(view, expunge=expunge))

    def _look(self, box: SelectedMailbox) -> MailboxView:
        try:
            view = self.store.view(self.number, box.id)
            recent = self._recent(view, box.read_only)
            box.add_recent(recent.start, recent.stop - 1)
        except NoSuchMailbox:
            raise MailboxGone from None
        if view.mailbox.uidvalidity != box.view.mailbox.uidvalidity:
            raise MailboxGone
        return view

    def _told(self, box: SelectedMailbox, news: News) -> Iterator[Response]:
        for number in news.expunged:
            yield Expunged(number)
        if news.exists is not None:
            yield Exists(news.exists)
            yield RecentCount(box.recent_count)
        if news.keywords:
            yield from self.flags()
        for number, row in news.changed:
            yield self.flags_of(number, row, uid=True)
        box.just_told = frozenset(row.uid for _, row in news.changed)

    def flags(self) -> Iterator[Response]:
        """FLAGS and PERMANENTFLAGS of the selected mailbox (RFC 3501 sections 7.1 and 7.2.6)."""
        box = self.box()
        names = (*encoder.SYSTEM_FLAGS, *(keyword.encode("ascii") for keyword in sorted(box.keywords)))
        yield Flags(names)
        permanent = b"" if box.read_only else b" ".join((*names, b"\\*"))
        yield ok("Flags that stay", b"PERMANENTFLAGS (" + permanent + b")")

    def flags_of(self, number: int, row: MessageRow, *, uid: bool) -> FetchData:
        """A FETCH response with a message's flags, as STORE and news send it."""
        items = [encoder.flags(row.system, row.keywords, self.box().is_recent(row.uid))]
        if uid:
            items.insert(0, b"UID %d" % row.uid)
        if self.condstore:
            items.append(b"MODSEQ (%d)" % row.modseq)
        return FetchData(number, tuple(items))

    def close(self) -> None:
        """The connection ended."""
        self.unselect()
        if self.account is not None:
            self.services.admission.leave(self.account.key, self.address)
            self.account = None
        self.state = State.LOGOUT
