"""ESEARCH: one search in several mailboxes (RFC 7377)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from imap.commands.search import check_charset, look, resolved, search_selected
from imap.session.context import Context
from imap.session.steps import CommandSteps
from imap.wire import commands as c
from imap.wire.responses import SearchedMailbox
from imap.wire.sets import NumberSet
from storage.api import MailboxView
from storage.errors import NoSuchMailbox
from storage.model import DELIMITER, Mailbox, UidRanges


def multi_search(context: Context, tag: bytes, command: c.MultiSearch) -> CommandSteps:
    """One response for each mailbox in which something was found. What is not there is passed over."""
    asked = command.search
    if all(scope.kind == "SELECTED" for scope in command.scopes):
        yield from search_selected(context, tag, asked)
        return
    check_charset(asked)
    if asked.modseq:
        context.enabled.add("CONDSTORE")
    for mailbox in _mailboxes(context, command.scopes):
        try:
            view = context.store.view(mailbox.account, mailbox.id)
            first_recent = UidRanges(((view.mailbox.first_recent, None),))
            found = look(context, view, asked, resolved(asked.key, partial(_uids, view), first_recent))
        except NoSuchMailbox:
            continue
        if found.uids:
            yield found.extended(tag, True, SearchedMailbox(mailbox.name, mailbox.uidvalidity))


def _uids(view: MailboxView, numbers: NumberSet, uid: bool) -> UidRanges:
    return UidRanges(tuple(numbers.resolve(view.uids[-1] if view.uids else 0)))


def _mailboxes(context: Context, scopes: Sequence[c.Scope]) -> list[Mailbox]:
    """The mailboxes meant, each once, by name."""
    every = context.store.mailboxes(context.number)
    chosen: set[int] = set()
    for scope in scopes:
        match scope.kind:
            case "SELECTED":
                chosen.add(context.box().id)
            case "PERSONAL":
                chosen.update(box.id for box in every)
            case "INBOXES":
                chosen.update(box.id for box in every if box.name == "INBOX")
            case "SUBSCRIBED":
                chosen.update(box.id for box in every if box.subscribed)
            case "MAILBOXES":
                chosen.update(box.id for box in every if box.name in scope.names)
            case _:
                depth = 1 if scope.kind == "SUBTREE-ONE" else None
                chosen.update(box.id for box in every if any(_below(box.name, top, depth) for top in scope.names))
    return [box for box in every if box.id in chosen]


def _below(name: str, top: str, depth: int | None) -> bool:
    """Whether a name is the top of a subtree or so many levels below it; the empty name is above all."""
    if name == top:
        return True
    prefix = top + DELIMITER if top else ""
    return name.startswith(prefix) and (depth is None or name[len(prefix) :].count(DELIMITER) < depth)
