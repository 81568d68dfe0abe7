"""FETCH (RFC 3501 section 6.4.5, RFC 7162 section 3.1.4): a plan by where the data is, then rows in blocks.

What a row of the mailbox view has costs no query; ENVELOPE, BODYSTRUCTURE and the header fields of list views are ready
octets in content columns; only the rest opens a body, of which stored octets are sent by offset.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import islice
from typing import TypeGuard

import structlog

from imap.commands.portion import portion, portion_of_rows
from imap.commands.search import page
from imap.commands.sections import Body, UnknownEncoding, is_whole, label, listed_fields, partial_of, served_by_fields
from imap.errors import Refused
from imap.rendered import BLOCK
from imap.session.context import Context
from imap.session.rights import Rights
from imap.session.selected import Places, SelectedMailbox
from imap.session.steps import BLOCKS, Blocks, CommandSteps
from imap.wire import commands as c
from imap.wire import encoder
from imap.wire.errors import ParseError
from storage.errors import Damaged, NoSuchMessage, Unreadable
from storage.model import Columns, ContentRow, FlagChange, MessageRow, System
from storage.zone import local_zone

log = structlog.get_logger()

#: Messages whose columns are read together.
_BLOCK = 100

#: Octets of a body that are taken at a time.
_WRITE = 64 * 1024

#: Messages, and members of a set, that are few enough to be answered in the reactor's thread.
_FEW = 100

_SEEN = int(System.SEEN)

Numbered = tuple[int, MessageRow]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a FETCH needs: items of the row, content columns, and whether bodies must be opened."""

    light: tuple[c.Datum, ...]
    content: tuple[c.Item, ...]
    columns: Columns
    opens: bool
    sees: bool


_UID_AND_FLAGS = (c.Datum.UID, c.Datum.FLAGS)
_LIGHT_ORDER = (c.Datum.UID, c.Datum.FLAGS, c.Datum.INTERNALDATE, c.Datum.SIZE, c.Datum.MODSEQ)


_COLUMNS = {
    c.Datum.ENVELOPE: Columns.ENVELOPE,
    c.Datum.BODYSTRUCTURE: Columns.BODYSTRUCTURE,
    c.Datum.EMAILID: Columns.EMAIL,
    c.Datum.THREADID: Columns.THREAD,
    c.Datum.SAVEDATE: Columns.SAVED,
    c.Datum.PREVIEW: Columns.PREVIEW,
    c.Datum.LAZY_PREVIEW: Columns.PREVIEW,
}

#: Columns of what a message holds, the same for all its copies and for good.
_LASTING = Columns.ENVELOPE | Columns.BODYSTRUCTURE | Columns.FIELDS


def planned(context: Context, command: c.Fetch) -> Plan:
    """UID first: some clients rely on that. MODSEQ once the client knows of mod-sequences."""
    changed, uid = command.changed_since is not None, command.uid and not context.uid_only
    return _planned(command.items, changed, context.condstore, uid, context.qresync and not context.uid_only)


@lru_cache(maxsize=1000)
def _planned(items: tuple[c.Item, ...], changed: bool, condstore: bool, uid: bool, seen_with_uid: bool) -> Plan:
    """Mail programs ask for the same few combinations again and again."""
    wanted = {item for item in items if isinstance(item, c.Datum)}
    if changed or (condstore and c.Datum.FLAGS in wanted):
        wanted.add(c.Datum.MODSEQ)
    content = tuple(item for item in items if item not in _LIGHT_ORDER)
    columns, opens, sees = Columns(0), False, False
    for item in content:
        if isinstance(item, c.Datum) and item in _COLUMNS:
            columns |= _COLUMNS[item]
        elif isinstance(item, c.Section) and served_by_fields(item):
            columns |= Columns.FIELDS
            sees |= item.sees
        else:
            opens = True
            if not is_whole(item):
                columns |= Columns.PARTS
            sees |= isinstance(item, (c.Section, c.Binary)) and item.sees
    if uid or (sees and seen_with_uid):
        wanted.add(c.Datum.UID)
    return Plan(tuple(item for item in _LIGHT_ORDER if item in wanted), content, columns, opens, sees)


