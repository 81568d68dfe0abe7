"""GETMETADATA, SETMETADATA (RFC 5464): what is noted of mailboxes and of the server, for all or for oneself.

Shared entries of a mailbox are changed by who may change its messages' flags (right w); private ones are of each
account. What is shared of the server is set by operators, the way to them (/shared/admin) in the configuration.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from imap.commands.folders import use_of
from imap.commands.noted import computed_of
from imap.errors import Refused
from imap.session.context import Context
from imap.session.places import Place, no_right
from imap.session.rights import NOTES, Rights
from imap.session.steps import CommandSteps
from imap.wire import commands as c
from imap.wire.responses import Kind, Metadata, Status
from storage.annotations import SPECIAL_USE
from storage.errors import AnnotationTooBig, TooManyAnnotations
from storage.model import SERVER, UseChange

#: How to reach the administrators; nobody changes it over IMAP (RFC 5464 section 3.2.1.1).
_ADMIN = "/shared/admin"

#: Octets of values read together.
_BLOCK = 256 * 1024


@dataclass(frozen=True, slots=True)
class _Notes:
    """Entries of one mailbox, or of the server: those of the store by account and mailbox, and those computed."""

    name: str
    kept: tuple[tuple[int, int], ...]
    computed: Mapping[str, bytes]


def get(context: Context, tag: bytes, command: c.GetMetadata) -> CommandSteps:
    """An entry that is named and not there is NIL, unless those below it were asked for."""
    notes = _notes(context, command.mailbox)
    sizes = {entry: len(value) for entry, value in notes.computed.items()}
    for account, mailbox in notes.kept:
        sizes |= context.store.annotations.sizes(account, mailbox, context.number)
    wanted = _wanted(command, sizes)
    limit = command.max_size
    longest = max((sizes[entry.lower()] for entry in wanted if entry.lower() in sizes), default=0)
    if limit is not None:
        wanted = [entry for entry in wanted if sizes.get(entry.lower(), 0) <= limit]
    for block in _blocks(wanted, sizes):
        values = _values(context, notes, block)
        yield Metadata(notes.name, tuple((entry, values.get(entry.lower())) for entry in block))
    code = b"METADATA LONGENTRIES %d" % longest if limit is not None and longest > limit else None
    yield Status(Kind.OK, "Done", code, tag)


def _wanted(command: c.GetMetadata, there: Iterable[str]) -> list[str]:
    """Names of entries to be told, each once: as the client wrote them, those below as they are kept."""
    named = {entry.lower(): entry for entry in command.entries}
    if command.depth == 0:
        return list(named.values())
    found: dict[str, str] = {}
    for entry in sorted(there):
        for above in named:
            below = entry.removeprefix(above) if entry.startswith(above + "/") else ""
            if entry == above or (below and (command.depth is None or below.count("/") <= command.depth)):
                found[entry] = named.get(entry, entry)
    return list(found.values()) or list(named.values())


def _blocks(entries: Iterable[str], sizes: Mapping[str, int]) -> Iterator[list[str]]:
    block: list[str] = []
    octets = 0
    for entry in entries:
        block.append(entry)
        octets += sizes.get(entry.lower(), 0)
        if octets > _BLOCK:
            yield block
            block, octets = [], 0
    if block:
        yield block


def _values(context: Context, notes: _Notes, entries: Iterable[str]) -> dict[str, bytes]:
    keys = [entry.lower() for entry in entries]
    values = {key: notes.computed[key] for key in keys if key in notes.computed}
    for account, mailbox in notes.kept:
        values |= context.store.annotations.values(account, context.number, keys, mailbox).get(mailbox, {})
    return values


def _notes(context: Context, name: str) -> _Notes:
    if not name:
        contact = context.settings.contact.encode()
        computed = {_ADMIN: contact} if contact else {}
        return _Notes("", ((SERVER, 0), (context.number, 0)), computed)
    place = noted(context, name)
    return _Notes(place.name, ((place.account, place.id),), computed_of(context, place))


def noted(context: Context, name: str) -> Place:
    """A mailbox whose annotations the session may know: by l and one of r, s, w, i, p (RFC 5464 section 3.3)."""
    place = context.place(name)
    if not place.rights & NOTES:
        raise no_right()
    return place


def set_(context: Context, tag: bytes, command: c.SetMetadata) -> CommandSteps:
    """All entries or none."""
    values = dict(command.values)
    try:
        if command.mailbox:
            _set_of_mailbox(context, command.mailbox, values)
        else:
            _set_of_server(context, values)
    except AnnotationTooBig as error:
        raise Refused(str(error), b"METADATA MAXSIZE %d" % error.limit) from None
    except TooManyAnnotations as error:
        raise Refused(str(error), b"METADATA TOOMANY") from None
    yield from ()


def _set_of_mailbox(context: Context, name: str, values: dict[str, bytes | None]) -> None:
    place = noted(context, name)
    if any(_is_shared(entry) for entry in values) and Rights.WRITE not in place.rights:
        raise no_right()
    use: UseChange | None = None
    if SPECIAL_USE in values:
        use = _use(context, place, values.pop(SPECIAL_USE))
    modseq = context.store.annotations.change(place.account, place.id, context.number, values, use)
    context.others.noted(place.account, modseq)


def _use(context: Context, place: Place, value: bytes | None) -> UseChange:
    if place.account != context.number:
        raise Refused("Only the owner says what a mailbox is used for", b"USEATTR")
    uses = {use_of(word) for word in (value or b"").decode("ascii", "replace").split()}
    if len(uses) > 1:
        raise Refused("A mailbox has one special use at most", b"USEATTR")
    return UseChange(next(iter(uses), None))


def _set_of_server(context: Context, values: Mapping[str, bytes | None]) -> None:
    shared = {entry: value for entry, value in values.items() if _is_shared(entry)}
    if _ADMIN in shared:
        raise Refused("That is said in the configuration of the server", b"NOPERM")
    if shared and not context.is_operator:
        raise Refused("Only the administrators say what is noted of the server", b"NOPERM")
    if shared and len(shared) < len(values):
        raise Refused("What is shared of the server and what is private takes two commands", b"CANNOT")
    account = SERVER if shared else context.number
    context.others.noted(account, context.store.annotations.change(account, 0, context.number, values))


def _is_shared(entry: str) -> bool:
    return entry.startswith("/shared/")
