"""What a session is told of mailboxes that it has not selected (RFC 5465, RFC 5464 section 4.4.2).

An observer keeps, for each account it watches, the picture that its client was last told of, and says what has to be
told to come to a newer one: truth is in the database, the bell only says when to look. Of a mailbox that the session
may not know of nothing is told, but that it is there no more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from imap.session.interests import Interests
from imap.session.pictures import LOOK_AGAIN, NOTHING, Picture, Pictures, WatchedAccount
from imap.session.places import Names, Owner, Place
from imap.session.rights import Rights
from imap.session.tree import Tree
from imap.wire.commands import MESSAGES, METADATA, Events
from imap.wire.responses import Listed, MailboxStatus, MetadataChanged, Response
from storage.api import MailStore
from storage.model import DELIMITER, SERVER, Mailbox

#: Those of some events that are wanted of a mailbox, by its name in this session.
Wants = Callable[[str, Mailbox | None, Events], Events]


class Overflow(Exception):
    """There are more accounts to be watched than one session may."""


@dataclass(frozen=True, slots=True)
class Side:
    """An account as a session sees it at one moment. ``owner`` is None for what is of the server as a whole."""

    owner: Owner | None
    picture: Picture
    identifiers: frozenset[str]


@dataclass(slots=True)
class Changes:
    """What happened to mailboxes by their names in this session; ``renamed`` are old and new ones."""

    created: dict[str, Mailbox] = field(default_factory=dict)
    removed: dict[str, Mailbox] = field(default_factory=dict)
    renamed: list[tuple[str, str, Mailbox]] = field(default_factory=list)
    #: Those that are still there, and those that lost the right to be known of though they are there.
    pairs: list[tuple[Place | None, Place]] = field(default_factory=list)
    closed: set[str] = field(default_factory=set)


class Observer:
    """One session's side of the accounts that it watches. For one command at a time; the bell rings in any thread."""

    def __init__(
        self,
        store: MailStore,
        pictures: Pictures,
        names: Names,
        interests: Interests,
        wake: Callable[[], None],
        limit: int,
        notes: Rights = Rights.READ,
    ) -> None:
        """``wake`` is called while ``waiting``; ``limit`` is how many accounts may be watched.

        ``notes`` are rights of which one is needed to hear of annotations (RFC 5465 section 5). Raises Overflow.
        """
        self._store = store
        self._pictures = pictures
        self._names = names
        self._interests = interests
        self._wake = wake
        self._limit = limit
        self._notes_need = notes
        self.rung = False
        self.waiting = False
        self._looked = time.monotonic()
        self._watched: dict[int, WatchedAccount] = {}
        #: What this session itself did since it was last told: names, annotations, new messages.
        self._own_names: set[str] = set()
        self._own_notes: set[tuple[int, int]] = set()
        self._own_messages: dict[tuple[int, int], set[int]] = {}
        try:
            self._told = self._look({})
        except BaseException:
            self.close()
            raise

    @property
    def may_have_news(self) -> bool:
        """False when nothing is known that might have to be told; free of I/O."""
        return self.rung or time.monotonic() - self._looked > LOOK_AGAIN

    def close(self) -> None:
        """Watch nothing any more."""
        for account in self._watched:
            self._pictures.leave(account, self._heard)
        self._watched = {}

    def _heard(self) -> None:
        self.rung = True
        if self.waiting:
            self._wake()

    # ---------------------------------------------------------------- what the session did itself

    def did(self, *names: str) -> None:
        """Mailboxes of these names, or the levels above, were made, removed or subscribed by this session."""
        for name in names:
            levels = name.split(DELIMITER)
            self._own_names.update(DELIMITER.join(levels[:end]) for end in range(1, len(levels) + 1))

    def noted(self, account: int, modseq: int) -> None:
        """This session changed annotations."""
        self._own_notes.add((account, modseq))

    def made(self, account: int, mailbox: int, uids: Iterable[int]) -> None:
        """This session put messages into a mailbox."""
        self._own_messages.setdefault((account, mailbox), set()).update(uids)

    # ---------------------------------------------------------------- looking

    def _look(self, told: Mapping[int, Side]) -> dict[int, Side]:
        """The accounts as they are now. Whose they are is asked again when the rights of somebody may have changed."""
        own = self._names.own
        sides = {own.number: self._side(own.number, own)}
        if self._interests.wide or self._interests.all & Events.SERVER_METADATA_CHANGE:
            sides[SERVER] = self._side(SERVER, None)
        if self._interests.wide:
            same = all(
                account in told
                and told[account].picture.whole == side.picture.whole
                and told[account].identifiers == side.identifiers
                for account, side in sides.items()
            )
            before = [side.owner for side in told.values() if side.owner is not None and side.owner is not own]
            owners = before if same else list(self._names.sharers())
            if len(owners) > self._limit:
                raise Overflow
            sides |= {owner.number: self._side(owner.number, owner) for owner in owners if owner is not None}
        for account in self._watched.keys() - sides.keys():
            if account in told:
                # Nothing of it is shared any more: one last look tells what went away with that.
                sides[account] = Side(told[account].owner, NOTHING, frozenset())
            self._pictures.leave(account, self._heard)
            del self._watched[account]
        return sides

    def _side(self, account: int, owner: Owner | None) -> Side:
        watched = self._watched.get(account)
        if watched is None:
            watched = self._watched[account] = self._pictures.listen(self._store, account, self._heard)
        return Side(owner, watched.look(), self._names.identifiers)

    def _seen(self, side: Side, mailbox: int) -> Place | None:
        box = side.picture.boxes.get(mailbox)
        if box is None or side.owner is None:
            return None
        return self._names.seen(side.owner, box, side.picture.acls.get(mailbox, ()), side.identifiers)

    def _places(self, sides: Mapping[int, Side]) -> Iterator[Place]:
        for side in sides.values():
            for mailbox in side.picture.boxes:
                place = self._seen(side, mailbox)
                if place is not None:
                    yield place

    # ---------------------------------------------------------------- at the beginning

    def beginning(self, selected: tuple[int, int] | None, *, status: bool, condstore: bool) -> Iterator[Response]:
        """What NOTIFY SET tells before it is OK: mailboxes without the right to be read, and counts if wanted.

        ``selected`` is the account and number of the selected mailbox, of which nothing is said here.
        """
        subscribed = self._told[self._names.own.number].picture.subscribed
        for place in sorted(self._places(self._told), key=lambda place: place.name):
            events = self._interests.of(place.name, place.mailbox, subscribed=place.name in subscribed)
            if (place.account, place.id) == selected or not events & (MESSAGES | Events.MAILBOX_METADATA_CHANGE):
                continue
            if Rights.READ not in place.rights:
                yield Listed(place.name, (b"\\NoAccess",))
            elif status and events & MESSAGES:
                yield _status(place, events, None, condstore or bool(events & Events.FLAG_CHANGE))

    # ---------------------------------------------------------------- afterwards

    def news(self, selected: tuple[int, int] | None, *, condstore: bool) -> Iterator[Response]:
        """What happened since the last time, this session's own doings left out. Raises Overflow."""
        if not self.may_have_news:
            return
        # Before looking: a bell that rings while we look asks for another look.
        self.rung = False
        self._looked = time.monotonic()
        try:
            now = self._look(self._told)
            answers = list(self._compared(self._told, now, selected, condstore))
        except Overflow:
            raise
        except BaseException:
            self.rung = True
            raise
        self._told = {account: side for account, side in now.items() if account in self._watched}
        self._own_names.clear()
        self._own_notes.clear()
        self._own_messages.clear()
        yield from answers

    def _compared(
        self, told: Mapping[int, Side], now: Mapping[int, Side], selected: tuple[int, int] | None, condstore: bool
    ) -> Iterator[Response]:
        own = self._names.own.number
        before_, after_ = told[own].picture.subscribed, now[own].picture.subscribed

        def wants(name: str, mailbox: Mailbox | None, events: Events) -> Events:
            subscribed = name in before_ or name in after_
            return self._interests.of(name, mailbox, subscribed=subscribed) & events

        changes = Changes()
        notes: list[MetadataChanged] = []
        for account, after in now.items():
            before = told.get(account) or _unseen(after)
            if before != after:
                self._collect(changes, before, after, wants)
                notes += self._notes(account, before, after, wants)
        names = self._names_told(changes, before_ ^ after_, wants)
        counts: list[Response] = []
        for was, is_ in changes.pairs:
            events = wants(is_.name, is_.mailbox, MESSAGES)
            if events and (is_.account, is_.id) != selected:
                counts += self._counts(changes, names, was, is_, events, condstore)
        if names:
            tree = Tree(self._places(now), after_, own)
            yield from (tree.by_itself(name, old_name) for name, old_name in sorted(names.items()))
        yield from (Listed(name, (b"\\NoAccess",)) for name in sorted(changes.closed - names.keys()))
        yield from counts
        yield from sorted(notes, key=lambda note: note.mailbox)

    def _collect(self, changes: Changes, before: Side, after: Side, wants: Wants) -> None:
        """Mailboxes of an account that differ."""
        old, new = before.picture.boxes, after.picture.boxes
        all_of_them = before.picture.whole != after.picture.whole or before.identifiers != after.identifiers
        for mailbox in {**old, **new}:
            if not all_of_them and old.get(mailbox) is new.get(mailbox):
                continue
            was, is_ = self._seen(before, mailbox), self._seen(after, mailbox)
            if was == is_:
                continue
            if is_ is None:
                assert was is not None
                changes.removed[was.name] = was.mailbox
                if mailbox in new and wants(was.name, was.mailbox, MESSAGES):
                    changes.closed.add(was.name)
                continue
            if was is None:
                changes.created[is_.name] = is_.mailbox
            elif was.name != is_.name:
                changes.renamed.append((was.name, is_.name, is_.mailbox))
            changes.pairs.append((was, is_))

    # ---------------------------------------------------------------- names

    def _names_told(self, changes: Changes, subscribed: frozenset[str], wants: Wants) -> dict[str, str | None]:
        """Names to be listed, each with its old one if it has changed (RFC 5465 sections 5.4 and 5.5).

        ``subscribed`` are those that were subscribed or unsubscribed.
        """
        told: dict[str, str | None] = {}
        for some in (changes.removed, changes.created):
            for name, mailbox in some.items():
                if name in self._own_names:
                    continue
                parent = name.rpartition(DELIMITER)[0]
                if parent and wants(parent, None, Events.MAILBOX_NAME):
                    told.setdefault(parent, None)
                if wants(name, mailbox, Events.MAILBOX_NAME):
                    told.setdefault(name, None)
        moves = {old: new for old, new, _ in changes.renamed}
        for old, new, mailbox in changes.renamed:
            if new in self._own_names or _with_parent(old, new, moves):
                continue
            if wants(new, mailbox, Events.MAILBOX_NAME) or wants(old, mailbox, Events.MAILBOX_NAME):
                told[new] = old
        for name in subscribed - self._own_names:
            if wants(name, None, Events.SUBSCRIPTION_CHANGE):
                told.setdefault(name, None)
        return told

    # ---------------------------------------------------------------- counts

    def _counts(
        self,
        changes: Changes,
        names: dict[str, str | None],
        was: Place | None,
        now: Place,
        events: Events,
        condstore: bool,
    ) -> Iterator[Response]:
        """STATUS of a mailbox whose messages changed, within what the session may read."""
        could = was is not None and Rights.READ in was.rights
        if Rights.READ not in now.rights:
            if could:
                changes.closed.add(now.name)
            return
        if was is not None and not could:
            # It was said to be closed.
            names.setdefault(now.name, None)
        old = was.mailbox if was is not None and could else None
        if old is not None and self._is_own((now.account, now.id), old, now.mailbox):
            return
        if old is None and not now.mailbox.messages and now.name not in changes.removed:
            return
        told = _status(now, events, old, condstore)
        if told.items:
            yield told

    def _is_own(self, where: tuple[int, int], old: Mailbox, new: Mailbox) -> bool:
        """True when all that is new was put there by this session."""
        uids = self._own_messages.get(where)
        if not uids or new.messages - old.messages != len(uids):
            return False
        return (min(uids), max(uids) + 1, len(uids)) == (old.uidnext, new.uidnext, new.uidnext - old.uidnext)

    # ---------------------------------------------------------------- notes

    def _notes(self, account: int, before: Side, after: Side, wants: Wants) -> Iterator[MetadataChanged]:
        """Annotations that changed, by the names of their entries alone (RFC 5464 section 4.4.2)."""
        since = before.picture.noted
        if after.picture.noted <= since or not self._interests.all & METADATA:
            return
        changed: dict[int, dict[str, None]] = {}
        for modseq, mailbox, entry in self._store.annotations.changed(account, self._names.own.number, since):
            if (account, modseq) not in self._own_notes:
                changed.setdefault(mailbox, {})[entry] = None
        for mailbox, entries in changed.items():
            if not mailbox:
                if self._interests.all & Events.SERVER_METADATA_CHANGE:
                    yield MetadataChanged("", tuple(entries))
                continue
            place = self._seen(after, mailbox)
            if (
                place is not None
                and place.rights & self._notes_need
                and wants(place.name, place.mailbox, Events.MAILBOX_METADATA_CHANGE)
            ):
                yield MetadataChanged(place.name, tuple(entries))