def fetch(context: Context, tag: bytes, command: c.Fetch) -> CommandSteps:
    """Answers by rising message number. Messages that are gone are left out; by number that ends in NO."""
    box = context.box()
    if len(command.numbers.members) > _FEW:
        yield BLOCKS
    places = box.places(command.numbers, uid=command.uid)
    if command.changed_since is not None or c.Datum.MODSEQ in command.items:
        context.enabled.add("CONDSTORE")
    if command.vanished:
        if not context.qresync:
            raise ParseError("VANISHED takes ENABLE QRESYNC")
        assert command.changed_since is not None
        yield BLOCKS
        yield from context.vanished(command.changed_since, command.numbers.resolve(box.view.mailbox.uidnext - 1))
    plan = planned(context, command)
    if command.partial is None:
        places = portion(context, box, places)
    if plan.opens or sum(end - start for start, end in places) > _FEW:
        yield BLOCKS
    rows = box.rows(places)
    if command.changed_since is not None:
        since = command.changed_since
        rows = (numbered for numbered in rows if numbered[1].modseq > since)
    if command.partial is not None:
        rows = iter(portion_of_rows(context, page(list(rows), command.partial), box.uids))
    if context.uid_only:
        rows = ((row.uid, row) for _, row in rows)
    if plan.content:
        contents = _Contents(context, box, plan)
        yield from contents.answers(rows)
        contents.check()
        if contents.gone and not command.uid:
            raise _deleted()
    elif command.changed_since is not None or command.partial is not None or box.has_gone or context.uid_only:
        yield from _light(box, plan, rows, encoder.fetch_start(context.uid_only))
    else:
        yield from _light_blocks(context, box, plan, places)
    if not command.uid and box.misses(places):
        raise _deleted()


def _deleted() -> Refused:
    return Refused("Some of the messages have been deleted", b"EXPUNGEISSUED")


# ---------------------------------------------------------------- items of the row


def _light(box: SelectedMailbox, plan: Plan, rows: Iterator[Numbered], start: bytes) -> Iterator[bytes]:
    while block := list(islice(rows, BLOCK)):
        yield b"".join(_lines(box, plan, block, start))


def _light_blocks(context: Context, box: SelectedMailbox, plan: Plan, places: Places) -> Iterator[bytes]:
    """The same in the blocks of ``imap/rendered.py``. For mailboxes of which nothing is gone."""
    rows = box.view.rows
    for low, high in places:
        while low < high:
            end = min(high, low - low % BLOCK + BLOCK)
            block = rows[low:end]
            lines = partial(_joined, box, plan, block, low + 1)
            whole = low % BLOCK == 0 and end in (low + BLOCK, len(rows))
            if whole and not box.any_recent(block[0].uid, block[-1].uid):
                yield context.services.rendered.lines(box.view, plan.light, block, low, lines)
            else:
                yield lines()
            low = end


def _joined(box: SelectedMailbox, plan: Plan, rows: Sequence[MessageRow], first: int) -> bytes:
    return b"".join(_lines(box, plan, enumerate(rows, first), encoder.fetch_start(False)))


def _lines(box: SelectedMailbox, plan: Plan, block: Iterable[Numbered], start: bytes) -> list[bytes]:
    """The hot loop of ``FETCH 1:* (UID FLAGS)``: what most clients ask is written at one go."""
    if plan.light == _UID_AND_FLAGS and not box.recent:
        pair, flags = start + b"UID %d %b)\r\n", encoder.flags
        # UID, system flags and keywords by their places, which takes half the time that names do.
        return [pair % (number, row[0], flags(row[2], row[3], False)) for number, row in block]
    renders = _renders(box, plan.light)
    line = start + b"%b)\r\n"
    return [line % (number, b" ".join([render(row) for render in renders])) for number, row in block]


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


