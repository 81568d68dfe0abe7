"""FETCH (RFC 3501 section 6.4.5, RFC 7162 section 3.1.4): a plan by where the data is, then rows in blocks.

What a row of the mailbox view has costs no query; ENVELOPE, BODYSTRUCTURE and the header fields of list views are ready
octets in content columns; only the rest opens a body, of which stored octets are sent by offset.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import structlog

from imap.commands.sections import Body, is_whole, listed_fields, partial_of, served_by_fields
from imap.errors import Refused
from imap.session.context import Context
from imap.session.selected import SelectedMailbox
from imap.session.steps import CommandSteps
from imap.wire import commands as c
from imap.wire import encoder
from storage.errors import Damaged, NoSuchMessage
from storage.model import Columns, ContentRow, FlagChange, MessageRow, System

log = structlog.get_logger()

#: Messages whose rows are rendered into one block, and whose columns are read together.
_LIGHT_BLOCK = 500
_BLOCK = 100

#: Octets of one message's answer that are joined; more goes out in blocks.
_JOIN = 64 * 1024

_SEEN = int(System.SEEN)

Numbered = tuple[int, MessageRow]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a FETCH needs: items of the row, content columns, and whether bodies must be opened."""

    light: tuple[c.Datum, ...]
    content: tuple[c.Datum | c.Section, ...]
    columns: Columns
    opens: bool
    sees: bool


_LIGHT_ORDER = (c.Datum.UID, c.Datum.FLAGS, c.Datum.INTERNALDATE, c.Datum.SIZE, c.Datum.MODSEQ)


def planned(context: Context, command: c.Fetch) -> Plan:
    """UID first: some clients rely on that. MODSEQ once the client knows of mod-sequences."""
    wanted = {item for item in command.items if isinstance(item, c.Datum)}
    if command.uid:
        wanted.add(c.Datum.UID)
    if command.changed_since is not None or (context.condstore and c.Datum.FLAGS in wanted):
        wanted.add(c.Datum.MODSEQ)
    content = tuple(item for item in command.items if item not in _LIGHT_ORDER)
    columns, opens, sees = Columns(0), False, False
    for item in content:
        if item is c.Datum.ENVELOPE:
            columns |= Columns.ENVELOPE
        elif item is c.Datum.BODYSTRUCTURE:
            columns |= Columns.BODYSTRUCTURE
        elif isinstance(item, c.Section) and served_by_fields(item):
            columns |= Columns.FIELDS
            sees |= item.sees
        else:
            opens = True
            if not is_whole(item):
                columns |= Columns.PARTS
            sees |= isinstance(item, c.Section) and item.sees
    return Plan(tuple(item for item in _LIGHT_ORDER if item in wanted), content, columns, opens, sees)


def fetch(context: Context, tag: bytes, command: c.Fetch) -> CommandSteps:
    """Answers by rising message number. Messages that are gone are left out; by number that ends in NO."""
    box = context.box()
    places = box.places(command.numbers, uid=command.uid)
    if command.changed_since is not None or c.Datum.MODSEQ in command.items:
        context.enabled.add("CONDSTORE")
    plan = planned(context, command)
    rows = box.rows(places)
    if command.changed_since is not None:
        since = command.changed_since
        rows = (numbered for numbered in rows if numbered[1].modseq > since)
    missing = _Missing()
    if plan.content:
        yield from _contents(context, box, plan, rows, missing)
    else:
        yield from _light(box, plan, rows)
    if missing.damaged:
        raise Refused("Some messages can't be read; the administrators are told", b"CORRUPTION")
    if not command.uid and (missing.gone or (box.has_gone and _has_gone(box, command))):
        raise Refused("Some of the messages are gone", b"EXPUNGEISSUED")


@dataclass(slots=True)
class _Missing:
    gone: int = 0
    damaged: int = 0


def _has_gone(box: SelectedMailbox, command: c.Fetch) -> bool:
    places = box.places(command.numbers, uid=False)
    return sum(1 for _ in box.rows(places)) < sum(end - start for start, end in places)


# ---------------------------------------------------------------- items of the row


def _light(box: SelectedMailbox, plan: Plan, rows: Iterator[Numbered]) -> Iterator[bytes]:
    renders = _renders(box, plan.light)
    while block := list(islice(rows, _LIGHT_BLOCK)):
        yield b"".join(_lines(renders, block))


def _lines(renders: tuple[Render, ...], block: Iterable[Numbered]) -> Iterator[bytes]:
    """The hot loop of ``FETCH 1:* (UID FLAGS)``: two items, as most clients ask, without a generator for each line."""
    if len(renders) == 2:
        first, second = renders
        return (b"* %d FETCH (%b %b)\r\n" % (number, first(row), second(row)) for number, row in block)
    return (b"* %d FETCH (%b)\r\n" % (number, b" ".join([render(row) for render in renders])) for number, row in block)


Render = Callable[[MessageRow], bytes]


