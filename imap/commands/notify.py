"""NOTIFY (RFC 5465): which events are told, of which mailboxes, at any time."""

from __future__ import annotations

from imap.errors import Refused
from imap.session.context import Context
from imap.session.interests import NO_ATTENTION, Interests, attention
from imap.session.observer import Overflow
from imap.session.steps import CommandSteps
from imap.wire import commands as c
from storage.errors import InvalidName, NoSuchMailbox
from storage.names import INBOX


def notify(context: Context, tag: bytes, command: c.Notify) -> CommandSteps:
    """What happened so far in the selected mailbox is told before the new choice counts (section 3.1)."""
    if not command.known:
        raise Refused("Some of these events are not known here", b"BADEVENT (" + b" ".join(c.EVENT_NAMES) + b")")
    before, context.attention = context.attention, None
    context.look_again(numbers=True)
    yield from context.news(expunge=True)
    context.attention = before
    if command.groups is None:
        context.listen(None)
        context.attend(NO_ATTENTION)
        return
    try:
        observer = context.listen(Interests(command.groups, lambda name: _spelled(context, name)))
    except Overflow:
        limit = context.settings.notify_accounts
        raise Refused(f"That would be more than {limit} accounts to be watched", b"NOTIFICATIONOVERFLOW") from None
    context.attend(attention(command.groups), pushes=True)
    if observer is not None:
        box = context.selected
        selected = None if box is None else (box.account, box.id)
        yield from observer.beginning(selected, status=command.status, condstore=context.condstore)


def _spelled(context: Context, name: str) -> str:
    """The name under which LIST has a mailbox, where there is one that may be known of."""
    try:
        return context.place(name).name
    except (NoSuchMailbox, InvalidName, Refused):
        return INBOX + name[len(INBOX) :] if (name + "/").upper().startswith(INBOX + "/") else name
