"""What a command may use: the services, and the state of its session."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from config.settings import Imap as Settings
from directory.api import People, SignInDoor
from directory.model import Account, Role
from imap.errors import Refused
from imap.rendered import RenderedBlocks, RenderedContents, RenderedSearches, RenderedSelections, RenderedThreads
from imap.session.interests import NO_ATTENTION, Attention, Interests
from imap.session.observer import Observer, Overflow
from imap.session.others import Others
from imap.session.pictures import LOOK_AGAIN, Pictures
from imap.session.places import Names, NewPlace, Place, no_right
from imap.session.rights import CHANGES, Rights, settable
from imap.session.selected import News, SelectedMailbox
from imap.session.states import State
from imap.session.steps import BLOCKS, Blocks
from imap.watch import Looks, Watch
from imap.wire import encoder
from imap.wire.commands import Events
from imap.wire.responses import Exists, Expunged, Flags, RecentCount, Response, Vanished, ok
from imap.wire.sets import Range, common, ranges_of, without
from storage.api import MailboxView, MailStore
from storage.errors import NoSuchMailbox
from storage.model import OWN_KEYWORDS, Mailbox, MessageRow

#: Seconds to wait before asking a store again that could not tell the news.
RETRY = 1.0

#: Removals told in one piece.
_LINES = 5000


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
    people: People
    settings: Settings
    admission: Admission
    failure_delay: float = 2.0
    tls: bool = True
    spool: Path | None = None
    rendered: RenderedBlocks = field(default_factory=RenderedBlocks)
    contents: RenderedContents = field(default_factory=RenderedContents)
    searches: RenderedSearches = field(default_factory=RenderedSearches)
    threads: RenderedThreads = field(default_factory=RenderedThreads)
    selections: RenderedSelections = field(default_factory=RenderedSelections)
    looks: Looks = field(default_factory=Looks)
    pictures: Pictures = field(default_factory=Pictures)


class MailboxGone(Exception):
    """The selected mailbox was deleted, made anew or closed to us: the session can't go on (RFC 2180 section 3.3)."""


