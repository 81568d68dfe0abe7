"""CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE (RFC 3501 sections 6.3.3 to 6.3.7)."""

from __future__ import annotations

import contextlib

from imap.commands.listing import listed
from imap.session.context import Context
from imap.session.steps import CommandSteps
from imap.wire import commands as c
from imap.wire.responses import Kind, Listed, Status, ok
from storage.errors import NoSuchMailbox
from storage.objects import mailbox_id


def create(context: Context, tag: bytes, command: c.Create) -> CommandSteps:
    made = context.store.create(context.number, command.mailbox)
    if context.rev2 and made.name != command.mailbox:
        yield listed(context, made, command.mailbox)
    code = b"MAILBOXID (%b)" % mailbox_id(made.account, made.id).encode()
    yield Status(Kind.OK, "Made", code, tag)


def delete(context: Context, tag: bytes, command: c.Delete) -> CommandSteps:
    """Of the mailbox that this very session has selected, leaves it as well."""
    mailbox = context.store.mailbox(context.number, command.mailbox)
    context.store.delete(context.number, command.mailbox)
    if context.rev2 and mailbox.name != command.mailbox:
        yield Listed(mailbox.name, (b"\\NonExistent",), old_name=command.mailbox)
    if context.selected is not None and context.selected.id == mailbox.id:
        context.unselect()
        yield ok("The selected mailbox is gone", b"CLOSED")


def rename(context: Context, tag: bytes, command: c.Rename) -> CommandSteps:
    context.store.rename(context.number, command.old, command.new)
    if context.rev2 and command.old.upper() != "INBOX":
        # A name that was only a level above others is none of a mailbox now either.
        with contextlib.suppress(NoSuchMailbox):
            yield listed(context, context.store.mailbox(context.number, command.new), command.old)


def subscribe(context: Context, tag: bytes, command: c.Subscribe) -> CommandSteps:
    context.store.subscribe(context.number, command.mailbox, command.on)
    yield from ()
