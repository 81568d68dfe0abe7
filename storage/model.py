"""The store's own types: mailboxes, messages, flags, sets, search keys, quota. No IMAP syntax, no SQL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import Enum, IntFlag
from typing import NamedTuple

from message.content import Content
from message.summary import Summary

#: Hierarchy delimiter of mailbox names in the store.
DELIMITER = "/"


class System(IntFlag):
    """System flags (RFC 9051 section 2.3.2). \\Recent is a matter of sessions and not stored with a message."""

    NONE = 0
    SEEN = 1
    ANSWERED = 2
    FLAGGED = 4
    DELETED = 8
    DRAFT = 16


#: Keywords that only the server gives and takes away (RFC 9979): a client's wish for them is passed over.
OWN_KEYWORDS = frozenset({"$istrusted"})

#: Set by who takes a message for phishing, and at delivery by the filter (RFC 9051 section 2.3.2).
PHISHING = "$Phishing"

#: Set at delivery on mail with attachments (RFC 9979).
HAS_ATTACHMENT = "$hasattachment"


class SpecialUse(Enum):
    """Special-use attributes (RFC 6154 section 2)."""

    ALL = "\\All"
    ARCHIVE = "\\Archive"
    DRAFTS = "\\Drafts"
    FLAGGED = "\\Flagged"
    JUNK = "\\Junk"
    SENT = "\\Sent"
    TRASH = "\\Trash"


#: Uses of mailboxes that hold other mailboxes' messages: there are none here.
COMPUTED_USES = frozenset({SpecialUse.ALL, SpecialUse.FLAGGED})


#: Stands for an account where something is of the server as a whole.
SERVER = 2**63 - 1


@dataclass(frozen=True, slots=True)
class UseChange:
    """The special use that a mailbox is to have; None for none."""

    use: SpecialUse | None


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A mailbox and its counters at one moment.

    ``account`` and ``id`` are the store's numbers. ``name`` is Unicode with ``DELIMITER`` between levels; INBOX is
    spelled in capitals. ``size`` is in octets. ``highest_modseq`` is at least 1 (RFC 7162 section 3.1.2).
    ``first_recent`` is the lowest UID that no read-write session has been told of yet. ``forgotten`` is the
    mod-sequence up to which the store no longer knows which UIDs went away. ``has_acl`` is true when its access control
    list has entries.
    """

    account: int
    id: int
    name: str
    uidvalidity: int
    uidnext: int
    highest_modseq: int
    messages: int
    unseen: int
    deleted: int
    size: int
    first_recent: int
    special_use: SpecialUse | None
    subscribed: bool
    forgotten: int = 0
    has_acl: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """One entry of a mailbox's access control list (RFC 4314 section 2): right letters given to an identifier.

    The identifier is ``anyone``, ``user:`` with an account's key, or ``group:`` with a group's name as it is compared.
    With ``-`` before it, the entry takes rights away.
    """

    identifier: str
    rights: str


class MessageRow(NamedTuple):
    """The light row of a message: what FLAGS, UID, INTERNALDATE, RFC822.SIZE and MODSEQ need.

    ``system`` is a ``System`` value as int, ``keywords`` are in the case in which they were first given, sorted.
    ``internal_date`` is seconds since the epoch, ``zone`` its offset from UTC in minutes.
    ``content`` numbers what the message holds; copies of one message share it. ``blob`` names the body.
    """

    uid: int
    modseq: int
    system: int
    keywords: tuple[str, ...]
    size: int
    internal_date: int
    zone: int
    content: int
    blob: str


