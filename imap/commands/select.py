"""SELECT, EXAMINE, CLOSE, UNSELECT (RFC 3501 sections 6.3.1, 6.3.2, 6.4.2; RFC 3691)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from imap.commands.listing import listed
from imap.session.context import Context
from imap.session.rights import Rights
from imap.session.selected import SelectedMailbox
from imap.session.steps import CommandSteps
from imap.wire import commands as c
from imap.wire.errors import ParseError
from imap.wire.responses import Exists, Kind, RecentCount, Response, Status, ok
from imap.wire.sets import common, in_ranges
from storage.objects import mailbox_id


def select(context: Context, tag: bytes, command: c.Select) -> CommandSteps:
    """A failure leaves no mailbox selected."""
    if command.resync is not None and not context.qresync:
        raise ParseError("QRESYNC takes ENABLE QRESYNC")
    if context.selected is not None:
        context.unselect()
        yield ok("The mailbox before is closed", b"CLOSED")
    if command.condstore:
        context.enabled.add("CONDSTORE")
    place = context.place(command.mailbox, Rights.READ)
    box = context.select(place, read_only=command.read_only)
    yield from context.flags()
    yield Exists(box.count)
    if context.rev2:
        # RFC 9051 appendix E, 10 to 12.
        yield listed(context, place, command.mailbox)
    else:
        yield RecentCount(box.recent_count)
        first = box.view.first_unseen
        if first is not None and not context.uid_only:
            yield ok("The first message without Seen", b"UNSEEN %d" % (first + 1))
    now = box.view.mailbox
    yield ok("UIDs are valid", b"UIDVALIDITY %d" % now.uidvalidity)
    yield ok("The next UID", b"UIDNEXT %d" % now.uidnext)
    yield ok("The highest mod-sequence", b"HIGHESTMODSEQ %d" % now.highest_modseq)
    yield ok("This mailbox for good", b"MAILBOXID (%b)" % mailbox_id(now.account, now.id).encode())
    if command.resync is not None and command.resync.uidvalidity == now.uidvalidity:
        yield from _changed_since(context, box, command.resync)
    code = b"READ-ONLY" if box.read_only else b"READ-WRITE"
    yield Status(Kind.OK, "Selected", code, tag)


def _changed_since(context: Context, box: SelectedMailbox, resync: c.Resync) -> Iterator[Response]:
    """What UID FETCH (FLAGS) (CHANGEDSINCE n VANISHED) would tell of the known UIDs (RFC 7162 section 3.2.5.1)."""
    highest = box.view.mailbox.uidnext - 1
    known = [(1, highest)] if highest else []
    if resync.known is not None:
        known = resync.known.resolve(highest)
    matched = _highest_match(box, resync.pairs)
    yield from context.vanished(resync.modseq, common(known, [(matched + 1, highest)]))
    for number, row in enumerate(box.view.rows, 1):
        if row.modseq > resync.modseq and in_ranges(row.uid, known):
            yield context.flags_of(number, row, uid=True)


def _highest_match(box: SelectedMailbox, pairs: Sequence[tuple[int, int]]) -> int:
    """The highest UID that has the message number which the client knows: up to it no removal is news to it.

    Numbers never rise, so none can match after the first that does not (RFC 7162 section 3.2.5.2).
    """
    matched = 0
    for number, uid in pairs:
        if number > box.count or box.uids[number - 1] != uid:
            break
        matched = uid
    return matched


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
