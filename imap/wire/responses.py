"""Response values: what the server says, free of syntax (RFC 3501 section 7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from imap.wire.sets import Range
from storage.model import Thread


class Kind(Enum):
    OK = b"OK"
    NO = b"NO"
    BAD = b"BAD"
    BYE = b"BYE"


@dataclass(frozen=True, slots=True)
class Status:
    """A status response; tagged unless ``tag`` is ``*``. ``code`` is what stands in brackets, ready for the wire."""

    kind: Kind
    text: str
    code: bytes | None = None
    tag: bytes = b"*"


def ok(text: str, code: bytes | None = None) -> Status:
    """An untagged OK."""
    return Status(Kind.OK, text, code)


@dataclass(frozen=True, slots=True)
class Capabilities:
    names: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Enabled:
    names: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ServerId:
    """RFC 2971."""

    fields: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """LIST, or LSUB. ``child_info`` is the CHILDINFO extended data item of RFC 5258 section 3.5.

    ``old_name`` is the name that the client gave or knows (RFC 9051 section 6.3.9.7).
    """

    name: str
    attributes: tuple[bytes, ...]
    lsub: bool = False
    child_info: tuple[str, ...] = ()
    old_name: str | None = None


@dataclass(frozen=True, slots=True)
class NamespaceData:
    """The personal namespace, which has no prefix, and the prefixes of the other two (RFC 2342)."""

    others: str
    shared: str


@dataclass(frozen=True, slots=True)
class Acl:
    """RFC 4314 section 3.6: identifiers with the letters of their rights."""

    mailbox: str
    entries: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class GrantableRights:
    """LISTRIGHTS (RFC 4314 section 3.7): letters that are always given, and those that can be, each by itself."""

    mailbox: str
    identifier: str
    required: str
    optional: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OwnRights:
    """MYRIGHTS (RFC 4314 section 3.8)."""

    mailbox: str
    rights: str


@dataclass(frozen=True, slots=True)
class Metadata:
    """RFC 5464 section 4.4.1: entries with their values; an empty ``mailbox`` is the server."""

    mailbox: str
    values: tuple[tuple[str, bytes | None], ...]


@dataclass(frozen=True, slots=True)
class MetadataChanged:
    """RFC 5464 section 4.4.2: names of entries that others changed."""

    mailbox: str
    entries: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MailboxStatus:
    mailbox: str
    items: tuple[tuple[bytes, int | str], ...]


@dataclass(frozen=True, slots=True)
class Flags:
    flags: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Exists:
    number: int


@dataclass(frozen=True, slots=True)
class RecentCount:
    number: int


@dataclass(frozen=True, slots=True)
class Expunged:
    """Each of the numbers is already counted after the removals told before it (RFC 3501 section 7.4.1)."""

    numbers: Sequence[int]


@dataclass(frozen=True, slots=True)
class Vanished:
    """RFC 7162 section 3.2.10: rising ranges of UIDs; ``earlier`` when the client asked what had been."""

    ranges: tuple[Range, ...]
    earlier: bool = False


@dataclass(frozen=True, slots=True)
class SearchResult:
    """RFC 3501 section 7.2.5; ``modseq`` as in RFC 7162 section 3.1.5."""

    numbers: tuple[int, ...]
    modseq: int | None = None


@dataclass(frozen=True, slots=True)
class UidBatches:
    """RFC 10022 section 3.1.2: from the highest UID to the lowest, each range with its higher end first."""

    tag: bytes
    ranges: tuple[Range, ...]


@dataclass(frozen=True, slots=True)
class SortResult:
    """RFC 5256 section 4; ``modseq`` as in RFC 7162 section 3.1.5."""

    numbers: tuple[int, ...]
    modseq: int | None = None


@dataclass(frozen=True, slots=True)
class Threads:
    """RFC 5256 section 4: ``Thread`` values that hold message numbers, or UIDs, in the place of UIDs."""

    threads: tuple[Thread, ...]


@dataclass(frozen=True, slots=True)
class SearchedMailbox:
    """Which mailbox a result is of (RFC 7377 section 2.1)."""

    name: str
    uidvalidity: int


@dataclass(frozen=True, slots=True)
class ExtendedSearchResult:
    """RFC 4731 section 3.1; parts that were not asked for or have nothing to say are None.

    ``partial`` is the page asked for and what is on it (RFC 9394 section 3.1), ``relevancy`` the scores of RFC 6203.
    """

    tag: bytes
    uid: bool
    lowest: int | None = None
    highest: int | None = None
    ranges: tuple[Range, ...] | None = None
    count: int | None = None
    modseq: int | None = None
    partial: tuple[tuple[int, int], tuple[Range, ...]] | None = None
    relevancy: tuple[int, ...] | None = None
    mailbox: SearchedMailbox | None = None


@dataclass(frozen=True, slots=True)
class QuotaData:
    """RFC 9208 section 4.2.1: resource name, use, limit."""

    root: str
    resources: tuple[tuple[bytes, int, int], ...]


@dataclass(frozen=True, slots=True)
class QuotaRoots:
    mailbox: str
    roots: tuple[str, ...]


Response = (
    Status
    | Capabilities
    | Enabled
    | ServerId
    | Listed
    | NamespaceData
    | Acl
    | GrantableRights
    | OwnRights
    | Metadata
    | MetadataChanged
    | MailboxStatus
    | Flags
    | Exists
    | RecentCount
    | Expunged
    | Vanished
    | SearchResult
    | UidBatches
    | SortResult
    | Threads
    | ExtendedSearchResult
    | QuotaData
    | QuotaRoots
)