def keywords_of(rows: Iterable[MessageRow]) -> set[str]:
    """All keywords of some rows. Rows with equal keywords share the tuple, so that this is quick."""
    return {keyword for keywords in {row.keywords for row in rows} for keyword in keywords}


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened in a mailbox after a mod-sequence: rows new or changed, and UIDs that are gone, both rising.

    ``whole`` is false when the mod-sequence is so old that the UIDs gone since are no longer known: then ``expunged``
    has only the later ones, and what is gone is told by what is there.
    """

    highest_modseq: int
    uidnext: int
    changed: tuple[MessageRow, ...]
    expunged: tuple[int, ...]
    whole: bool = True


class FlagChange(Enum):
    """How STORE combines flags."""

    ADD = "+"
    REMOVE = "-"
    REPLACE = "="


class Settable(NamedTuple):
    """Flags that may be changed: ``System`` values as int, and whether keywords may. All others stay as they are."""

    system: int
    keywords: bool


#: No flag is kept back.
EVERY_FLAG = Settable(31, True)


@dataclass(frozen=True, slots=True)
class FlagResult:
    """Outcome of a flag change: rows as they are now by rising UID, and the UIDs refused by ``unchanged_since``."""

    rows: tuple[MessageRow, ...]
    modified: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CopyResult:
    """UIDs of COPY or MOVE, pairwise, by rising source UID, and the UIDVALIDITY of the target."""

    uidvalidity: int
    source: tuple[int, ...]
    target: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message to be kept: octets, flags, date. ``summary`` may be given when the caller has it already."""

    content: Content
    system: int = 0
    keywords: tuple[str, ...] = ()
    internal_date: int | None = None
    zone: int = 0
    summary: Summary | None = None


@dataclass(frozen=True, slots=True)
class Filing:
    """One local copy of a delivery: into which account's mailbox it goes, and marked how.

    The mailbox is found by ``use`` if given, else by ``mailbox``; where it doesn't exist INBOX takes the message.
    """

    account: int
    mailbox: str = "INBOX"
    use: SpecialUse | None = None
    system: int = 0
    keywords: tuple[str, ...] = ()


class Columns(IntFlag):
    """Columns of a message and its content that ``MailStore.contents`` can bring."""

    ENVELOPE = 1
    BODYSTRUCTURE = 2
    FIELDS = 4
    PARTS = 8
    PREVIEW = 16
    THREAD = 32
    SAVED = 64
    EMAIL = 128


class ContentRow(NamedTuple):
    """Columns of a message's content; those not asked for are empty.

    ``preview`` is None where it was never made. ``saved_at`` is when the message came into the mailbox, in seconds
    since the epoch. ``thread`` and ``email`` are a THREADID and an EMAILID (RFC 8474).
    """

    uid: int
    envelope: bytes
    bodystructure: bytes
    fields: bytes
    parts: bytes
    preview: str | None = None
    saved_at: int = 0
    thread: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True)
class Use:
    """What counts against limits; a limit of None means none. Bytes and messages."""

    used_bytes: int
    used_messages: int
    limit_bytes: int | None
    limit_messages: int | None

    def has_room(self, octets: int) -> bool:
        """Whether one more message of so many octets fits."""
        fits = self.limit_bytes is None or self.used_bytes + octets <= self.limit_bytes
        return fits and (self.limit_messages is None or self.used_messages < self.limit_messages)


@dataclass(frozen=True, slots=True)
class Quota(Use):
    """Use and limits of an account. ``sent_reserve`` are the octets by which copies of sent mail may exceed it."""

    sent_reserve: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedQuota(Use):
    """Use and limits of what the accounts of the group ``name`` have together."""

    name: str


# ---------------------------------------------------------------- search keys


@dataclass(frozen=True, slots=True)
class UidRanges:
    """UIDs as inclusive ranges; an upper bound of None is the highest."""

    ranges: tuple[tuple[int, int | None], ...]


@dataclass(frozen=True, slots=True)
class Has:
    """All of these system flags are set (or, with ``on`` false, none of them)."""

    system: int
    on: bool = True

    def of(self, rows: Iterable[MessageRow]) -> list[MessageRow]:
        """Those of the rows."""
        # Of plain integers: those of an enumeration are combined by functions in Python.
        flags = int(self.system)
        rest = flags if self.on else 0
        return [row for row in rows if row.system & flags == rest]


