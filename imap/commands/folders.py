"""CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE (RFC 3501 sections 6.3.3 to 6.3.7)."""

from __future__ import annotations

import contextlib

from imap.commands.listing import is_level, listed
from imap.errors import Refused
from imap.session.context import Context
from imap.session.rights import Rights
from imap.session.steps import CommandSteps
from imap.wire import commands as c
from imap.wire.responses import Kind, Listed, Status, ok
from storage.errors import NoSuchMailbox
from storage.model import SpecialUse
from storage.objects import mailbox_id


def create(context: Context, tag: bytes, command: c.Create) -> CommandSteps:
    """What a mailbox is used for is said by its owner alone; one use is enough (RFC 6154 section 3)."""
    new = context.future(command.mailbox)
    uses = {use_of(written) for written in command.uses}
    if uses and new.account != context.number:
        raise Refused("Only the owner says what a mailbox is used for", b"USEATTR")
    if len(uses) > 1:
        raise Refused("A mailbox has one special use at most", b"USEATTR")
    made = context.names.place(new.owner, context.store.create(new.account, new.inner, next(iter(uses), None)))
    context.others.did(made.name)
    if context.rev2 and made.name != command.mailbox:
        yield listed(context, made, command.mailbox)
    code = b"MAILBOXID (%b)" % mailbox_id(made.account, made.id).encode()
    yield Status(Kind.OK, "Made", code, tag)


def use_of(written: str) -> SpecialUse:
    """The special use that an attribute stands for. Refused with USEATTR when there is none."""
    for use in SpecialUse:
        if use.value.casefold() == written.casefold():
            return use
    raise Refused("There is no such special use here", b"USEATTR")


def delete(context: Context, tag: bytes, command: c.Delete) -> CommandSteps:
    """Of the mailbox that this very session has selected, leaves it as well."""
    place = context.place(command.mailbox, Rights.DELETE_MAILBOX)
    context.others.did(place.name)
    context.store.delete(place.account, place.mailbox.name)
    if context.rev2 and place.name != command.mailbox:
        yield Listed(place.name, (b"\\NonExistent",), old_name=command.mailbox)
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
    context.others.did(command.old, command.new)
    context.store.rename(account, old, new.inner)
    if context.rev2 and old != "INBOX":
        # A name that was only a level above others is none of a mailbox now either.
        with contextlib.suppress(NoSuchMailbox):
            yield listed(context, context.place(command.new), command.old)


def subscribe(context: Context, tag: bytes, command: c.Subscribe) -> CommandSteps:
    """What is not there is not subscribed to (RFC 3501 section 6.3.6), but may go from the list at any time."""
    try:
        name = context.place(command.mailbox).name
    except NoSuchMailbox:
        name = command.mailbox
        if command.on and not is_level(context, name):
            raise
    context.others.did(name)
    context.store.subscribe(context.number, name, command.on)
    yield from ()
