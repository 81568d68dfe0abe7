"""What a command may use: the services, and the state of its session."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
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
from imap.wire.responses import Exists, Expunged, FetchData, Flags, RecentCount, Response, Vanished, ok
from imap.wire.sets import Range, common, ranges_of, without
from storage.api import MailboxView, MailStore
from storage.errors import NoSuchMailbox
from storage.model import OWN_KEYWORDS, Mailbox, MessageRow

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
    """What all sessions of a process share. ``failure_delay`` is in seconds; ``spool`` is for big messages."""

    store: MailStore
    door: SignInDoor
    settings: Settings
    admission: Admission
    failure_delay: float = 2.0
    tls: bool = True
    spool: Path | None = None
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
    compressed: bool = False
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

    @property
    def rev2(self) -> bool:
        """The client speaks IMAP4rev2 (RFC 9051 appendix A)."""
        return "IMAP4REV2" in self.enabled

    @property
    def utf8(self) -> bool:
        """Names of mailboxes are UTF-8 in both directions (RFC 9051 section 5.1, RFC 9755)."""
        return self.rev2 or "UTF8=ACCEPT" in self.enabled

    def enable(self, names: Iterable[str]) -> None:
        """Turn capabilities on for good, by their names in capitals."""
        self.enabled.update(names)
        if "QRESYNC" in self.enabled:
            self.enabled.add("CONDSTORE")
        if self.rev2 and self.selected is not None:
            self.selected.forget_recent()

    @property
    def qresync(self) -> bool:
        """Removals are told by UID, and what is told of flags has the UID (RFC 7162 section 3.2)."""
        return "QRESYNC" in self.enabled

    @property
    def uid_only(self) -> bool:
        """Nothing is named by message number (RFC 9586)."""
        return "UIDONLY" in self.enabled

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
        if self.rev2:
            # IMAP4rev2 knows no such flag: it is left to others (RFC 9051 appendix E, 12).
            return range(0)
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
        if news.vanished and (self.qresync or self.uid_only):
            yield Vanished(tuple(ranges_of(news.vanished)))
        else:
            for number in news.expunged:
                yield Expunged(number)
        if news.exists is not None:
            yield Exists(news.exists)
            if not self.rev2:
                yield RecentCount(box.recent_count)
        if news.keywords:
            yield from self.flags()
        for number, row in news.changed:
            yield self.flags_of(number, row, uid=True)
        box.just_told = frozenset(row.uid for _, row in news.changed)
        if box.has_gone and self.qresync:
            # What is told of flags may have gone further than what was told of removals (RFC 7162 section 3.2).
            yield ok("Removals are told up to here", b"HIGHESTMODSEQ %d" % box.settled)

    def vanished(self, since: int, known: list[Range]) -> Iterator[Response]:
        """VANISHED (EARLIER): those of the known UIDs that went away after a mod-sequence (RFC 7162 section 3.2.6).

        What is numbered in this session is not among them, even if it is gone by now: that is told as news.
        """
        box = self.box()
        gone = without(common(self.store.vanished(self.number, box.id, since), known), box.uids)
        if gone:
            yield Vanished(tuple(gone), earlier=True)

    def flags(self) -> Iterator[Response]:
        """FLAGS and PERMANENTFLAGS of the selected mailbox (RFC 3501 sections 7.1 and 7.2.6)."""
        box = self.box()
        keywords = {name.lower(): name for name in (*sorted(box.keywords), *encoder.KEYWORDS)}
        names = (*encoder.SYSTEM_FLAGS, *(name.encode("ascii") for _, name in sorted(keywords.items())))
        yield Flags(names)
        lasting = (name for name in names if name.decode("ascii").lower() not in OWN_KEYWORDS)
        permanent = b"" if box.read_only else b" ".join((*lasting, b"\\*"))
        yield ok("Flags that stay", b"PERMANENTFLAGS (" + permanent + b")")

    def flags_of(self, number: int, row: MessageRow, *, uid: bool) -> FetchData:
        """A FETCH response with a message's flags, as STORE and news send it."""
        items = [encoder.flags(row.system, row.keywords, self.box().is_recent(row.uid))]
        if (uid or self.qresync) and not self.uid_only:
            items.insert(0, b"UID %d" % row.uid)
        if self.condstore:
            items.append(b"MODSEQ (%d)" % row.modseq)
        return self.fetch_data(number, row, items)

    def fetch_data(self, number: int, row: MessageRow, items: Iterable[bytes]) -> FetchData:
        """A FETCH response, or UIDFETCH for clients that know no numbers."""
        return FetchData(row.uid if self.uid_only else number, tuple(items), by_uid=self.uid_only)

    def sign_out(self) -> None:
        """Nobody is signed in any more, and nothing is enabled (RFC 8437 section 4.1)."""
        self.unselect()
        if self.account is not None:
            self.services.admission.leave(self.account.key, self.address)
        self.account = None
        self.number = 0
        self.compressed = False
        self.enabled.clear()
        self.state = State.NOT_AUTHENTICATED

    def close(self) -> None:
        """The connection ended."""
        self.sign_out()
        self.state = State.LOGOUT
