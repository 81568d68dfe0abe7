"""ESEARCH: one search in several mailboxes (RFC 7377)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial

from imap.commands.search import check_charset, look, no_charset, resolved, search_selected
from imap.session.context import Context
from imap.session.places import Place
from imap.session.rights import Rights
from imap.session.steps import CommandSteps
from imap.wire import commands as c
from imap.wire.responses import SearchedMailbox
from imap.wire.sets import NumberSet
from storage.api import MailboxView
from storage.errors import NoSuchMailbox
from storage.model import DELIMITER, UidRanges


def multi_search(context: Context, tag: bytes, command: c.MultiSearch) -> CommandSteps:
    """One response for each mailbox in which something was found. What is not there is passed over."""
    asked = command.search
    no_charset(context, asked)
    if all(scope.kind == "SELECTED" for scope in command.scopes):
        yield from search_selected(context, tag, asked)
        return
    check_charset(asked)
    if asked.modseq:
        context.enabled.add("CONDSTORE")
    for place in _places(context, command.scopes):
        try:
            view = context.store.view(place.account, place.id)
            first_recent = UidRanges(((view.mailbox.first_recent, None),))
            found = look(context, view, asked, resolved(asked.key, partial(_uids, view), first_recent))
        except NoSuchMailbox:
            continue
        if found.uids:
            yield found.extended(tag, True, SearchedMailbox(place.name, place.mailbox.uidvalidity))


def _uids(view: MailboxView, numbers: NumberSet, uid: bool) -> UidRanges:
    return UidRanges(tuple(numbers.resolve(view.uids[-1] if view.uids else 0)))


def _places(context: Context, scopes: Sequence[c.Scope]) -> list[Place]:
    """The mailboxes meant that may be read, each once, by name; one that is named need not show in lists."""
    chosen: dict[tuple[int, int], Place] = {}
    visible = context.names.visible()
    for scope in scopes:
        places = _named(context, scope.names) if scope.kind == "MAILBOXES" else filter(_test(context, scope), visible)
        chosen.update(((place.account, place.id), place) for place in places if Rights.READ in place.rights)
    return sorted(chosen.values(), key=lambda place: place.name)


def _named(context: Context, names: Sequence[str]) -> Iterator[Place]:
    for name in names:
        with suppress(NoSuchMailbox):
            yield context.names.find(name)


def _test(context: Context, scope: c.Scope) -> Callable[[Place], bool]:
    """Whether a mailbox is in a scope (RFC 7377 section 2.2)."""
    match scope.kind:
        case "SELECTED":
            box = context.box()
            return lambda place: (place.account, place.id) == (box.account, box.id)
        case "PERSONAL":
            return lambda place: place.account == context.number
        case "INBOXES":
            return lambda place: place.name == "INBOX"
        case "SUBSCRIBED":
            subscribed = set(context.store.subscriptions(context.number))
            return lambda place: place.name in subscribed
        case _:
            depth = 1 if scope.kind == "SUBTREE-ONE" else None
            return lambda place: any(_below(place.name, top, depth) for top in scope.names)


def _below(name: str, top: str, depth: int | None) -> bool:
    """Whether a name is the top of a subtree or so many levels below it; the empty name is above all."""
    if name == top:
        return True
    prefix = top + DELIMITER if top else ""
    return name.startswith(prefix) and (depth is None or name[len(prefix) :].count(DELIMITER) < depth)
