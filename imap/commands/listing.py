"""LIST, LSUB, STATUS, NAMESPACE (RFC 3501 sections 6.3.8 to 6.3.10, RFC 5258, RFC 5819, RFC 6154, RFC 9590)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from imap.commands.noted import Noted
from imap.session.context import Context
from imap.session.places import OTHERS, SHARED, Place
from imap.session.rights import Rights, shown
from imap.session.steps import BLOCKS, CommandSteps
from imap.session.tree import Tree, levels_above
from imap.wire import commands as c
from imap.wire.patterns import Pattern
from imap.wire.responses import Listed, MailboxStatus, NamespaceData, OwnRights, Response
from storage.errors import NoSuchMailbox
from storage.model import Mailbox, System
from storage.objects import mailbox_id


def namespace(context: Context, tag: bytes, command: c.Namespace) -> CommandSteps:
    yield NamespaceData(OTHERS, SHARED)


# ---------------------------------------------------------------- LIST


def list_(context: Context, tag: bytes, command: c.List) -> CommandSteps:
    """The names that match and are selected, each with what was asked to be told of it."""
    if command.patterns == ("",) and not command.extended:
        # Asks for the delimiter only (RFC 3501 section 6.3.8).
        yield Listed("", (b"\\Noselect",))
        return
    tree = _tree(context)
    patterns = [Pattern(command.reference + pattern) for pattern in command.patterns]
    noted = Noted(context, command.metadata)
    names = tree.names(command)
    matching = {name for name in names if any(pattern.matches(name) for pattern in patterns)}
    selected = {name for name in names if tree.selects(name, command)}
    above: set[str] = set()
    told = matching & selected
    if "RECURSIVEMATCH" in command.select:
        above = levels_above(selected)
        # A level that is not selected itself is only told for what does not come anyway (RFC 5258 section 3.5).
        told |= matching & levels_above(selected - matching)
    for name in names:
        if name not in told:
            continue
        yield tree.listed(name, command, extended=command.extended or context.rev2, above=name in above)
        place = tree.places.get(name)
        if place is not None and "MYRIGHTS" in command.give:
            # RFC 8440.
            yield OwnRights(name, shown(place.rights))
        if place is not None:
            yield from noted.of(place)
        if command.status and place is not None and Rights.READ in place.rights:
            # The mailbox may be gone by now: then there is nothing to say of it (RFC 5819 section 2).
            yield from _status_if_there(context, place, command.status)


def listed(context: Context, place: Place, given: str) -> Listed:
    """A mailbox by itself, with the name that the client gave it where ours differs (RFC 9051 section 6.3.9.7)."""
    return _tree(context).by_itself(place.name, None if given == place.name else given)


def is_level(context: Context, name: str) -> bool:
    """True for a name that is no mailbox, but has mailboxes below it."""
    return name in levels_above(place.name for place in context.names.visible())


def _tree(context: Context) -> Tree:
    return Tree(context.names.visible(), context.store.subscriptions(context.number), context.number)


def lsub(context: Context, tag: bytes, command: c.Lsub) -> CommandSteps:
    """Subscribed names; where ``%`` ends on a level above one, that level as \\Noselect (RFC 3501 section 6.3.9)."""
    subscribed = set(context.store.subscriptions(context.number))
    existing = {place.name for place in context.names.visible()}
    pattern = Pattern(command.reference + command.pattern)
    for name in sorted(subscribed | levels_above(subscribed), key=lambda name: (name != "INBOX", name)):
        if not pattern.matches(name):
            continue
        if name in subscribed:
            yield Listed(name, () if name in existing else (b"\\Noselect",), lsub=True)
        elif "%" in command.pattern:
            yield Listed(name, (b"\\Noselect",), lsub=True)


# ---------------------------------------------------------------- STATUS


def status(context: Context, tag: bytes, command: c.Status) -> CommandSteps:
    """Never disturbs \\Recent (RFC 3501 6.3.10); HIGHESTMODSEQ enables CONDSTORE (RFC 7162 3.1.2)."""
    place = context.place_at_hand(command.mailbox, Rights.READ)
    if place is None or _looks_at_messages(place.mailbox, command.items):
        yield BLOCKS
        place = context.place(command.mailbox, Rights.READ)
    if c.StatusItem.HIGHESTMODSEQ in command.items:
        context.enabled.add("CONDSTORE")
    yield _status(context, place, command.items)


def _status_if_there(context: Context, place: Place, items: Sequence[c.StatusItem]) -> Iterator[Response]:
    try:
        yield _status(context, place, items)
    except NoSuchMailbox:
        return


def _status(context: Context, place: Place, items: Sequence[c.StatusItem]) -> MailboxStatus:
    return MailboxStatus(place.name, tuple((item.value, _counted(context, place.mailbox, item)) for item in items))


def _counted(context: Context, mailbox: Mailbox, item: c.StatusItem) -> int | str:
    match item:
        case c.StatusItem.MESSAGES:
            return mailbox.messages
        case c.StatusItem.UIDNEXT:
            return mailbox.uidnext
        case c.StatusItem.UIDVALIDITY:
            return mailbox.uidvalidity
        case c.StatusItem.UNSEEN:
            return mailbox.unseen
        case c.StatusItem.HIGHESTMODSEQ:
            return mailbox.highest_modseq
        case c.StatusItem.SIZE:
            return mailbox.size
        case c.StatusItem.APPENDLIMIT:
            return context.settings.append_limit
        case c.StatusItem.DELETED:
            return mailbox.deleted
        case c.StatusItem.MAILBOXID:
            return mailbox_id(mailbox.account, mailbox.id)
        case c.StatusItem.DELETED_STORAGE:
            return _deleted_octets(context, mailbox)
        case c.StatusItem.RECENT:
            return _recent(context, mailbox)


def _looks_at_messages(mailbox: Mailbox, items: Sequence[c.StatusItem]) -> bool:
    """True when the counters of the mailbox do not answer all."""
    recent = c.StatusItem.RECENT in items and mailbox.first_recent < mailbox.uidnext
    return recent or (c.StatusItem.DELETED_STORAGE in items and mailbox.deleted > 0)


def _recent(context: Context, mailbox: Mailbox) -> int:
    if mailbox.first_recent >= mailbox.uidnext:
        return 0
    view = context.store.view(mailbox.account, mailbox.id)
    return len(view.uids) - bisect_left(view.uids, mailbox.first_recent)


def _deleted_octets(context: Context, mailbox: Mailbox) -> int:
    """RFC 9208 section 5.1: octets that EXPUNGE would free."""
    if not mailbox.deleted:
        return 0
    view = context.store.view(mailbox.account, mailbox.id)
    return sum(row.size for row in view.rows if row.system & System.DELETED)
