"""Response values to octets (RFC 3501 section 9). Nothing here puts 8-bit, CR, LF or NUL between quotes."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from functools import lru_cache

from imap.wire import mutf7
from imap.wire import responses as r
from imap.wire.lexer import MONTHS
from imap.wire.sets import Range
from storage.model import DELIMITER, System, Thread

_ATOM = re.compile(rb"[A-Za-z0-9._/\-]+")
_QUOTABLE = re.compile(rb"[\x20-\x7e]{0,1000}")
_TEXT = re.compile(rb"[^\x20-\x7e]+")

_FLAGS = (
    (System.ANSWERED, b"\\Answered"),
    (System.FLAGGED, b"\\Flagged"),
    (System.DELETED, b"\\Deleted"),
    (System.SEEN, b"\\Seen"),
    (System.DRAFT, b"\\Draft"),
)
SYSTEM_FLAGS = tuple(name for _, name in _FLAGS)


def quoted(octets: bytes) -> bytes:
    """A quoted string, or a literal where quotes can't hold the octets."""
    if _QUOTABLE.fullmatch(octets):
        return b'"' + octets.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
    return literal(octets)


def literal(octets: bytes) -> bytes:
    return b"{%d}\r\n%b" % (len(octets), octets)


def mailbox(name: str) -> bytes:
    """A mailbox name: an atom if that does, else a string."""
    octets = mutf7.encode(name)
    return octets if _ATOM.fullmatch(octets) and octets.upper() != b"NIL" else quoted(octets)


@lru_cache(maxsize=10_000)
def flags(system: int, keywords: tuple[str, ...], recent: bool) -> bytes:
    """``FLAGS (...)``; there are few combinations and many messages."""
    names = [name for flag, name in _FLAGS if system & flag]
    names += [keyword.encode("ascii", "replace") for keyword in keywords]
    if recent:
        names.append(b"\\Recent")
    return b"FLAGS (" + b" ".join(names) + b")"


def date_time(moment: int, zone: int) -> bytes:
    """``"17-Jul-2026 02:44:25 +0200"``; ``moment`` in seconds since the epoch, ``zone`` in minutes east of UTC."""
    t = time.gmtime(moment + zone * 60)
    sign = b"-" if zone < 0 else b"+"
    hours, minutes = divmod(abs(zone), 60)
    return b'"%02d-%b-%04d %02d:%02d:%02d %b%02d%02d"' % (
        *(t.tm_mday, MONTHS[t.tm_mon - 1], t.tm_year, t.tm_hour, t.tm_min, t.tm_sec),
        *(sign, hours, minutes),
    )


def status(response: r.Status) -> bytes:
    """A status line. There is always a text, also after a code (RFC 3501 section 9, resp-text)."""
    text = _TEXT.sub(b"?", response.text.encode("ascii", "replace")) or b"-"
    code = b"[" + response.code + b"] " if response.code else b""
    return b"%b %b %b%b\r\n" % (response.tag, response.kind.value, code, text)


def continuation(text: bytes = b"") -> bytes:
    """``+ ...``."""
    return b"+ " + text + b"\r\n"


def fetch(number: int, items: tuple[bytes, ...]) -> bytes:
    return b"* %d FETCH (%b)\r\n" % (number, b" ".join(items))


def encode(response: r.Response) -> bytes:
    """The octets of any response, CRLF included."""
    match response:
        case r.Status():
            return status(response)
        case r.FetchData(number, items):
            return fetch(number, items)
        case r.Exists(number):
            return b"* %d EXISTS\r\n" % number
        case r.RecentCount(number):
            return b"* %d RECENT\r\n" % number
        case r.Expunged(number):
            return b"* %d EXPUNGE\r\n" % number
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
            return _listed(response)
        case r.NamespaceData():
            return b'* NAMESPACE (("" "' + DELIMITER.encode() + b'")) NIL NIL\r\n'
        case r.MailboxStatus(name, pairs):
            body = b" ".join(b"%b %d" % pair for pair in pairs)
            return b"* STATUS " + mailbox(name) + b" (" + body + b")\r\n"
        case r.SearchResult(numbers, modseq):
            return _numbers(b"* SEARCH", numbers, modseq)
        case r.SortResult(numbers, modseq):
            return _numbers(b"* SORT", numbers, modseq)
        case r.Threads(threads):
            return _threads(threads)
        case r.ExtendedSearchResult():
            return _extended_search(response)
        case r.QuotaData(root, resources):
            body = b" ".join(b"%b %d %d" % resource for resource in resources)
            return b"* QUOTA " + quoted(root.encode()) + b" (" + body + b")\r\n"
        case r.QuotaRoots(name, roots):
            return b" ".join((b"* QUOTAROOT", mailbox(name), *(quoted(root.encode()) for root in roots))) + b"\r\n"


def _listed(response: r.Listed) -> bytes:
    line = b'* %b (%b) "%b" %b' % (
        b"LSUB" if response.lsub else b"LIST",
        b" ".join(response.attributes),
        DELIMITER.encode(),
        # An empty name (LIST "" "") can only be quoted.
        mailbox(response.name) if response.name else b'""',
    )
    if response.child_info:
        options = b" ".join(b'"' + option.encode() + b'"' for option in response.child_info)
        line += b' ("CHILDINFO" (' + options + b"))"
    return line + b"\r\n"


def _numbers(start: bytes, numbers: Iterable[int], modseq: int | None) -> bytes:
    pieces = [start, *(b"%d" % number for number in numbers)]
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


def _ranges(ranges: Iterable[Range]) -> bytes:
    return b",".join(b"%d" % a if a == b else b"%d:%d" % (a, b) for a, b in ranges)


def _extended_search(response: r.ExtendedSearchResult) -> bytes:
    correlator = b'TAG "' + response.tag + b'"'
    if response.mailbox is not None:
        correlator += b" MAILBOX %b UIDVALIDITY %d" % (mailbox(response.mailbox.name), response.mailbox.uidvalidity)
    pieces = [b"* ESEARCH (" + correlator + b")"]
    if response.uid:
        pieces.append(b"UID")
    if response.lowest is not None:
        pieces.append(b"MIN %d" % response.lowest)
    if response.highest is not None:
        pieces.append(b"MAX %d" % response.highest)
    if response.ranges is not None:
        pieces.append(b"ALL " + _ranges(response.ranges))
    if response.partial is not None:
        (first, last), ranges = response.partial
        pieces.append(b"PARTIAL (%d:%d %b)" % (first, last, _ranges(ranges) or b"NIL"))
    if response.count is not None:
        pieces.append(b"COUNT %d" % response.count)
    if response.relevancy is not None:
        pieces.append(b"RELEVANCY (" + b" ".join(b"%d" % score for score in response.relevancy) + b")")
    if response.modseq is not None:
        pieces.append(b"MODSEQ %d" % response.modseq)
    return b" ".join(pieces) + b"\r\n"
