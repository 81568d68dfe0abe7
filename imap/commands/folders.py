"""CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE (RFC 3501 sections 6.3.3 to 6.3.7)."""

from __future__ import annotations

from imap.errors import Refused
from imap.session.context import Context
from imap.session.rights import Rights
from imap.session.steps import CommandSteps
from imap.wire import commands as c
from imap.wire.responses import ok
from storage.errors import NoSuchMailbox


def create(context: Context, tag: bytes, command: c.Create) -> CommandSteps:
    new = context.future(command.mailbox)
    context.store.create(new.account, new.inner)
    yield from ()


def delete(context: Context, tag: bytes, command: c.Delete) -> CommandSteps:
    """Of the mailbox that this very session has selected, leaves it as well."""
    place = context.place(command.mailbox, Rights.DELETE_MAILBOX)
    context.store.delete(place.account, place.mailbox.name)
    box = context.selected
    if box is not None and (box.account, box.id) == (place.account, place.id):
        context.unselect()
        yield ok("The selected mailbox is gone", b"CLOSED")


def rename(context: Context, tag: bytes, command: c.Rename) -> CommandSteps:
    """Within one account; messages go from one to another by COPY and MOVE."""
    new = context.future(command.new)
    try:
        place = context.place(command.old, Rights.DELETE_MAILBOX)
        account, old = place.account, place.mailbox.name
    except NoSuchMailbox:
        # It may be a level above mailboxes of our own.
        account, old = context.number, command.old
    if account != new.account or (old == "INBOX" and account != context.number):
        raise Refused("A mailbox stays with its owner: make a new one and move the messages", b"CANNOT")
    context.store.rename(account, old, new.inner)
    yield from ()


def subscribe(context: Context, tag: bytes, command: c.Subscribe) -> CommandSteps:
    """Of any name, so that it tells nothing of what is there."""
    try:
        name = context.place(command.mailbox).name
    except NoSuchMailbox:
        name = command.mailbox
    context.store.subscribe(context.number, name, command.on)
    yield from ()
