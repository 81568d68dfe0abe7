"""Command values: what a client asked for, one type for each command, free of syntax."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, Flag

from imap.wire.framing import Sink
from imap.wire.sets import NumberSet
from storage.model import FlagChange, SearchKey, SortKey, System, Threading


class Command:
    """Base of all command values."""

    __slots__ = ()

    #: True for the UID form of a command; the answers to it may carry EXPUNGE (RFC 3501 section 7.4.1).
    uid: bool = False
    #: True for a UID command that names messages by number too, which must not change meanwhile (RFC 7162 3.2.10.2).
    numbered: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """A command with its tag."""

    tag: bytes
    command: Command


# ---------------------------------------------------------------- any state


@dataclass(frozen=True, slots=True)
class Capability(Command):
    """RFC 3501 section 6.1.1."""


@dataclass(frozen=True, slots=True)
class Noop(Command):
    """RFC 3501 section 6.1.2."""


@dataclass(frozen=True, slots=True)
class Logout(Command):
    """RFC 3501 section 6.1.3."""


@dataclass(frozen=True, slots=True)
class Id(Command):
    """RFC 2971: what the client says of itself."""

    fields: tuple[tuple[str, str | None], ...]


# ---------------------------------------------------------------- not authenticated


@dataclass(frozen=True, slots=True)
class StartTls(Command):
    """RFC 3501 section 6.2.1."""


@dataclass(frozen=True, slots=True)
class Authenticate(Command):
    """RFC 3501 section 6.2.2; ``initial`` is the decoded initial response of RFC 4959 or None."""

    mechanism: str
    initial: bytes | None


@dataclass(frozen=True, slots=True)
class Login(Command):
    """RFC 3501 section 6.2.3."""

    user: bytes
    password: bytes = field(repr=False)


# ---------------------------------------------------------------- authenticated


@dataclass(frozen=True, slots=True)
class Enable(Command):
    """RFC 5161: capability names in capitals."""

    capabilities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Resync:
    """What a client knows of a mailbox (RFC 7162 section 3.2.5); ``known`` None stands for all UIDs.

    ``pairs`` are message numbers with their UIDs, both rising.
    """

    uidvalidity: int
    modseq: int
    known: NumberSet | None
    pairs: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Select(Command):
    """SELECT, or EXAMINE with ``read_only`` (RFC 3501 section 6.3.1); ``condstore`` as in RFC 7162 section 3.1.8."""

    mailbox: str
    read_only: bool
    condstore: bool
    resync: Resync | None = None


@dataclass(frozen=True, slots=True)
class Create(Command):
    """RFC 3501 section 6.3.3; ``uses`` are special-use attributes as the client wrote them (RFC 6154 section 3)."""

    mailbox: str
    uses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Delete(Command):
    """RFC 3501 section 6.3.4."""

    mailbox: str


@dataclass(frozen=True, slots=True)
class Rename(Command):
    """RFC 3501 section 6.3.5."""

    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Subscribe(Command):
    """SUBSCRIBE, or UNSUBSCRIBE with ``on`` false (RFC 3501 section 6.3.6)."""

    mailbox: str
    on: bool


class StatusItem(Enum):
    """What STATUS can tell (RFC 3501 section 6.3.10, RFC 7162, RFC 8438, RFC 7889, RFC 8474, RFC 9208)."""

    MESSAGES = b"MESSAGES"
    RECENT = b"RECENT"
    UIDNEXT = b"UIDNEXT"
    UIDVALIDITY = b"UIDVALIDITY"
    UNSEEN = b"UNSEEN"
    HIGHESTMODSEQ = b"HIGHESTMODSEQ"
    SIZE = b"SIZE"
    APPENDLIMIT = b"APPENDLIMIT"
    DELETED = b"DELETED"
    MAILBOXID = b"MAILBOXID"
    DELETED_STORAGE = b"DELETED-STORAGE"


@dataclass(frozen=True, slots=True)
class Status(Command):
    """RFC 3501 section 6.3.10."""

    mailbox: str
    items: tuple[StatusItem, ...]


@dataclass(frozen=True, slots=True)
class List(Command):
    """LIST in its extended form (RFC 5258); a plain LIST is one with a single pattern and nothing selected.

    ``patterns`` and ``reference`` are Unicode with ``%`` and ``*``. ``select`` and ``give`` hold option names in
    capitals; ``status`` the items of RETURN (STATUS ...) (RFC 5819), ``metadata`` the entries of METADATA (RFC 9590).
    """

    reference: str
    patterns: tuple[str, ...]
    select: frozenset[str] = frozenset()
    give: frozenset[str] = frozenset()
    status: tuple[StatusItem, ...] = ()
    extended: bool = False
    metadata: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Lsub(Command):
    """RFC 3501 section 6.3.9."""

    reference: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Namespace(Command):
    """RFC 2342."""


@dataclass(frozen=True, slots=True)
class Url:
    """A piece of a message that is here already (RFC 4469)."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of a message that is sent."""

    content: bytes | Sink


