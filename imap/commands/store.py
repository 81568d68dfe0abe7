"""STORE (RFC 3501 section 6.4.6, RFC 7162 section 3.1.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from imap.commands.portion import portion
from imap.errors import Refused
from imap.session.context import Context
from imap.session.places import no_right
from imap.session.rights import settable
from imap.session.selected import SelectedMailbox
from imap.session.steps import CommandSteps
from imap.wire import commands as c
from imap.wire import encoder
from imap.wire.responses import Kind, Status
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
    """A thousand messages have few combinations of flags: what is said of them is made once for each."""
    said: dict[tuple[object, ...], _Said] = {}
    recent, just_told = bool(box.recent), box.just_told
    head = _head(context, command)
    row_of = {row.uid: row for row in rows}
    for number, uid in box.numbered(list(row_of)):
        was, row = before[uid], row_of[uid]
        is_recent = recent and box.is_recent(uid)
        key = (was.system, was.keywords, row.system, row.keywords, row.modseq, row.modseq == was.modseq, is_recent)
        known = said.get(key)
        if known is None:
            known = said[key] = _say(context, was, row, is_recent, command)
        rest = known.aloud if uid in just_told else known.usual
        if rest:
            yield head(number, uid) + rest


def _head(context: Context, command: c.Store) -> Callable[[int, int], bytes]:
    """What a FETCH response begins with, of a message number and a UID."""
    if context.uid_only:
        return lambda number, uid: b"* %d UIDFETCH (" % uid
    if command.uid or context.qresync:
        return lambda number, uid: b"* %d FETCH (UID %d " % (number, uid)
    return lambda number, uid: b"* %d FETCH (" % number


class _Said(NamedTuple):
    """The rest of the response: where others' changes were told just before, and where not; empty for none at all."""

    aloud: bytes
    usual: bytes


def _say(context: Context, was: MessageRow, row: MessageRow, recent: bool, command: c.Store) -> _Said:
    """With .SILENT mod-sequences are told still, once the client knows of them (RFC 7162 section 3.1.3)."""
    flags = encoder.flags(row.system, row.keywords, recent)
    modseq = b"MODSEQ (%d)" % row.modseq
    aloud = (b"%b %b)\r\n" % (flags, modseq)) if context.condstore else flags + b")\r\n"
    if not command.silent or not _as_expected(was, row, command):
        return _Said(aloud, aloud)
    if context.condstore and (command.unchanged_since is not None or row.modseq != was.modseq):
        return _Said(aloud, modseq + b")\r\n")
    return _Said(aloud, b"")


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
