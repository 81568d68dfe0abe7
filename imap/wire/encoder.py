"""Response values to octets (RFC 3501 section 9).

Nothing here puts CR, LF or NUL between quotes, and 8-bit only as UTF-8 for clients that said they take it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from functools import lru_cache

from imap.wire import mutf7
from imap.wire import responses as r
from imap.wire.lexer import MONTHS
from imap.wire.sets import write_ranges
from storage.model import DELIMITER, System, Thread

_ATOM = re.compile(rb"[A-Za-z0-9._/\-]+")
_QUOTABLE = re.compile(rb"[\x20-\x7e]{0,1000}")
_QUOTABLE_UTF8 = re.compile(rb"[\x20-\x7e\x80-\xff]{0,1000}")
_TEXT = re.compile(rb"[^\x20-\x7e]+")

SYSTEM = (
    (System.ANSWERED, b"\\Answered"),
    (System.FLAGGED, b"\\Flagged"),
    (System.DELETED, b"\\Deleted"),
    (System.SEEN, b"\\Seen"),
    (System.DRAFT, b"\\Draft"),
)
SYSTEM_FLAGS = tuple(name for _, name in SYSTEM)

#: Keywords that are offered before anybody has set them (RFC 9051 section 2.3.2, RFC 5788).
KEYWORDS = ("$Forwarded", "$Junk", "$MDNSent", "$NotJunk", "$Phishing")


def quoted(octets: bytes, utf8: bool = False) -> bytes:
    """A quoted string, or a literal where quotes can't hold the octets; with ``utf8`` the octets are UTF-8."""
    if (_QUOTABLE_UTF8 if utf8 else _QUOTABLE).fullmatch(octets):
        return b'"' + octets.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
    return literal(octets)


def astring(octets: bytes, utf8: bool = False) -> bytes:
    """An atom where it can be, else a string."""
    return octets if _ATOM.fullmatch(octets) and octets.upper() != b"NIL" else quoted(octets, utf8)


def literal(octets: bytes) -> bytes:
    return b"{%d}\r\n%b" % (len(octets), octets)


def nstring8(octets: bytes | None) -> bytes:
    """NIL, a string, or with NUL in it a literal8 (RFC 3516 section 7)."""
    if octets is None:
        return b"NIL"
    return b"~" + literal(octets) if b"\0" in octets else quoted(octets)


def mailbox(name: str, utf8: bool) -> bytes:
    """A mailbox name: an atom if that does, else a string; in UTF-8 for clients that take it."""
    return astring(name.encode() if utf8 else mutf7.encode(name), utf8)


@lru_cache(maxsize=10_000)
def flags(system: int, keywords: tuple[str, ...], recent: bool) -> bytes:
    """``FLAGS (...)``; there are few combinations and many messages."""
    names = [name for flag, name in SYSTEM if system & flag]
    names += [keyword.encode("ascii", "replace") for keyword in keywords]
    if recent:
        names.append(b"\\Recent")
    return b"FLAGS (" + b" ".join(names) + b")"


