"""SELECT, EXAMINE, CLOSE, UNSELECT (RFC 3501 sections 6.3.1, 6.3.2, 6.4.2; RFC 3691)."""

from __future__ import annotations

from imap.session.context import Context
from imap.session.rights import Rights
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
    place = context.place(command.mailbox, Rights.READ)
    box = context.select(place, read_only=command.read_only)
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
    code = b"READ-ONLY" if box.read_only else b"READ-WRITE"
    yield Status(Kind.OK, "Selected", code, tag)


def close(context: Context, tag: bytes, command: c.Close) -> CommandSteps:
    """Removes what is marked as deleted, unless selected read-only; tells nothing (RFC 3501 section 6.4.2).

    Without the right to, removes nothing, which is no error (RFC 4314 section 4).
    """
    box = context.box()
    rights = context.rights_now(box)
    context.unselect()
    if not box.read_only and Rights.EXPUNGE in rights:
        context.store.expunge(box.account, box.id)
    yield from ()


def unselect(context: Context, tag: bytes, command: c.Unselect) -> CommandSteps:
    context.unselect()
    yield from ()
