"""SEARCH, SORT, THREAD (RFC 3501 section 6.4.4, RFC 5256, RFC 4731, RFC 5267 section 3, RFC 5182, RFC 9394)."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from imap.commands.portion import portion_of_uids
from imap.errors import Refused
from imap.session.context import Context
from imap.session.selected import SelectedMailbox
from imap.session.steps import CommandSteps, WhenTold
from imap.wire import commands as c
from imap.wire.encoder import encode
from imap.wire.errors import ParseError
from imap.wire.responses import (
    ExtendedSearchResult,
    Kind,
    SearchedMailbox,
    SearchResult,
    SortResult,
    Status,
    Threads,
)
from imap.wire.search import known_charset
from imap.wire.sets import NumberSet, ranges_of
from storage.api import MailboxView
from storage.errors import Unavailable
from storage.model import AllOf, AnyOf, Fuzzy, Has, Not, SearchKey, SortBy, SortKey, Thread, UidRanges

#: Of a search whose only wish is to be saved nothing is told (RFC 5182 section 2.1).
_ONLY_SAVE = frozenset({"SAVE"})


def search(context: Context, tag: bytes, command: c.Search) -> CommandSteps:
    """Found messages as numbers or UIDs; with RETURN in an ESEARCH response."""
    no_charset(context, command)
    if command.returns is None and context.rev2:
        # RFC 9051 section 6.4.4: the answer is always an ESEARCH response.
        command = dataclasses.replace(command, returns=frozenset({"ALL"}))
    box = context.box()
    if (known := _of_one_flag(context, box, command)) is not None:
        yield known
        yield _done(context, tag, command.uid)
        return
    found = _found(context, box, command, ())
    if command.returns is None:
        yield SearchResult(tuple(found.numbers(command.uid)), found.modseq(found.uids))
    elif command.returns != _ONLY_SAVE:
        yield found.extended(tag, command.uid)
    yield _done(context, tag, command.uid)


def _of_one_flag(context: Context, box: SelectedMailbox, command: c.Search) -> bytes | None:
    """The answer to what clients ask again and again, UNSEEN above all; None where it hangs on the session."""
    key = command.key
    if command.returns is not None or command.modseq or not isinstance(key, Has):
        return None
    limit, view = context.settings.message_limit, context.store.view(box.account, box.id)
    if (limit and limit < len(box.uids)) or view.uids != box.uids:
        return None

    def render() -> bytes:
        uids = [row.uid for row in key.of(view.rows)]
        return encode(SearchResult(tuple(uids if command.uid else box.numbers_of(uids)), None))

    check_charset(command)
    return context.services.searches.answer(view, key, command.uid, render)


def sort(context: Context, tag: bytes, command: c.Sort) -> CommandSteps:
    """The same in an order; what ESEARCH calls the lowest is the first in it (RFC 5267 section 3.1)."""
    found = _found(context, context.box(), command.search, command.order)
    if command.search.returns is None:
        yield SortResult(tuple(found.numbers(command.uid)), found.modseq(found.uids))
    elif command.search.returns != _ONLY_SAVE:
        yield found.extended(tag, command.uid)
    yield _done(context, tag, command.search.uid)


def search_selected(context: Context, tag: bytes, command: c.Search) -> CommandSteps:
    """ESEARCH of the selected mailbox alone (RFC 7377): numbers, $ and SAVE mean something there."""
    box = context.box()
    found = _found(context, box, command, ())
    if found.uids and command.returns != _ONLY_SAVE:
        yield found.extended(tag, True, SearchedMailbox(box.name, box.view.mailbox.uidvalidity))


def make_threads(context: Context, tag: bytes, command: c.MakeThreads) -> CommandSteps:
    """Found messages as trees of answers."""
    box = context.box()
    check_charset(command.search)
    with time_limit(context) as deadline:
        uids = context.store.search(box.account, box.id, _resolved(command.search.key, box), deadline)
        numbered = {uid: number for number, uid in box.numbered(uids)}
        uids = list(numbered)

        def made() -> bytes:
            threads = context.store.threads(box.account, box.id, uids, command.how, deadline)
            if not command.uid:
                _number(threads, numbered)
            return encode(Threads(tuple(threads)))

        numbers = uids if command.uid else list(numbered.values())
        answer = context.services.threads.answer(box.view, command.how, uids, numbers, made)
    yield answer
    yield _done(context, tag, command.uid)


def _done(context: Context, tag: bytes, uid: bool) -> WhenTold:
    """OK; of messages that have a number here and are no more there is nothing to find (RFC 5530 section 3).

    With UIDs they are told right after the answer. Else it is looked whether there are any, bell or not.
    """
    if not uid:
        context.look_again()

    def answer() -> Status:
        code = b"EXPUNGEISSUED" if context.selected is not None and context.selected.has_gone else None
        return Status(Kind.OK, "Done", code, tag)

    return WhenTold(answer)


def _number(threads: Sequence[Thread], numbers: Mapping[int, int]) -> None:
    """Put message numbers into threads where UIDs are."""
    waiting = list(threads)
    while waiting:
        one = waiting.pop()
        one.uid = None if one.uid is None else numbers[one.uid]
        waiting += one.children


# ---------------------------------------------------------------- looking


@contextmanager
def time_limit(context: Context) -> Iterator[float]:
    """The deadline of a search, as the store takes it; being late is told as such."""
    deadline = time.monotonic() + context.settings.search_time
    try:
        yield deadline
    except Unavailable:
        if time.monotonic() < deadline:
            raise
        raise Refused("The search took too long: narrow it down", b"LIMIT") from None


def no_charset(context: Context, command: c.Search) -> None:
    """Where strings are UTF-8 anyway, none may be named (RFC 6855 section 3)."""
    if command.charset is not None and "UTF8=ACCEPT" in context.enabled:
        raise ParseError("With UTF8=ACCEPT there is no other charset")


def check_charset(command: c.Search) -> None:
    """Refused with the charsets that are taken (RFC 3501 section 6.4.4)."""
    if not known_charset(command.charset):
        charsets = b"BADCHARSET (US-ASCII UTF-8 ISO-8859-1 ISO-8859-15 WINDOWS-1252)"
        raise Refused("Search strings are taken in these charsets, and in most others of mail", charsets)


def _found(context: Context, box: SelectedMailbox, command: c.Search, order: Sequence[SortKey]) -> Found:
    """Search the selected mailbox, and save what SAVE asks for; after a failure nothing is saved (RFC 5182 2.1)."""
    saves = command.returns is not None and "SAVE" in command.returns
    try:
        check_charset(command)
        if command.modseq:
            context.enabled.add("CONDSTORE")
        found = look(context, box.view, command, _resolved(command.key, box), order)
    except Exception:
        if saves:
            box.save(())
        raise
    if not order and (command.returns is None or "ALL" in command.returns):
        # Only a list of messages is long: counts and ends are given of all.
        found.uids = portion_of_uids(context, found.uids)
    found.own_numbers = box.numbers_of(found.uids)
    if len(found.own_numbers) < len(found.uids):
        found.uids = [uid for _, uid in box.numbered(found.uids)]
    if saves:
        box.save(sorted(set(found.told())))
    return found


def look(
    context: Context, view: MailboxView, command: c.Search, key: SearchKey, order: Sequence[SortKey] = ()
) -> Found:
    """Search a mailbox, whatever is selected."""
    store, account, mailbox = context.store, view.mailbox.account, view.mailbox.id
    relevancy: dict[int, int] = {}
    with time_limit(context) as deadline:
        if "RELEVANCY" in (command.returns or ()) or any(one.by is SortBy.RELEVANCY for one in order):
            relevancy = store.ranked(account, mailbox, key, deadline)
            uids = list(relevancy)
        else:
            uids = store.search(account, mailbox, key, deadline)
        if order:
            uids = store.sort(account, mailbox, uids, order, relevancy, deadline)
    return Found(command, view, uids, relevancy)


@dataclass
class Found:
    """What a search found, in the order asked for, and how it is told. ``own_numbers``: the UIDs' in the session."""

    command: c.Search
    view: MailboxView
    uids: list[int]
    relevancy: Mapping[int, int]
    own_numbers: Sequence[int] = ()

    def numbers(self, uid: bool) -> Sequence[int]:
        return self.uids if uid else self.own_numbers

    def modseq(self, uids: Sequence[int]) -> int | None:
        """The highest mod-sequence of messages, if the search asks for it (RFC 7162 section 3.1.5)."""
        if not self.command.modseq or not uids:
            return None
        rows = (self.view.row(uid) for uid in uids)
        return max((row.modseq for row in rows if row is not None), default=self.view.highest_modseq)

    def told(self) -> list[int]:
        """UIDs that an ESEARCH response speaks of: without ALL and COUNT, the ends and the page only.

        They are what SAVE keeps and what MODSEQ is of (RFC 5182 section 2.4, RFC 7162 section 3.1.6, RFC 9394
        section 3.1).
        """
        returns = self.command.returns or frozenset()
        if not self.uids or returns & {"ALL", "COUNT"} or not returns & {"MIN", "MAX", "PARTIAL"}:
            return self.uids
        ends = [self.uids[0]] * ("MIN" in returns) + [self.uids[-1]] * ("MAX" in returns)
        return ends if self.command.partial is None else [*ends, *page(self.uids, self.command.partial)]

    def extended(self, tag: bytes, uid: bool, mailbox: SearchedMailbox | None = None) -> ExtendedSearchResult:
        """Without a hit only COUNT and PARTIAL have something to say (RFC 4731 section 3.1)."""
        returns, partial, numbers = self.command.returns or frozenset(), self.command.partial, self.numbers(uid)
        return ExtendedSearchResult(
            tag,
            uid,
            lowest=numbers[0] if numbers and "MIN" in returns else None,
            highest=numbers[-1] if numbers and "MAX" in returns else None,
            ranges=tuple(ranges_of(numbers)) if numbers and "ALL" in returns else None,
            count=len(numbers) if "COUNT" in returns else None,
            modseq=self.modseq(self.told()),
            partial=(partial, tuple(ranges_of(page(numbers, partial)))) if partial else None,
            relevancy=tuple(self.relevancy[uid] for uid in self._scored()) if "RELEVANCY" in returns else None,
            mailbox=mailbox,
        )

    def _scored(self) -> Sequence[int]:
        """One score for each number told (RFC 6203 section 4)."""
        return self.uids if self.command.partial is None else page(self.uids, self.command.partial)