@dataclass(frozen=True, slots=True)
class Appended:
    """One message of an APPEND: flags, date in seconds since the epoch with its zone in minutes, octets or pieces.

    ``binary`` is true when NUL may be among them (RFC 3516 section 4.4).
    """

    system: int
    keywords: tuple[str, ...]
    date: int | None
    zone: int
    content: bytes | Sink | tuple[Url | Text, ...]
    binary: bool = False


@dataclass(frozen=True, slots=True)
class Append(Command):
    """RFC 3501 section 6.3.11; several messages: RFC 3502."""

    mailbox: str
    messages: tuple[Appended, ...]


@dataclass(frozen=True, slots=True)
class Idle(Command):
    """RFC 2177."""


@dataclass(frozen=True, slots=True)
class SetAcl(Command):
    """RFC 4314 section 3.1: ``rights`` are letters as the client wrote them."""

    mailbox: str
    identifier: str
    change: FlagChange
    rights: str


@dataclass(frozen=True, slots=True)
class DeleteAcl(Command):
    """RFC 4314 section 3.2."""

    mailbox: str
    identifier: str


@dataclass(frozen=True, slots=True)
class GetAcl(Command):
    """RFC 4314 section 3.3."""

    mailbox: str


@dataclass(frozen=True, slots=True)
class ListRights(Command):
    """RFC 4314 section 3.4."""

    mailbox: str
    identifier: str


@dataclass(frozen=True, slots=True)
class MyRights(Command):
    """RFC 4314 section 3.5."""

    mailbox: str


@dataclass(frozen=True, slots=True)
class GetMetadata(Command):
    """RFC 5464 section 4.2: an empty ``mailbox`` is the server. ``entries`` are as the client wrote them.

    ``depth`` is 0, 1 or None for any; ``max_size`` in octets.
    """

    mailbox: str
    entries: tuple[str, ...]
    max_size: int | None = None
    depth: int | None = 0


@dataclass(frozen=True, slots=True)
class SetMetadata(Command):
    """RFC 5464 section 4.3: names of entries, in lower case, with their new values; None takes one away."""

    mailbox: str
    values: tuple[tuple[str, bytes | None], ...]


@dataclass(frozen=True, slots=True)
class Compress(Command):
    """RFC 4978; ``mechanism`` in capitals."""

    mechanism: str


@dataclass(frozen=True, slots=True)
class Unauthenticate(Command):
    """RFC 8437."""


@dataclass(frozen=True, slots=True)
class GetQuota(Command):
    """RFC 9208 section 4.1.1."""

    root: str


@dataclass(frozen=True, slots=True)
class GetQuotaRoot(Command):
    """RFC 9208 section 4.1.2."""

    mailbox: str


@dataclass(frozen=True, slots=True)
class SetQuota(Command):
    """RFC 9208 section 4.1.3: names of resources in capitals with their limits."""

    root: str
    limits: tuple[tuple[str, int], ...]


# ---------------------------------------------------------------- selected


@dataclass(frozen=True, slots=True)
class Replace(Command):
    """RFC 8508; ``number`` has one member."""

    number: NumberSet
    mailbox: str
    message: Appended
    uid: bool


@dataclass(frozen=True, slots=True)
class Check(Command):
    """RFC 3501 section 6.4.1."""