@dataclass
class Context:
    """State of one session, used by one command at a time.

    ``trusted`` is true where the client's network may sign in without TLS. ``wake`` is called from any thread when
    there may be news while the session waits for them. ``number`` is the store's number of the session's own account,
    which is not always that of the mailbox that a command works on. ``looked`` and ``not_before`` are
    ``time.monotonic`` values: of the last look for news, and until when not to look. ``anew`` is true when the next
    look may not be another session's.

    ``attention`` is what is told of the selected mailbox, None as long as the client did not use NOTIFY. ``pushes`` is
    true when news are told at any time, unasked. ``arrived`` are the UIDs of new messages that the last news told of.
    ``left_out`` is the response code of a command that worked on a part only (``imap/commands/portion.py``).
    """

    services: Services
    address: str
    tls: bool
    trusted: bool
    wake: Callable[[], None]
    state: State = State.NOT_AUTHENTICATED
    account: Account | None = None
    number: int = 0
    _names: Names | None = field(default=None, init=False)
    failures: int = 0
    compressed: bool = False
    enabled: set[str] = field(default_factory=set)
    selected: SelectedMailbox | None = None
    watch: Watch | None = None
    looked: float = 0.0
    anew: bool = False
    not_before: float = 0.0
    others: Others = field(default_factory=Others)
    attention: Attention | None = None
    pushes: bool = False
    arrived: tuple[int, ...] = ()
    left_out: bytes | None = None
    _renumbered: bool = False

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

    # ---------------------------------------------------------------- mailboxes

    def signed_in(self, account: Account) -> None:
        """The session is this account's from now on."""
        self.account = account
        self._names = Names(self.store, self.services.people, account, self.number)
        self.state = State.AUTHENTICATED

    @property
    def is_operator(self) -> bool:
        """True for an account of those who run the service: they set quotas and what is said of the server."""
        return self.account is not None and self.account.role is Role.OPS

    @property
    def names(self) -> Names:
        """What names of mailboxes mean; commands that ask for it are only allowed after sign-in."""
        if self._names is None:
            raise Refused("Nobody is signed in")
        return self._names

    def place(self, name: str, needed: Rights = Rights.LOOKUP) -> Place:
        """The mailbox that a command names, whoever's it is.

        Refused when the session may know of it but lacks rights; NoSuchMailbox when it is not there or must not be
        known of. Use ``account`` and ``id`` of the answer with the store, and its ``name`` in responses.
        """
        return self.names.find(name).need(needed)

    def place_at_hand(self, name: str, needed: Rights = Rights.LOOKUP) -> Place | None:
        """The same where it is known without waiting for the store, else None: free of I/O."""
        place = self.names.at_hand(name)
        return None if place is None else place.need(needed)

    def future(self, name: str) -> NewPlace:
        """Where a mailbox of that name would be made. Refused without the right to make it."""
        return self.names.future(name)

    def box(self) -> SelectedMailbox:
        """The selected mailbox; commands that ask for it are only allowed where there is one."""
        if self.selected is None:
            raise Refused("No mailbox is selected")
        return self.selected

    def writable(self, needed: Rights = Rights.NONE) -> SelectedMailbox:
        """The same, for commands that change it. Refused after EXAMINE and without the rights needed."""
        box = self.box()
        if box.read_only:
            raise Refused("The mailbox is selected read-only", b"NOPERM")
        if needed not in self.rights_now(box):
            raise no_right()
        return box

    def rights_now(self, box: SelectedMailbox) -> Rights:
        """The rights to the selected mailbox, looked at again when the bell has rung. Raises NoSuchMailbox."""
        if self.watch is not None and self.watch.rung:
            box.rights = self.names.rights(self.store.view(box.account, box.id).mailbox)
        return box.rights

    # ---------------------------------------------------------------- selecting

    def select(self, place: Place, *, read_only: bool) -> SelectedMailbox:
        """Make a mailbox the selected one; read-only in any case without a right to change it."""
        read_only = read_only or not place.rights & CHANGES
        watch = self._watched(place)
        try:
            view = self.store.view(place.account, place.id)
            recent = self._recent(view, read_only)
            if recent.stop > view.mailbox.uidnext:
                # More came between the look and the claim.
                view = self.store.view(place.account, place.id)
        except BaseException:
            watch.close()
            raise
        return self._selected(place, watch, view, recent, read_only)

    def select_at_hand(self, place: Place, *, read_only: bool) -> SelectedMailbox | None:
        """The same where it takes no waiting for the store, else None: free of I/O."""
        read_only = read_only or not place.rights & CHANGES
        watch = self._watched(place)
        view = self.store.view_at_hand(place.account, place.id)
        recent = None if view is None or not view.summed else self._known_recent(view.mailbox, read_only)
        if view is None or recent is None:
            watch.close()
            return None
        return self._selected(place, watch, view, recent, read_only)

    def _watched(self, place: Place) -> Watch:
        return Watch(self.store, self.services.looks, place.account, place.id, self.wake)

    def _selected(
        self, place: Place, watch: Watch, view: MailboxView, recent: range, read_only: bool
    ) -> SelectedMailbox:
        self.watch = watch
        watch.waiting = self.pushes
        self._renumbered = False
        self.selected = box = SelectedMailbox(view, read_only=read_only, rights=place.rights, name=place.name)
        box.add_recent(recent.start, recent.stop - 1)
        self.looked = time.monotonic()
        self.state = State.SELECTED
        return box

    def _recent(self, view: MailboxView, read_only: bool) -> range:
        r"""UIDs that are \Recent here: those that no session was told of, which a read-write session takes."""
        box = view.mailbox
        known = self._known_recent(box, read_only)
        return self.store.claim_recent(box.account, box.id) if known is None else known

    def _known_recent(self, box: Mailbox, read_only: bool) -> range | None:
        """The same where there is nothing to take, else None."""
        if self.rev2:
            # IMAP4rev2 knows no such flag: it is left to others (RFC 9051 appendix E, 12).
            return range(0)
        if read_only or box.first_recent >= box.uidnext:
            return range(box.first_recent, box.uidnext)
        return None

    def unselect(self) -> None:
        """Leave the selected mailbox, if there is one."""
        if self.watch is not None:
            self.watch.close()
        self.watch = self.selected = None
        if self.state is State.SELECTED:
            self.state = State.AUTHENTICATED

    # ---------------------------------------------------------------- news

    def listen(self, interests: Interests | None, notes: Rights = Rights.READ) -> Observer | None:
        """Observe other mailboxes than the selected one from now on, or none any more. Raises Overflow.

        ``notes``: see ``Observer``.
        """
        observer = None
        if interests is not None:
            limit = self.settings.notify_accounts
            observer = Observer(self.store, self.services.pictures, self.names, interests, self.wake, limit, notes)
        self.others.observe(observer)
        return observer

    def attend(self, attention: Attention, *, pushes: bool = False) -> None:
        """What is told of the selected mailbox, and whether unasked (RFC 5465 section 3.1)."""
        self.attention = attention
        self.pushes = pushes
        self.wait(pushes)

    def wait(self, on: bool) -> None:
        """Be woken when there may be news, or not any more."""
        if self.watch is not None:
            self.watch.waiting = on
        self.others.wait(on)

    def made(self, place: Place, uids: Iterable[int]) -> None:
        """This session put messages into a mailbox; into the selected one, it is looked at again."""
        box = self.selected
        if box is not None and (box.account, box.id) == (place.account, place.id):
            box.made.update(uids)
            self.look_again(numbers=True)
        else:
            self.others.made(place, uids)

    @property
    def may_have_news(self) -> bool:
        """False when nothing is known that the client would have to be told; free of I/O."""
        if time.monotonic() < self.not_before:
            return False
        held_back = self.selected is not None and self.selected.has_gone
        return held_back or self._may_have_changed or self.others.may_have_news

    @property
    def may_push(self) -> bool:
        """True when there may be something that is told unasked; free of I/O."""
        if not self.pushes or time.monotonic() < self.not_before:
            return False
        return self._may_have_changed or self.others.may_have_news

    @property
    def _may_have_changed(self) -> bool:
        """True when the selected mailbox has to be looked at."""
        watch = self.watch
        return watch is not None and (watch.rung or time.monotonic() - self.looked > LOOK_AGAIN)

    def look_again(self, after: float = 0.0, *, numbers: bool = False) -> None:
        """Have ``news`` look at the mailbox, for instance after a change of our own; not before ``after`` seconds.

        With ``numbers`` this session itself took messages away, or put some there: that is told in any case.
        """
        self._renumbered |= numbers
        if self.watch is not None:
            self.watch.rung = True
        self.anew = True
        self.not_before = time.monotonic() + after

    def news(self, *, expunge: bool) -> Iterator[Response | bytes | Blocks]:
        """What happened in the selected mailbox and in others, as far as it may be told now. Raises MailboxGone.

        Waits for the store only after ``Blocks``, which it yields when it has to.
        """
        self.arrived = ()
        yield from self._news_of_selected(expunge)
        if time.monotonic() < self.not_before:
            return
        if not self.others.may_have_news:
            return
        yield BLOCKS
        box = self.selected
        try:
            selected = None if box is None else (box.account, box.id)
            yield from self.others.news(selected, condstore=self.condstore)
        except Overflow:
            self.listen(None)
            if self.attention is not None:
                # RFC 5465 section 5.8: as after NOTIFY NONE.
                self.attend(NO_ATTENTION)
                yield ok("Trop de comptes / Too many accounts to be watched", b"NOTIFICATIONOVERFLOW")

    def _news_of_selected(self, expunge: bool) -> Iterator[Response | bytes | Blocks]:
        box, watch = self.selected, self.watch
        if box is None or watch is None:
            return
        box.just_told = frozenset()
        if time.monotonic() < self.not_before or not (box.has_gone or self._may_have_changed):
            return
        if self._may_have_changed:
            # Before looking: a bell that rings while we look asks for another look.
            anew = self.anew or not watch.rung
            watch.rung = self.anew = False
            self.looked = time.monotonic()
            view = None if anew else self._at_hand(box, watch)
            if view is None:
                yield BLOCKS
                view = self._look(box, watch, anew=anew)
        else:
            view = box.view
        if self.attention is not None and not self.attention.events and not self._renumbered:
            # What others do there is not wanted; the look found out whether it may still be read.
            return
        self._renumbered = False
        if box.stale(view):
            last = box.uids[-1] if box.uids else 0
            yield from self._told(box, box.advance(view, expunge=expunge))
            self.arrived = tuple(uid for uid in box.after(last) if uid not in box.made)
            box.made.clear()

    def _at_hand(self, box: SelectedMailbox, watch: Watch) -> MailboxView | None:
        """What ``_look`` would find, where nobody has to be asked for it: free of I/O."""
        view = watch.at_hand()
        if view is None or view.highest_modseq < box.view.highest_modseq:
            return None
        now = view.mailbox
        rights, recent = self.names.known_rights(now), self._known_recent(now, box.read_only)
        if rights is None or recent is None or now.uidvalidity != box.view.mailbox.uidvalidity:
            return None
        box.rights = rights
        box.add_recent(recent.start, recent.stop - 1)
        return view

    def _look(self, box: SelectedMailbox, watch: Watch, *, anew: bool) -> MailboxView:
        try:
            view = watch.look(anew=anew)
            if view.highest_modseq < box.view.highest_modseq:
                # This session saw more, for it selected later.
                view = watch.look(anew=True)
            box.rights = self.names.rights(view.mailbox)
            recent = self._recent(view, box.read_only)
            box.add_recent(recent.start, recent.stop - 1)
        except NoSuchMailbox:
            raise MailboxGone from None
        if view.mailbox.uidvalidity != box.view.mailbox.uidvalidity or Rights.READ not in box.rights:
            raise MailboxGone
        return view

    def _told(self, box: SelectedMailbox, news: News) -> Iterator[Response | bytes]:
        if news.vanished and (self.qresync or self.uid_only):
            yield Vanished(tuple(ranges_of(news.vanished)))
        else:
            for start in range(0, len(news.expunged), _LINES):
                yield Expunged(news.expunged[start : start + _LINES])
        if news.exists is not None:
            yield Exists(news.exists)
            if not self.rev2:
                yield RecentCount(box.recent_count)
        if news.keywords:
            yield from self.flags()
        changed = news.changed
        if self.attention is not None and not self.attention.events & Events.FLAG_CHANGE:
            changed = ()
        if changed:
            yield b"".join([self.flags_of(number, row) for number, row in changed])
        box.just_told = frozenset(row.uid for _, row in changed)
        if box.has_gone and self.qresync:
            # What is told of flags may have gone further than what was told of removals (RFC 7162 section 3.2).
            yield ok("Removals are told up to here", b"HIGHESTMODSEQ %d" % box.settled)

    def vanished(self, since: int, known: list[Range]) -> Iterator[Response]:
        """VANISHED (EARLIER): those of the known UIDs that went away after a mod-sequence (RFC 7162 section 3.2.6).

        What is numbered in this session is not among them, even if it is gone by now: that is told as news.
        """
        box = self.box()
        gone = without(common(self.store.vanished(box.account, box.id, since), known), box.uids)
        if gone:
            yield Vanished(tuple(gone), earlier=True)

    def flags(self) -> Iterator[Response]:
        """FLAGS and PERMANENTFLAGS of the selected mailbox (RFC 3501 sections 7.1 and 7.2.6)."""
        box = self.box()
        keywords = {name.lower(): name for name in (*sorted(box.keywords), *encoder.KEYWORDS)}
        names = (*encoder.SYSTEM_FLAGS, *(name.encode("ascii") for _, name in sorted(keywords.items())))
        yield Flags(names)
        yield ok("Flags that stay", b"PERMANENTFLAGS (" + b" ".join(self._permanent(box, keywords)) + b")")

    def _permanent(self, box: SelectedMailbox, keywords: Mapping[str, str]) -> Iterator[bytes]:
        """Flags that this session may change (RFC 4314 section 5.1.1); our own keywords are nobody's."""
        if box.read_only:
            return
        may = settable(box.rights)
        for bit, name in encoder.SYSTEM:
            if bit & may.system:
                yield name
        if may.keywords:
            yield from (name.encode("ascii") for key, name in sorted(keywords.items()) if key not in OWN_KEYWORDS)
            yield b"\\*"

    def flags_of(self, number: int, row: MessageRow) -> bytes:
        """A FETCH response with a message's flags, as news send it, or UIDFETCH for clients that know no numbers."""
        rest = encoder.flags(row.system, row.keywords, self.box().is_recent(row.uid))
        if self.condstore:
            rest += b" MODSEQ (%d)" % row.modseq
        if self.uid_only:
            return b"* %d UIDFETCH (%b)\r\n" % (row.uid, rest)
        return b"* %d FETCH (UID %d %b)\r\n" % (number, row.uid, rest)

    def sign_out(self) -> None:
        """Nobody is signed in any more, and nothing is enabled (RFC 8437 section 4.1)."""
        self.unselect()
        self.listen(None)
        self.attention, self.pushes = None, False
        if self.account is not None:
            self.services.admission.leave(self.account.key, self.address)
        self.account = None
        self.number = 0
        self._names = None
        self.compressed = False
        self.enabled.clear()
        self.state = State.NOT_AUTHENTICATED

    def close(self) -> None:
        """The connection ended."""
        self.sign_out()
        self.state = State.LOGOUT
