"""STORE (RFC 3501 section 6.4.6, RFC 7162 section 3.1.3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from imap.commands.portion import portion
from imap.errors import Refused
from imap.session.context import Context
from imap.session.places import no_right
from imap.session.rights import settable
from imap.session.selected import SelectedMailbox
from imap.session.steps import CommandSteps
from imap.wire import commands as c
from imap.wire.encoder import encode
from imap.wire.responses import FetchData, Kind, Status
from imap.wire.sets import write
from storage.model import FlagChange, MessageRow, Settable, System

_DELETED = "Some of the messages have been deleted"


def store(context: Context, tag: bytes, command: c.Store) -> CommandSteps:
    """Sends the new flags, with .SILENT only where somebody else changed them too.

    That may have been told at the start of this very command: then the last word on the message must be its flags now.
    """
    box = context.writable()
    may = settable(box.rights)
    if not _may_change(may, command):
        raise no_right()
    if command.unchanged_since is not None:
        context.enabled.add("CONDSTORE")
    places = portion(context, box, box.places(command.numbers, uid=command.uid))
    before = {row.uid: row for _, row in box.rows(places)}
    result = context.store.store_flags(
        box.account,
        box.id,
        list(before),
        command.change,
        int(command.system),
        command.keywords,
        command.unchanged_since,
        within=may,
    )
    box.tell(result.rows)
    context.look_again()
    new_keywords = {keyword for row in result.rows for keyword in row.keywords} - box.keywords
    if new_keywords:
        box.keywords |= new_keywords
        yield from context.flags()
    yield b"".join(_answers(context, box, before, result.rows, command))
    there = len(result.rows) + len(result.modified)
    missing = not command.uid and (there < len(before) or box.misses(places))
    if result.modified:
        # Message numbers or UIDs, as the command has them (RFC 7162 section 3.1.3, with its example 11).
        refused = result.modified if command.uid else [number for number, _ in box.numbered(result.modified)]
        kind, text = (Kind.NO, _DELETED) if missing else (Kind.OK, "Some messages had been changed")
        yield Status(kind, text, b"MODIFIED " + write(refused), tag)
    elif missing:
        raise Refused(_DELETED, b"EXPUNGEISSUED")


def _answers(
    context: Context,
    box: SelectedMailbox,
    before: Mapping[int, MessageRow],
    rows: Sequence[MessageRow],
    command: c.Store,
) -> Iterator[bytes]:
    """A thousand messages have few combinations of flags: what is expected of them is asked once for each."""
    expected: dict[tuple[object, ...], bool] = {}
    numbers = box.numbered([row.uid for row in rows])
    row_of = {row.uid: row for row in rows}
    for number, uid in numbers:
        was, row = before[uid], row_of[uid]
        flags = (was.system, was.keywords, row.system, row.keywords)
        as_expected = expected.get(flags)
        if as_expected is None:
            as_expected = expected[flags] = _as_expected(was, row, command)
        if not command.silent or not as_expected or uid in box.just_told:
            yield encode(context.flags_of(number, row, uid=command.uid))
        elif context.condstore and (command.unchanged_since is not None or row.modseq != was.modseq):
            yield encode(_modseq_of(context, number, row, command.uid or context.qresync))


def _may_change(may: Settable, command: c.Store) -> bool:
    """True with the right to one flag at least. Others are passed over: clients bear NO badly (RFC 4314 section 4)."""
    if command.change is FlagChange.REPLACE:
        return bool(may.system)
    named = bool(command.system or command.keywords)
    return not named or bool(command.system & may.system) or (bool(command.keywords) and may.keywords)


def _as_expected(before: MessageRow, after: MessageRow, command: c.Store) -> bool:
    """True when the flags are what the client makes of the ones that it knows."""
    known = {keyword.lower() for keyword in before.keywords}
    given = {keyword.lower() for keyword in command.keywords}
    system = int(command.system)
    match command.change:
        case FlagChange.ADD:
            wanted_system, wanted = before.system | system, known | given
        case FlagChange.REMOVE:
            wanted_system, wanted = before.system & ~system, known - given
        case FlagChange.REPLACE:
            wanted_system, wanted = system, given
    return after.system == System(wanted_system) and {keyword.lower() for keyword in after.keywords} == wanted


def _modseq_of(context: Context, number: int, row: MessageRow, uid: bool) -> FetchData:
    """Told also with .SILENT once the client knows of mod-sequences (RFC 7162 section 3.1.3)."""
    modseq = b"MODSEQ (%d)" % row.modseq
    return context.fetch_data(number, row, (b"UID %d" % row.uid, modseq) if uid and not context.uid_only else (modseq,))