class _Contents:
    """Answers that need more than the row.

    ``gone``, ``damaged``, ``away`` (the disk failed, now at least) and ``unknown`` count messages left out, and why.
    """

    def __init__(self, context: Context, box: SelectedMailbox, plan: Plan) -> None:
        self._context = context
        self._box = box
        self._plan = plan
        self._renders = _renders(box, plan.light)
        self._start = encoder.fetch_start(context.uid_only)
        # The flags that FETCH itself changed are told, even if nobody asked (RFC 3501 section 6.4.5).
        also = (c.Datum.FLAGS, c.Datum.MODSEQ) if context.condstore else (c.Datum.FLAGS,)
        self._flags_too = _renders(box, [item for item in also if item not in plan.light])
        self._preview = c.Datum.PREVIEW in plan.content
        self._lasting = not plan.opens and not plan.columns & ~_LASTING
        self.gone = 0
        self.damaged = 0
        self.away = 0
        self.unknown = 0

    def check(self) -> None:
        """Raises Refused where something of the messages could not be told."""
        if self.damaged:
            raise Refused("Some messages can't be read; the administrators are told", b"CORRUPTION")
        if self.away:
            raise Refused("Some messages can't be read at the moment: try again later", b"UNAVAILABLE")
        if self.unknown:
            raise Refused("Some parts have an encoding that is not known", b"UNKNOWN-CTE")

    def answers(self, rows: Iterator[Numbered]) -> Iterator[bytes | Blocks]:
        """Free of I/O up to ``Blocks``, which comes where what is at hand does not do."""
        while block := list(islice(rows, _BLOCK)):
            seen_now: set[int] = set()
            if self._plan.sees and not self._box.read_only and Rights.SEEN in self._box.rights:
                unseen = [row.uid for _, row in block if not row.system & _SEEN]
                if unseen:
                    yield BLOCKS
                    block, seen_now = self._see(block, unseen)
            if self._lasting:
                octets = self._at_hand(block)
                if any(row.content not in octets for _, row in block):
                    yield BLOCKS
                    octets |= self._read(block, octets)
                yield self._lasting_answers(block, octets, seen_now)
                continue
            yield BLOCKS
            numbers = {row.uid: (number, row) for number, row in block}
            found = 0
            ready: list[bytes] = []
            for content in self._columns(list(numbers)):
                found += 1
                number, row = numbers[content.uid]
                items = [render(row) for render in self._renders]
                if row.uid in seen_now:
                    items += [render(row) for render in self._flags_too]
                if self._preview and content.preview is None:
                    content = self._with_preview(row, content)
                    if content.preview is None:
                        continue
                if self._plan.opens:
                    start = self._start % number + b" ".join(items) + b" " * bool(items)
                    yield from self._message(start, row, content)
                else:
                    items += [_ready(item, content) for item in self._plan.content]
                    ready.append(self._start % number + b" ".join(items) + b")\r\n")
            yield b"".join(ready)
            self.gone += len(block) - found

    def _lasting_answers(self, block: list[Numbered], octets: dict[int, bytes], seen_now: set[int]) -> bytes:
        """The hot loop of list views: what never changes is rendered once for all sessions."""
        renders, start = self._renders, self._start
        plain, mixed = start + b"%b)\r\n", start + b"%b %b)\r\n"
        ready: list[bytes] = []
        for number, row in block:
            lasting = octets.get(row.content)
            if lasting is None:
                self.gone += 1
                continue
            light = [render(row) for render in renders]
            if row.uid in seen_now:
                light += [render(row) for render in self._flags_too]
            ready.append(mixed % (number, b" ".join(light), lasting) if light else plain % (number, lasting))
        return b"".join(ready)

    def _at_hand(self, block: list[Numbered]) -> dict[int, bytes]:
        """The content items by the number of the content, of those that were rendered before."""
        known = self._context.services.contents
        return known.known(self._box.account, self._plan.content, [row.content for _, row in block])

    def _read(self, block: list[Numbered], found: dict[int, bytes]) -> dict[int, bytes]:
        """Those that were not found; what is missing then is of messages that are gone."""
        items = self._plan.content
        content_of = {row.uid: row.content for _, row in block if row.content not in found}
        rendered = {
            content_of[content.uid]: b" ".join([_ready(item, content) for item in items])
            for content in self._columns(list(content_of))
        }
        self._context.services.contents.keep(self._box.account, items, rendered)
        return rendered

    def _see(self, block: list[Numbered], unseen: list[int]) -> tuple[list[Numbered], set[int]]:
        """Set \\Seen where it isn't, before the answers go out; returns the rows as they are now, and the UIDs."""
        context = self._context
        result = context.store.store_flags(self._box.account, self._box.id, unseen, FlagChange.ADD, _SEEN, ())
        self._box.tell(result.rows)
        context.look_again()
        after = {row.uid: row for row in result.rows}
        return [(number, after.get(row.uid, row)) for number, row in block], set(after)

    def _columns(self, uids: list[int]) -> Iterable[ContentRow]:
        """Content columns of the messages that are there; none are read when only whole bodies are sent."""
        if not self._plan.columns:
            return [ContentRow(uid, b"", b"", b"", b"") for uid in uids]
        return self._context.store.contents(self._box.account, self._box.id, uids, self._plan.columns)

    def _message(self, start: bytes, row: MessageRow, content: ContentRow) -> Iterator[bytes]:
        """One message's answer from its body; nothing of it is sent before the body is at hand."""
        body = self._opened(row, content)
        if body is None:
            return
        with body:
            try:
                binaries = {item: body.binary(item) for item in self._plan.content if isinstance(item, c.Binary)}
                sections = {item: body.section(item) for item in self._plan.content if _cuts(item)}
                structure = body.plain_structure() if c.Datum.BODY in self._plan.content else b""
            except UnknownEncoding:
                self.unknown += 1
                return
            except Unreadable as error:
                self._unreadable(row, error)
                return
            yield start
            for place, item in enumerate(self._plan.content):
                if place:
                    yield b" "
                if isinstance(item, c.Binary):
                    yield from _binary(item, binaries[item])
                elif _cuts(item):
                    yield label(item)
                    yield from _literal(sections[item])
                elif item is c.Datum.BODY:
                    yield b"BODY " + structure
                else:
                    yield _ready(item, content)
            yield b")\r\n"

    def _with_preview(self, row: MessageRow, content: ContentRow) -> ContentRow:
        """For mail that came before previews were kept; None stays where the body can't be opened."""
        body = self._opened(row, content)
        if body is None:
            return content
        with body:
            try:
                return content._replace(preview=body.preview())
            except Unreadable as error:
                self._unreadable(row, error)
                return content

    def _opened(self, row: MessageRow, content: ContentRow) -> Body | None:
        context = self._context
        try:
            return Body(context.store.body(self._box.account, self._box.id, row), content.parts)
        except NoSuchMessage:
            self.gone += 1
        except Damaged as error:
            log.error("imap.damaged", account=self._box.account, mailbox=self._box.id, uid=row.uid, error=str(error))
            self.damaged += 1
        except Unreadable as error:
            self._unreadable(row, error)
        return None

    def _unreadable(self, row: MessageRow, error: Unreadable) -> None:
        """The other messages are not kept back by one that the disk does not give."""
        log.error("imap.unreadable", account=self._box.account, mailbox=self._box.id, uid=row.uid, error=str(error))
        self.away += 1