def date_time(moment: int, zone: int) -> bytes:
    """``"17-Jul-2026 02:44:25 +0200"``; ``moment`` in seconds since the epoch, ``zone`` in minutes east of UTC."""
    day, second = divmod(moment + zone * 60, 86_400)
    minute, second = divmod(second, 60)
    return b'"%b %02d:%02d:%02d %b"' % (_day(day), minute // 60, minute % 60, second, _zone(zone))


@lru_cache(maxsize=10_000)
def _day(number: int) -> bytes:
    """The date so many days after 1 January 1970; the messages of a mailbox share few of them."""
    t = time.gmtime(number * 86_400)
    return b"%02d-%b-%04d" % (t.tm_mday, MONTHS[t.tm_mon - 1], t.tm_year)


@lru_cache(maxsize=1_000)
def _zone(minutes: int) -> bytes:
    return b"%b%02d%02d" % (b"-" if minutes < 0 else b"+", *divmod(abs(minutes), 60))


@lru_cache(maxsize=1_000)
def _text(text: str) -> bytes:
    return _TEXT.sub(b"?", text.encode("ascii", "replace")) or b"-"


def status(response: r.Status) -> bytes:
    """A status line. There is always a text, also after a code (RFC 3501 section 9, resp-text)."""
    text = _text(response.text)
    code = b"[" + response.code + b"] " if response.code else b""
    return b"%b %b %b%b\r\n" % (response.tag, response.kind.value, code, text)


def continuation(text: bytes = b"") -> bytes:
    """``+ ...``."""
    return b"+ " + text + b"\r\n"


def fetch_start(by_uid: bool) -> bytes:
    """What is before the items of a message, with a place for its number or UID."""
    return b"* %d UIDFETCH (" if by_uid else b"* %d FETCH ("


def encode(response: r.Response, utf8: bool = False) -> bytes:
    """The octets of any response, CRLF included; with ``utf8``, quoted strings may hold UTF-8 (RFC 9755 section 3)."""
    match response:
        case r.Status():
            return status(response)
        case r.Exists(number):
            return b"* %d EXISTS\r\n" % number
        case r.RecentCount(number):
            return b"* %d RECENT\r\n" % number
        case r.Expunged(numbers):
            return b"".join([b"* %d EXPUNGE\r\n" % number for number in numbers])
        case r.Vanished(ranges, earlier):
            return b"* VANISHED " + b"(EARLIER) " * earlier + write_ranges(ranges) + b"\r\n"
        case r.Capabilities(names):
            return b"* CAPABILITY " + b" ".join(names) + b"\r\n"
        case r.Enabled(names):
            return b" ".join((b"* ENABLED", *names)) + b"\r\n"
        case r.ServerId(fields):
            pairs = b" ".join(quoted(text.encode()) for pair in fields for text in pair)
            return b"* ID (" + pairs + b")\r\n"
        case r.Flags(names):
            return b"* FLAGS (" + b" ".join(names) + b")\r\n"
        case r.Listed():
            return _listed(response, utf8)
        case r.NamespaceData(others, shared):
            spaces = (b'(("%b" "%b"))' % (prefix.encode(), DELIMITER.encode()) for prefix in ("", others, shared))
            return b"* NAMESPACE " + b" ".join(spaces) + b"\r\n"
        case r.Acl(name, entries):
            listed = (astring(text.encode(), utf8) for entry in entries for text in entry)
            return b" ".join((b"* ACL", mailbox(name, utf8), *listed)) + b"\r\n"
        case r.GrantableRights(name, identifier, required, optional):
            words = (astring(text.encode(), utf8) for text in (identifier, required, *optional))
            return b" ".join((b"* LISTRIGHTS", mailbox(name, utf8), *words)) + b"\r\n"
        case r.OwnRights(name, rights):
            return b"* MYRIGHTS %b %b\r\n" % (mailbox(name, utf8), astring(rights.encode(), utf8))
        case r.Metadata(name, values):
            return b"* METADATA " + mailbox(name, utf8) + b" (" + b" ".join(map(_noted, values)) + b")\r\n"
        case r.MetadataChanged(name, entries):
            changed = (astring(entry.encode()) for entry in entries)
            return b" ".join((b"* METADATA", mailbox(name, utf8), *changed)) + b"\r\n"
        case r.MailboxStatus(name, pairs):
            body = b" ".join(_status_item(*pair) for pair in pairs)
            return b"* STATUS " + mailbox(name, utf8) + b" (" + body + b")\r\n"
        case r.SearchResult(numbers, modseq):
            return _numbers(b"* SEARCH", numbers, modseq)
        case r.UidBatches(tag, ranges):
            batches = b",".join([b"%d:%d" % batch for batch in ranges])
            return b'* UIDBATCHES (TAG "%b")%b\r\n' % (tag, b" " + batches if batches else b"")
        case r.SortResult(numbers, modseq):
            return _numbers(b"* SORT", numbers, modseq)
        case r.Threads(threads):
            return _threads(threads)
        case r.ExtendedSearchResult():
            return _extended_search(response, utf8)
        case r.QuotaData(root, resources):
            body = b" ".join(b"%b %d %d" % resource for resource in resources)
            return b"* QUOTA " + quoted(root.encode()) + b" (" + body + b")\r\n"
        case r.QuotaRoots(name, roots):
            return (
                b" ".join((b"* QUOTAROOT", mailbox(name, utf8), *(quoted(root.encode()) for root in roots))) + b"\r\n"
            )


def _noted(pair: tuple[str, bytes | None]) -> bytes:
    entry, value = pair
    return astring(entry.encode()) + b" " + nstring8(value)


def _status_item(name: bytes, value: int | str) -> bytes:
    """A count, or an id in parentheses (RFC 8474 section 4.3)."""
    return b"%b %d" % (name, value) if isinstance(value, int) else b"%b (%b)" % (name, value.encode())


def _listed(response: r.Listed, utf8: bool) -> bytes:
    line = b'* %b (%b) "%b" %b' % (
        b"LSUB" if response.lsub else b"LIST",
        b" ".join(response.attributes),
        DELIMITER.encode(),
        # An empty name (LIST "" "") can only be quoted.
        mailbox(response.name, utf8) if response.name else b'""',
    )
    extended: list[bytes] = []
    if response.child_info:
        options = b" ".join(b'"' + option.encode() + b'"' for option in response.child_info)
        extended.append(b'"CHILDINFO" (' + options + b")")
    if response.old_name is not None:
        extended.append(b'"OLDNAME" (' + mailbox(response.old_name, utf8) + b")")
    if extended:
        line += b" (" + b" ".join(extended) + b")"
    return line + b"\r\n"


def _numbers(start: bytes, numbers: Sequence[int], modseq: int | None) -> bytes:
    pieces = [start]
    if numbers:
        # One format for all of them takes a third of the time of joining each one's digits.
        pieces.append(b" ".join([b"%d"] * len(numbers)) % tuple(numbers))
    if modseq is not None:
        pieces.append(b"(MODSEQ %d)" % modseq)
    return b" ".join(pieces) + b"\r\n"


def _threads(threads: Sequence[Thread]) -> bytes:
    """``* THREAD (2)(3 6 (4 23)(44 7 96))``, written without recursion, for threads may be of any depth."""
    pieces = [b"* THREAD"]
    if threads:
        pieces.append(b" ")
    # What is left to be written, the next one last; octets stand for themselves.
    left: list[Thread | bytes] = []
    for thread in reversed(threads):
        left += (b")", thread, b"(")
    while left:
        one = left.pop()
        if isinstance(one, bytes):
            pieces.append(one)
            continue
        if one.uid is not None:
            pieces.append(b"%d" % one.uid)
            if one.children:
                pieces.append(b" ")
        if len(one.children) == 1:
            left.append(one.children[0])
        else:
            for child in reversed(one.children):
                left += (b")", child, b"(")
    return b"".join(pieces) + b"\r\n"


def _extended_search(response: r.ExtendedSearchResult, utf8: bool) -> bytes:
    correlator = b'TAG "' + response.tag + b'"'
    if response.mailbox is not None:
        correlator += b" MAILBOX %b UIDVALIDITY %d" % (
            mailbox(response.mailbox.name, utf8),
            response.mailbox.uidvalidity,
        )
    pieces = [b"* ESEARCH (" + correlator + b")"]
    if response.uid:
        pieces.append(b"UID")
    if response.lowest is not None:
        pieces.append(b"MIN %d" % response.lowest)
    if response.highest is not None:
        pieces.append(b"MAX %d" % response.highest)
    if response.ranges is not None:
        pieces.append(b"ALL " + write_ranges(response.ranges))
    if response.partial is not None:
        (first, last), ranges = response.partial
        pieces.append(b"PARTIAL (%d:%d %b)" % (first, last, write_ranges(ranges) or b"NIL"))
    if response.count is not None:
        pieces.append(b"COUNT %d" % response.count)
    if response.relevancy is not None:
        pieces.append(b"RELEVANCY (" + b" ".join(b"%d" % score for score in response.relevancy) + b")")
    if response.modseq is not None:
        pieces.append(b"MODSEQ %d" % response.modseq)
    return b" ".join(pieces) + b"\r\n"
