"""CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE (RFC 3501 sections 6.3.3 to 6.3.7)."""

from __future__ import annotations

from imap.session.context import Context
from imap.session.steps import CommandSteps
from imap.wire import commands as c
from imap.wire.responses import ok


def create(context: Context, tag: bytes, command: c.Create) -> CommandSteps:
    context.store.create(context.number, command.mailbox)
    yield from ()


def delete(context: Context, tag: bytes, command: c.Delete) -> CommandSteps:
    """Of the mailbox that this very session has selected, leaves it as well."""
    mailbox = context.store.mailbox(context.number, command.mailbox)
    context.store.delete(context.number, command.mailbox)
    if context.selected is not None and context.selected.id == mailbox.id:
        context.unselect()
        yield ok("The selected mailbox is gone", b"CLOSED")


def rename(context: Context, tag: bytes, command: c.Rename) -> CommandSteps:
    context.store.rename(context.number, command.old, command.new)
    yield from ()


def subscribe(context: Context, tag: bytes, command: c.Subscribe) -> CommandSteps:
    context.store.subscribe(context.number, command.mailbox, command.on)
    yield from ()