def _unseen(side: Side) -> Side:
    """An account of which nothing was known; what was noted there before is no news."""
    return Side(side.owner, replace(NOTHING, noted=side.picture.noted), frozenset())


def _with_parent(old: str, new: str, moves: Mapping[str, str]) -> bool:
    """True for a mailbox that was renamed along with one above it, of which alone it is told."""
    above = old
    while DELIMITER in above:
        above = above.rpartition(DELIMITER)[0]
        if above in moves and moves[above] + old[len(above) :] == new:
            return True
    return False


def _status(place: Place, events: Events, old: Mailbox | None, condstore: bool) -> MailboxStatus:
    """What RFC 5465 sections 3.1 and 5.1 to 5.3 want told of a mailbox, as far as it changed; all with ``old`` None."""
    new = place.mailbox
    items: dict[bytes, int | str] = {}
    if old is None or (old.messages, old.uidnext) != (new.messages, new.uidnext):
        items |= {b"MESSAGES": new.messages, b"UIDNEXT": new.uidnext, b"UIDVALIDITY": new.uidvalidity}
    if events & Events.FLAG_CHANGE and (old is None or old.unseen != new.unseen):
        items[b"UNSEEN"] = new.unseen
    of_flags = events & Events.FLAG_CHANGE and (old is None or old.highest_modseq != new.highest_modseq)
    if condstore and (items or of_flags):
        items |= {b"UIDVALIDITY": new.uidvalidity, b"HIGHESTMODSEQ": new.highest_modseq}
    return MailboxStatus(place.name, tuple(items.items()))
