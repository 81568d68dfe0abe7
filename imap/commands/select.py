"""SELECT, EXAMINE, CLOSE, UNSELECT (RFC 3501 sections 6.3.1, 6.3.2, 6.4.2; RFC 3691)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from imap.commands.listing import listed
from imap.session.context import Context
from imap.session.rights import Rights
from imap.session.selected import SelectedMailbox
from imap.session.steps import BLOCKS, CommandSteps
from imap.wire import commands as c
from imap.wire.encoder import encode
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
    waits = context.rev2 or command.resync is not None
    place = None if waits else context.place_at_hand(command.mailbox, Rights.READ)
    box = None if place is None else context.select_at_hand(place, read_only=command.read_only)
    if place is None or box is None:
        yield BLOCKS
        place = context.place(command.mailbox, Rights.READ)
        box = context.select(place, read_only=command.read_only)
    yield context.services.selections.answer(box.view, _depends(context, box), partial(_told, context, box))
    if context.rev2:
        # RFC 9051 appendix E, 10 to 12.
        yield listed(context, place, command.mailbox)
    if command.resync is not None and command.resync.uidvalidity == box.view.mailbox.uidvalidity:
        yield from _changed_since(context, box, command.resync)
    code = b"READ-ONLY" if box.read_only else b"READ-WRITE"
    yield Status(Kind.OK, "Selected", code, tag)


def _depends(context: Context, box: SelectedMailbox) -> tuple[object, ...]:
    """What else than the mailbox ``_told`` depends on."""
    return box.read_only, box.rights, box.recent_count, context.rev2, context.uid_only


def _told(context: Context, box: SelectedMailbox) -> bytes:
    return b"".join(encode(response) for response in _facts(context, box))


def _facts(context: Context, box: SelectedMailbox) -> Iterator[Response]:
    """What is told of any mailbox (RFC 3501 section 6.3.1), and what RFC 7162 and RFC 8474 add."""
    yield from context.flags()
    yield Exists(box.count)
    if not context.rev2:
        yield RecentCount(box.recent_count)
        first = box.view.first_unseen
        if first is not None and not context.uid_only:
            yield ok("The first message without Seen", b"UNSEEN %d" % (first + 1))
    now = box.view.mailbox
    yield ok("UIDs are valid", b"UIDVALIDITY %d" % now.uidvalidity)
    yield ok("The next UID", b"UIDNEXT %d" % now.uidnext)
    yield ok("The highest mod-sequence", b"HIGHESTMODSEQ %d" % now.highest_modseq)
    yield ok("This mailbox for good", b"MAILBOXID (%b)" % mailbox_id(now.account, now.id).encode())


def _changed_since(context: Context, box: SelectedMailbox, resync: c.Resync) -> Iterator[Response | bytes]:
    """What UID FETCH (FLAGS) (CHANGEDSINCE n VANISHED) would tell of the known UIDs (RFC 7162 section 3.2.5.1)."""
    highest = box.view.mailbox.uidnext - 1
    known = [(1, highest)] if highest else []
    if resync.known is not None:
        known = resync.known.resolve(highest)
    matched = _highest_match(box, resync.pairs)
    yield from context.vanished(resync.modseq, common(known, [(matched + 1, highest)]))
    for number, row in enumerate(box.view.rows, 1):
        if row.modseq > resync.modseq and in_ranges(row.uid, known):
            yield context.flags_of(number, row)


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
