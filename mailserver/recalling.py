"""Which copies of which message a recall takes, by the records of what came."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from mailserver.wiring import Rooms
from spamfilter.record import message_key
from spamfilter.sightings import Arrival, arrivals, arrivals_of
from storage.recall import Copy, Wanted


class NotFound(LookupError):
    """What is to be recalled is not known, or not clear; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody asks for: the message by its Message-ID (in angle brackets) or our id, ``similar`` for all mail of
    its making, ``everywhere`` for a look into all mailboxes for its Message-ID."""

    message: str
    similar: bool = False
    everywhere: bool = False

    @property
    def asked(self) -> str:
        """The request in one line, as the journal has it."""
        return " ".join((self.message, *["--similar"] * self.similar, *["--everywhere"] * self.everywhere))


@dataclass(frozen=True, slots=True)
class Search:
    """Where to look for what: what is wanted of each account, by its key."""

    wanted: Callable[[str], Wanted]
    accounts: Iterable[str]


def search(rooms: Rooms, request: Request, told: Callable[[int], None]) -> Search:
    """Where the copies may be. ``told`` hears how many records were looked at. Raises ``NotFound``, ``StoreError``."""
    if request.everywhere:
        return _everywhere(rooms, request)
    found = arrivals_of(rooms.database, request.message)
    if not found:
        raise NotFound(
            f"there is no record of {request.message}: it was sent from here, or came longer ago than "
            "spam.records_kept; --everywhere looks for its Message-ID in all mailboxes"
        )
    first = found[0]
    if others := [one for one in found[1:] if not _same(first, one)]:
        # A forged Message-ID must not take somebody else's letter along.
        raise NotFound(
            f"{request.message} came with different texts: name one by its id: "
            + ", ".join(one.id for one in [first, *others][:20])
        )
    if request.similar:
        if not first.sketch and not first.files:
            raise NotFound(f"{request.message} says too little to tell what is like it: recall it without --similar")
        since = time.time() - rooms.settings.spam.records_kept
        found = list({one.id: one for one in [*found, *_like(rooms, first, since, told)]}.values())
    return _of(found)


def _same(one: Arrival, other: Arrival) -> bool:
    return one.is_like(other) or (not one.sketch and not other.sketch and one.files == other.files)


def _like(rooms: Rooms, first: Arrival, since: float, told: Callable[[int], None]) -> Iterator[Arrival]:
    for count, one in enumerate(arrivals(rooms.database, since), 1):
        told(count)
        if one.is_like(first):
            yield one


def _of(found: list[Arrival]) -> Search:
    of_account: defaultdict[str, set[tuple[int | None, int]]] = defaultdict(set)
    for one in found:
        for key in one.accounts:
            of_account[key].add((one.message_key, int(one.judged_at)))

    def wanted(key: str) -> Wanted:
        came = of_account[key]
        return Wanted(lambda name, date: (message_key(name), date) in came, frozenset(date for _, date in came))

    return Search(wanted, sorted(of_account))


def _everywhere(rooms: Rooms, request: Request) -> Search:
    if request.similar or not request.message.startswith("<"):
        raise NotFound("--everywhere looks for one Message-ID, given in angle brackets, and for nothing similar")
    wanted = Wanted(lambda name, date: name == request.message)
    return Search(lambda key: wanted, rooms.recalls.accounts())


def copies(rooms: Rooms, found: Search) -> Iterator[Copy]:
    """All copies that a recall would take, account by account."""
    for key in found.accounts:
        yield from rooms.recalls.copies(key, found.wanted(key))


def recall(rooms: Rooms, number: int, found: Search) -> Iterator[Copy]:
    """Take the copies out, as recall ``number``; yields each once it is gone. Raises ``StoreError``."""
    for key in found.accounts:
        yield from rooms.recalls.take(number, key, found.wanted(key))
    rooms.recalls.finish(number)