T = TypeVar("T")


def page(numbers: Sequence[T], place: c.Page) -> Sequence[T]:
    """What stands at the places of a page; those from the end are told in the same order (RFC 9394 section 3.1)."""
    first, last = sorted(place)
    if last < 0:
        return numbers[max(len(numbers) + first, 0) : max(len(numbers) + last + 1, 0)]
    return numbers[first - 1 : last]


# ---------------------------------------------------------------- keys


def _resolved(key: c.Key, box: SelectedMailbox) -> SearchKey:
    return resolved(key, lambda numbers, uid: _uids(box, numbers, uid), UidRanges(tuple(box.recent)))


Uids = Callable[[NumberSet, bool], UidRanges]


def resolved(key: c.Key, uids: Uids, recent: UidRanges) -> SearchKey:
    """The key in the store's terms. The parser bounds how deep keys are nested."""
    match key:
        case c.Numbers(numbers, uid):
            return uids(numbers, uid)
        case c.Recent(on):
            return recent if on else Not(recent)
        case c.Inverse(inner):
            return Not(resolved(inner, uids, recent))
        case c.Inexact(inner):
            return Fuzzy(resolved(inner, uids, recent))
        case c.Every(keys):
            return AllOf(tuple(resolved(one, uids, recent) for one in keys))
        case c.Either(keys):
            return AnyOf(tuple(resolved(one, uids, recent) for one in keys))
        case _:
            return key


def _uids(box: SelectedMailbox, numbers: NumberSet, uid: bool) -> UidRanges:
    """A place range is a UID range too, for both rise; what lies between the UIDs of a session is not its own.

    A message number above the count matches nothing: here a set is a condition (imapclient's own suite relies on it).
    """
    places = box.places(numbers, uid=uid, strict=False)
    return UidRanges(tuple((box.uids[start], box.uids[end - 1]) for start, end in places))