@dataclass(frozen=True, slots=True)
class Close(Command):
    """RFC 3501 section 6.4.2."""


@dataclass(frozen=True, slots=True)
class Unselect(Command):
    """RFC 3691."""


@dataclass(frozen=True, slots=True)
class Expunge(Command):
    """EXPUNGE; with ``uids``, UID EXPUNGE (RFC 4315 section 2.1)."""

    uids: NumberSet | None = None


# Keys that only a session can resolve; all others are those of ``storage.model``.


@dataclass(frozen=True, slots=True)
class Numbers:
    """Message numbers, or UIDs with ``uid``."""

    numbers: NumberSet
    uid: bool


@dataclass(frozen=True, slots=True)
class Recent:
    r"""\Recent is set in this session (or, with ``on`` false, is not: OLD)."""

    on: bool


@dataclass(frozen=True, slots=True)
class Inverse:
    key: Key


@dataclass(frozen=True, slots=True)
class Inexact:
    """FUZZY (RFC 6203)."""

    key: Key


@dataclass(frozen=True, slots=True)
class Every:
    """All keys match."""

    keys: tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """One key at least matches."""

    keys: tuple[Key, ...]


Key = SearchKey | Numbers | Recent | Inverse | Inexact | Every | Either


#: First and last place of a page of results, counted from 1, or from the end with -1 (RFC 9394 section 3.1).
Page = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Search(Command):
    """RFC 3501 section 6.4.4.

    ``returns`` holds MIN, MAX, ALL, COUNT of RFC 4731, SAVE of RFC 5182, PARTIAL (with ``partial``) of RFC 9394,
    RELEVANCY of RFC 6203; None without RETURN. ``numbered`` is true when message
    numbers are among the keys.
    """

    key: Key
    charset: str | None
    returns: frozenset[str] | None
    modseq: bool
    uid: bool
    numbered: bool = False
    partial: Page | None = None


@dataclass(frozen=True, slots=True)
class Sort(Command):
    """RFC 5256 section 3, RFC 5267 section 3.1: a search and the order of its results."""

    order: tuple[SortKey, ...]
    search: Search
    uid: bool
    numbered: bool = False


@dataclass(frozen=True, slots=True)
class UidBatches(Command):
    """RFC 10022 section 3.1: messages of a batch, and the first and last batch wanted, counted from the newest."""

    size: int
    first: int
    last: int | None


@dataclass(frozen=True, slots=True)
class MakeThreads(Command):
    """THREAD (RFC 5256 section 3)."""

    how: Threading
    search: Search
    uid: bool
    numbered: bool = False


@dataclass(frozen=True, slots=True)
class Scope:
    """Mailboxes of a search in several: ``kind`` is a word of RFC 7377 section 2.2 in capitals."""

    kind: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MultiSearch(Command):
    """ESEARCH (RFC 7377): a search in several mailboxes."""

    scopes: tuple[Scope, ...]
    search: Search
    uid: bool = True
    numbered: bool = False


class Datum(Enum):
    """Message data that FETCH names by one word (RFC 3501 section 6.4.5, RFC 7162, RFC 8474, RFC 8514, RFC 8970)."""

    UID = b"UID"
    FLAGS = b"FLAGS"
    INTERNALDATE = b"INTERNALDATE"
    SIZE = b"RFC822.SIZE"
    MODSEQ = b"MODSEQ"
    ENVELOPE = b"ENVELOPE"
    BODYSTRUCTURE = b"BODYSTRUCTURE"
    BODY = b"BODY"
    EMAILID = b"EMAILID"
    THREADID = b"THREADID"
    SAVEDATE = b"SAVEDATE"
    PREVIEW = b"PREVIEW"
    #: Only if it is at hand (RFC 8970 section 4.1).
    LAZY_PREVIEW = b"PREVIEW (LAZY)"

    # That of Enum is Python's own code, and every FETCH asks for many.
    __hash__ = object.__hash__


