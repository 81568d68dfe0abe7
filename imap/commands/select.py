"""SELECT, EXAMINE, CLOSE, UNSELECT (RFC 3501 sections 6.3.1, 6.3.2, 6.4.2; RFC 3691)."""

from __future__ import annotations

from imap.session.context import Context
from imap.session.steps import CommandSteps
from imap.wire import commands as c
from imap.wire.responses import Exists, Kind, RecentCount, Status, ok


def select(context: Context, tag: bytes, command: c.Select) -> CommandSteps:
    """A failure leaves no mailbox selected."""
    if context.selected is not None:
        context.unselect()
        yield ok("The mailbox before is closed", b"CLOSED")
    if command.condstore:
        context.enabled.add("CONDSTORE")
    mailbox = context.store.mailbox(context.number, command.mailbox)
    box = context.select(mailbox, read_only=command.read_only)
    yield from context.flags()
    yield Exists(box.count)
    yield RecentCount(box.recent_count)
    first = box.view.first_unseen
    if first is not None:
        yield ok("The first message without Seen", b"UNSEEN %d" % (first + 1))
    now = box.view.mailbox
    yield ok("UIDs are valid", b"UIDVALIDITY %d" % now.uidvalidity)
    yield ok("The next UID", b"UIDNEXT %d" % now.uidnext)
    yield ok("The highest mod-sequence", b"HIGHESTMODSEQ %d" % now.highest_modseq)
    code = b"READ-ONLY" if command.read_only else b"READ-WRITE"
    yield Status(Kind.OK, "Selected", code, tag)


def close(context: Context, tag: bytes, command: c.Close) -> CommandSteps:
    """Removes what is marked as deleted, unless selected read-only; tells nothing (RFC 3501 section 6.4.2)."""
    box = context.box()
    context.unselect()
    if not box.read_only:
        context.store.expunge(context.number, box.id)
    yield from ()


def unselect(context: Context, tag: bytes, command: c.Unselect) -> CommandSteps:
    context.unselect()
    yield from ()