@dataclass(frozen=True, slots=True)
class HasKeyword:
    """The keyword is set, compared without case."""

    keyword: str
    on: bool = True


@dataclass(frozen=True, slots=True)
class Size:
    """Octets strictly larger or smaller."""

    octets: int
    larger: bool


class DateField(Enum):
    """Which date a ``Dated`` key compares: the internal date's or the Date field's own day, or the day of filing."""

    INTERNAL = "internal"
    SENT = "sent"
    SAVED = "saved"


class When(Enum):
    """Calendar comparison without time and zone (RFC 9051 section 6.4.4)."""

    BEFORE = "before"
    ON = "on"
    SINCE = "since"


@dataclass(frozen=True, slots=True)
class Dated:
    """The day of a date compared with ``day``."""

    field: DateField
    when: When
    day: date


@dataclass(frozen=True, slots=True)
class Age:
    """Internal date within (``younger``) or not within the seconds before ``now`` (RFC 5032)."""

    threshold: int
    younger: bool


@dataclass(frozen=True, slots=True)
class Header:
    """The decoded value of a header field contains ``needle``; an empty needle asks for presence."""

    name: str
    needle: str


@dataclass(frozen=True, slots=True)
class Body:
    """The decoded text parts contain ``needle``."""

    needle: str


@dataclass(frozen=True, slots=True)
class Text:
    """The header or the decoded text parts contain ``needle``."""

    needle: str


@dataclass(frozen=True, slots=True)
class Fuzzy:
    """The key, its texts compared without accents and word by word (RFC 6203 section 3)."""

    key: SearchKey


@dataclass(frozen=True, slots=True)
class ModSeq:
    """Mod-sequence at least ``value`` (RFC 7162 section 3.1.5)."""

    value: int


@dataclass(frozen=True, slots=True)
class EmailId:
    """The message holds just what this id names (RFC 8474 section 6)."""

    id: str


@dataclass(frozen=True, slots=True)
class ThreadId:
    """The message is of this conversation."""

    id: str


@dataclass(frozen=True, slots=True)
class Not:
    key: SearchKey


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every key matches; an empty one matches everything."""

    keys: Sequence[SearchKey] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one key matches."""

    keys: Sequence[SearchKey]


SearchKey = (
    UidRanges
    | Has
    | HasKeyword
    | Size
    | Dated
    | Age
    | Header
    | Body
    | Text
    | Fuzzy
    | ModSeq
    | EmailId
    | ThreadId
    | Not
    | AllOf
    | AnyOf
)


# ---------------------------------------------------------------- orders and threads


class SortBy(Enum):
    """What SORT compares (RFC 5256 section 3, RFC 5957, RFC 6203 section 6)."""

    ARRIVAL = "ARRIVAL"
    CC = "CC"
    DATE = "DATE"
    FROM = "FROM"
    SIZE = "SIZE"
    SUBJECT = "SUBJECT"
    TO = "TO"
    DISPLAYFROM = "DISPLAYFROM"
    DISPLAYTO = "DISPLAYTO"
    RELEVANCY = "RELEVANCY"


@dataclass(frozen=True, slots=True)
class SortKey:
    """One criterion of an order; ``reverse`` turns only this one around."""

    by: SortBy
    reverse: bool = False


class Threading(Enum):
    """Algorithms of THREAD (RFC 5256 section 3; REFS: draft-ietf-morg-inthread)."""

    ORDEREDSUBJECT = "ORDEREDSUBJECT"
    REFERENCES = "REFERENCES"
    REFS = "REFS"


@dataclass(slots=True)
class Thread:
    """A message and the answers to it; ``uid`` is None for one that is known only from references to it."""

    uid: int | None
    children: list[Thread] = field(default_factory=list)