@dataclass(frozen=True, slots=True)
class Section:
    """Octets of a message: ``BODY[...]`` and its RFC822 relatives.

    ``numbers`` is the part, ``text`` one of ``""``, ``HEADER``, ``HEADER.FIELDS``, ``HEADER.FIELDS.NOT``, ``TEXT``,
    ``MIME``; ``fields`` header names in lower case; ``partial`` origin and count. ``label`` is the name of the item in
    the answer, without the origin. ``sees`` is true when fetching it sets \\Seen.
    """

    numbers: tuple[int, ...]
    text: str
    fields: tuple[bytes, ...]
    partial: tuple[int, int] | None
    label: bytes
    sees: bool


@dataclass(frozen=True, slots=True)
class Binary:
    """A part with its transfer encoding undone (RFC 3516 section 4.2); ``size`` asks only how many octets that are.

    The other fields are as in ``Section``.
    """

    numbers: tuple[int, ...]
    partial: tuple[int, int] | None
    label: bytes
    sees: bool
    size: bool


#: What FETCH can ask for.
Item = Datum | Section | Binary


@dataclass(frozen=True, slots=True)
class Fetch(Command):
    """RFC 3501 section 6.4.5.

    ``changed_since`` and ``vanished`` as in RFC 7162 sections 3.1.4.1 and 3.2.6, ``partial`` as in RFC 9394.
    """

    numbers: NumberSet
    items: tuple[Item, ...]
    changed_since: int | None
    uid: bool
    vanished: bool = False
    partial: Page | None = None


@dataclass(frozen=True, slots=True)
class Store(Command):
    """RFC 3501 section 6.4.6; ``unchanged_since`` as in RFC 7162 section 3.1.3."""

    numbers: NumberSet
    change: FlagChange
    system: System
    keywords: tuple[str, ...]
    silent: bool
    unchanged_since: int | None
    uid: bool


@dataclass(frozen=True, slots=True)
class Copy(Command):
    """RFC 3501 section 6.4.7."""

    numbers: NumberSet
    mailbox: str
    uid: bool


@dataclass(frozen=True, slots=True)
class Move(Command):
    """RFC 6851."""

    numbers: NumberSet
    mailbox: str
    uid: bool


# ---------------------------------------------------------------- notifications, which name FETCH items


class Events(Flag):
    """What NOTIFY can tell of (RFC 5465 section 5). Of annotations of messages there are none here."""

    NONE = 0
    MESSAGE_NEW = 1
    MESSAGE_EXPUNGE = 2
    FLAG_CHANGE = 4
    MAILBOX_NAME = 8
    SUBSCRIPTION_CHANGE = 16
    MAILBOX_METADATA_CHANGE = 32
    SERVER_METADATA_CHANGE = 64


#: Events of a mailbox's messages.
MESSAGES = Events.MESSAGE_NEW | Events.MESSAGE_EXPUNGE | Events.FLAG_CHANGE

#: Events of notes.
METADATA = Events.MAILBOX_METADATA_CHANGE | Events.SERVER_METADATA_CHANGE

EVENT_NAMES: dict[bytes, Events] = {
    b"MessageNew": Events.MESSAGE_NEW,
    b"MessageExpunge": Events.MESSAGE_EXPUNGE,
    b"FlagChange": Events.FLAG_CHANGE,
    b"MailboxName": Events.MAILBOX_NAME,
    b"SubscriptionChange": Events.SUBSCRIPTION_CHANGE,
    b"MailboxMetadataChange": Events.MAILBOX_METADATA_CHANGE,
    b"ServerMetadataChange": Events.SERVER_METADATA_CHANGE,
}


@dataclass(frozen=True, slots=True)
class EventGroup:
    """Events of some mailboxes (RFC 5465 section 6). ``kind`` is the filter in capitals, ``names`` are those of SUBTREE
    and MAILBOXES; ``items`` are to be fetched of new messages in the selected mailbox, without a change of flags."""

    kind: str
    names: tuple[str, ...]
    events: Events
    items: tuple[Item, ...] = ()


@dataclass(frozen=True, slots=True)
class Notify(Command):
    """RFC 5465 section 3.1; ``groups`` is None for NONE; ``known`` is false when some events are not offered."""

    groups: tuple[EventGroup, ...] | None
    status: bool = False
    known: bool = True
