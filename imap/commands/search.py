"""SEARCH (RFC 3501 section 6.4.4, RFC 4731, RFC 7162 section 3.1.5)."""

from __future__ import annotations

import time
from collections.abc import Sequence

from imap.errors import Refused
from imap.session.context import Context
from imap.session.selected import SelectedMailbox
from imap.session.steps import CommandSteps
from imap.wire import commands as c
from imap.wire.responses import ExtendedSearchResult, SearchResult
from imap.wire.search import known_charset
from imap.wire.sets import NumberSet, ranges_of
from storage.errors import Unavailable
from storage.model import AllOf, AnyOf, Not, SearchKey, UidRanges


def search(context: Context, tag: bytes, command: c.Search) -> CommandSteps:
    """Found messages as numbers or UIDs; with RETURN in an ESEARCH response."""
    if not known_charset(command.charset):
        raise Refused("Search strings are taken in these charsets only", b"BADCHARSET (US-ASCII UTF-8)")
    box = context.box()
    if command.modseq:
        context.enabled.add("CONDSTORE")
    found = box.numbered(_found(context, box, _resolved(command.key, box)))
    uids = [uid for _, uid in found]
    numbers = uids if command.uid else [number for number, _ in found]
    if command.returns is None:
        yield SearchResult(tuple(numbers), _highest_modseq(box, uids) if command.modseq and uids else None)
    else:
        yield _extended(tag, command, command.returns, box, uids, numbers)


def _found(context: Context, box: SelectedMailbox, key: SearchKey) -> list[int]:
    deadline = time.monotonic() + context.settings.search_time
    try:
        return context.store.search(context.number, box.id, key, deadline)
    except Unavailable:
        if time.monotonic() < deadline:
            raise
        raise Refused("The search took too long: narrow it down", b"LIMIT") from None


def _extended(
    tag: bytes,
    command: c.Search,
    returns: frozenset[str],
    box: SelectedMailbox,
    uids: Sequence[int],
    numbers: Sequence[int],
) -> ExtendedSearchResult:
    """Without a hit only COUNT has something to say (RFC 4731 section 3.1)."""
    modseq: int | None = None
    if command.modseq and uids:
        # With MIN or MAX alone the mod-sequence is the one of those messages (RFC 7162 section 3.1.6).
        ends = [uids[0]] * ("MIN" in returns) + [uids[-1]] * ("MAX" in returns)
        modseq = _highest_modseq(box, ends if ends and not returns & {"ALL", "COUNT"} else uids)
    return ExtendedSearchResult(
        tag,
        command.uid,
        lowest=numbers[0] if numbers and "MIN" in returns else None,
        highest=numbers[-1] if numbers and "MAX" in returns else None,
        ranges=tuple(ranges_of(numbers)) if numbers and "ALL" in returns else None,
        count=len(numbers) if "COUNT" in returns else None,
        modseq=modseq,
    )


def _highest_modseq(box: SelectedMailbox, uids: Sequence[int]) -> int:
    rows = (box.view.row(uid) for uid in uids)
    return max((row.modseq for row in rows if row is not None), default=box.view.highest_modseq)


def _resolved(key: c.Key, box: SelectedMailbox) -> SearchKey:
    """The key in the store's terms. The parser bounds how deep keys are nested."""
    match key:
        case c.Numbers(numbers, uid):
            return _uids(box, numbers, uid)
        case c.Recent(on):
            recent = UidRanges(tuple(box.recent))
            return recent if on else Not(recent)
        case c.Inverse(inner):
            return Not(_resolved(inner, box))
        case c.Every(keys):
            return AllOf(tuple(_resolved(one, box) for one in keys))
        case c.Either(keys):
            return AnyOf(tuple(_resolved(one, box) for one in keys))
        case _:
            return key


def _uids(box: SelectedMailbox, numbers: NumberSet, uid: bool) -> UidRanges:
    """A place range is a UID range too, for both rise; what lies between the UIDs of a session is not its own.

    A message number above the count matches nothing: here a set is a condition (imapclient's own suite relies on it).
    """
    places = box.places(numbers, uid=uid, strict=False)
    return UidRanges(tuple((box.uids[start], box.uids[end - 1]) for start, end in places))