def _renders(box: SelectedMailbox, items: Iterable[c.Datum]) -> tuple[Render, ...]:
    is_recent = box.is_recent
    flags = encoder.flags
    if box.recent:

        def flags_of(row: MessageRow) -> bytes:
            return flags(row.system, row.keywords, is_recent(row.uid))
    else:

        def flags_of(row: MessageRow) -> bytes:
            return flags(row.system, row.keywords, False)

    table: dict[c.Datum, Render] = {
        c.Datum.UID: lambda row: b"UID %d" % row.uid,
        c.Datum.FLAGS: flags_of,
        c.Datum.INTERNALDATE: lambda row: b"INTERNALDATE " + encoder.date_time(row.internal_date, row.zone),
        c.Datum.SIZE: lambda row: b"RFC822.SIZE %d" % row.size,
        c.Datum.MODSEQ: lambda row: b"MODSEQ (%d)" % row.modseq,
    }
    return tuple(table[item] for item in items)


# ---------------------------------------------------------------- columns and bodies


def _contents(
    context: Context, box: SelectedMailbox, plan: Plan, rows: Iterator[Numbered], missing: _Missing
) -> Iterator[bytes]:
    renders = _renders(box, plan.light)
    # The flags that FETCH itself changed are told, even if nobody asked (RFC 3501 section 6.4.5).
    also = (c.Datum.FLAGS, c.Datum.MODSEQ) if context.condstore else (c.Datum.FLAGS,)
    flags_too = _renders(box, [item for item in also if item not in plan.light])
    while block := list(islice(rows, _BLOCK)):
        seen_now: set[int] = set()
        if plan.sees and not box.read_only:
            block, seen_now = _see(context, box, block)
        numbers = {row.uid: (number, row) for number, row in block}
        found = 0
        for content in _columns(context, box, list(numbers), plan.columns):
            found += 1
            number, row = numbers[content.uid]
            items = [render(row) for render in renders]
            if row.uid in seen_now:
                items += [render(row) for render in flags_too]
            yield from _message(context, box, plan, number, row, content, items, missing)
        missing.gone += len(block) - found


def _columns(context: Context, box: SelectedMailbox, uids: list[int], columns: Columns) -> Iterable[ContentRow]:
    """Content columns of the messages that are there; none are read when only whole bodies are sent."""
    if not columns:
        return [ContentRow(uid, b"", b"", b"", b"") for uid in uids]
    return context.store.contents(context.number, box.id, uids, columns)


def _see(context: Context, box: SelectedMailbox, block: list[Numbered]) -> tuple[list[Numbered], set[int]]:
    """Set \\Seen where it isn't, before the answers go out (RFC 3501 section 6.4.5); returns the new rows and UIDs."""
    unseen = [row.uid for _, row in block if not row.system & _SEEN]
    if not unseen:
        return block, set()
    result = context.store.store_flags(context.number, box.id, unseen, FlagChange.ADD, _SEEN, ())
    box.tell(result.rows)
    context.look_again()
    after = {row.uid: row for row in result.rows}
    return [(number, after.get(row.uid, row)) for number, row in block], set(after)


def _message(
    context: Context,
    box: SelectedMailbox,
    plan: Plan,
    number: int,
    row: MessageRow,
    content: ContentRow,
    items: list[bytes],
    missing: _Missing,
) -> Iterator[bytes]:
    """One message's answer; nothing of it is sent before all of it is at hand."""
    start = b"* %d FETCH (" % number + b" ".join(items)
    if not plan.opens:
        pieces = [_from_columns(item, content) for item in plan.content]
        yield start + b" " * bool(items) + b" ".join(pieces) + b")\r\n"
        return
    try:
        body = Body(context.store.body(context.number, box.id, row), content.parts)
    except NoSuchMessage:
        missing.gone += 1
        return
    except Damaged as error:
        log.error("imap.damaged", account=context.number, mailbox=box.id, uid=row.uid, error=str(error))
        missing.damaged += 1
        return
    with body:
        lead = start + b" " * bool(items)
        for item in plan.content:
            if isinstance(item, c.Section) and not served_by_fields(item):
                lead, octets = lead + body.label(item), body.section(item)
                yield from _literal(lead, octets)
                lead = b" "
            elif item is c.Datum.BODY:
                lead += b"BODY " + body.plain_structure() + b" "
            else:
                lead += _from_columns(item, content) + b" "
        yield (lead[:-1] if lead.endswith(b" ") else lead) + b")\r\n"


def _literal(lead: bytes, octets: memoryview | None) -> Iterator[bytes]:
    if octets is None:
        yield lead + b"NIL"
        return
    with octets:
        if len(octets) <= _JOIN:
            yield b"".join((lead, b"{%d}\r\n" % len(octets), octets))
            return
        yield b"%b{%d}\r\n" % (lead, len(octets))
        for start in range(0, len(octets), _JOIN):
            yield bytes(octets[start : start + _JOIN])


def _from_columns(item: c.Datum | c.Section, content: ContentRow) -> bytes:
    if item is c.Datum.ENVELOPE:
        return b"ENVELOPE " + content.envelope
    if item is c.Datum.BODYSTRUCTURE:
        return b"BODYSTRUCTURE " + content.bodystructure
    assert isinstance(item, c.Section)
    return partial_of(item, listed_fields(content.fields, item.fields))