def _cuts(item: c.Item) -> TypeGuard[c.Section]:
    """True for what is cut out of the body."""
    return isinstance(item, c.Section) and not served_by_fields(item)


def _literal(octets: memoryview | None) -> Iterator[bytes]:
    """The octets in blocks; of a part that does not exist, NIL."""
    if octets is None:
        yield b"NIL"
        return
    yield b"{%d}\r\n" % len(octets)
    for start in range(0, len(octets), _WRITE):
        yield bytes(octets[start : start + _WRITE])


def _binary(item: c.Binary, found: tuple[int, bool, Iterator[bytes]] | None) -> Iterator[bytes]:
    """RFC 3516 section 4.3: a literal8 only where there is NUL. A part that does not exist is NIL, and of no size."""
    yield label(item)
    if found is None:
        yield b"0" if item.size else b"NIL"
        return
    size, nul, blocks = found
    if item.size:
        yield b"%d" % size
        return
    yield b"~" * nul + b"{%d}\r\n" % size
    yield from blocks


def _ready(item: c.Item, content: ContentRow) -> bytes:
    """An item that a content column has."""
    if item is c.Datum.ENVELOPE:
        return b"ENVELOPE " + content.envelope
    if item is c.Datum.BODYSTRUCTURE:
        return b"BODYSTRUCTURE " + content.bodystructure
    if item is c.Datum.EMAILID:
        return b"EMAILID (%b)" % content.email.encode()
    if item is c.Datum.THREADID:
        return b"THREADID (%b)" % content.thread.encode()
    if item is c.Datum.SAVEDATE:
        return b"SAVEDATE " + encoder.date_time(content.saved_at, local_zone(content.saved_at))
    if item is c.Datum.PREVIEW or item is c.Datum.LAZY_PREVIEW:
        return b"PREVIEW " + (b"NIL" if content.preview is None else encoder.quoted(content.preview.encode()))
    assert isinstance(item, c.Section)
    return partial_of(item, listed_fields(content.fields, item.fields))
