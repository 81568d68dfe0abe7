"""COPY, MOVE, EXPUNGE (RFC 3501 sections 6.4.3 and 6.4.7, RFC 6851, RFC 4315)."""

from __future__ import annotations

from imap.commands.append import target
from imap.commands.portion import portion
from imap.commands.settled import settled
from imap.errors import Refused
from imap.session.context import Context
from imap.session.rights import Rights, settable
from imap.session.selected import Places, SelectedMailbox
from imap.session.steps import CommandSteps
from imap.wire import commands as c
from imap.wire.responses import Kind, Status, ok
from imap.wire.sets import write
from storage.model import CopyResult


def copy(context: Context, tag: bytes, command: c.Copy) -> CommandSteps:
    """All or nothing; of UIDs that don't exist nothing is said. A number whose message is gone refuses the whole."""
    box = context.box()
    places = box.places(command.numbers, uid=command.uid)
    portion(context, box, places)
    if context.left_out is not None:
        code, context.left_out = context.left_out, None
        raise Refused("There are more messages than one command copies: take a part of them", code)
    uids = _present(box, command, places)
    to = target(context, command.mailbox)
    if uids:
        context.look_again()
        result = context.store.copy(
            *(box.account, box.id, uids, to.id),
            to_account=to.account,
            within=settable(to.rights),
            every=not command.uid,
        )
        context.made(to, result.target)
        yield Status(Kind.OK, "Copied", _copyuid(result), tag)


def move(context: Context, tag: bytes, command: c.Move) -> CommandSteps:
    """COPYUID comes in an untagged OK before the removals (RFC 6851 section 4.3)."""
    box = context.writable(Rights.DELETE_MESSAGES | Rights.EXPUNGE)
    uids = _present(box, command, portion(context, box, box.places(command.numbers, uid=command.uid)))
    to = target(context, command.mailbox)
    if uids:
        context.look_again(numbers=True)
        result = context.store.move(
            *(box.account, box.id, uids, to.id),
            to_account=to.account,
            within=settable(to.rights),
            every=not command.uid,
        )
        context.made(to, result.target)
        if result.source:
            yield ok("Moved", _copyuid(result))
            yield settled(context, tag, "Moved")


def _present(box: SelectedMailbox, command: c.Copy | c.Move, places: Places) -> list[int]:
    """The UIDs meant. A message number whose message is gone refuses the whole (RFC 2180 section 4.4.1)."""
    uids = [row.uid for _, row in box.rows(places)]
    if not command.uid and len(uids) < sum(end - start for start, end in places):
        raise Refused("Some of the messages have been deleted", b"EXPUNGEISSUED")
    return uids


def _copyuid(result: CopyResult) -> bytes | None:
    if not result.source:
        return None
    return b"COPYUID %d %b %b" % (result.uidvalidity, write(result.source), write(result.target))


def expunge(context: Context, tag: bytes, command: c.Expunge) -> CommandSteps:
    """Removes what is marked as deleted; with UIDs, only of those (RFC 4315 section 2.1). The news tell it."""
    box = context.writable(Rights.EXPUNGE)
    uids: list[int] | None = None
    if command.uids is not None:
        uids = [row.uid for _, row in box.rows(portion(context, box, box.places(command.uids, uid=True)))]
    gone = context.store.expunge(box.account, box.id, uids)
    context.look_again(numbers=True)
    if gone:
        yield settled(context, tag, "Expunged")
