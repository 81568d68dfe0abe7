"""What came from a sender before: wanted or not, by what was judged and, above all, by what people did with it.

A reputation belongs to what a sender can't borrow: the address and the domain of an author whom SPF or DKIM vouch for,
and the client's network. Counts halve in ``HALF_LIFE``, are kept for the site and, of what a person's own moves say,
for the person. They are small evidence: the group's cap in ``scores.toml`` keeps them from deciding anything alone.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import structlog
from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from spamfilter import tables
from spamfilter.domains import site
from spamfilter.lexicon import FREEMAIL
from spamfilter.rules.guard import vouched_for
from spamfilter.views import Views
from storage.database import Database
from storage.errors import StoreError

log = structlog.get_logger()

#: Account of what holds for everybody.
SITE = ""
DAY = 86400.0
#: Seconds in which counts halve, and after which a sender who sent nothing more is forgotten.
HALF_LIFE, FORGOTTEN = 30 * DAY, 180 * DAY
#: Senders that are remembered; the ones heard of longest ago make room.
MOST = 50_000
#: What a verdict counts, and what somebody's move into Junk or out of it does.
JUDGED, SAID_SPAM, SAID_HAM = 0.25, 1.0, 2.0
#: Counts that make the opinion half of what it can be; opinions nearer to zero are none.
_HALF_WAY, _LEAST = 5.0, 0.2
#: Senders kept in a judging process, and for how many seconds.
_CACHED, _FRESH = 4096, 60.0

#: Symbols by kind of sender and by what is thought of it.
SYMBOLS = {
    "domain": ("DOMAIN_REPUTATION_BAD", "DOMAIN_REPUTATION_GOOD"),
    "address": ("ADDRESS_REPUTATION_BAD", "ADDRESS_REPUTATION_GOOD"),
    "network": ("NETWORK_REPUTATION_BAD", "NETWORK_REPUTATION_GOOD"),
    "person": ("OWN_EXPERIENCE_BAD", "OWN_EXPERIENCE_GOOD"),
}

_t = tables.reputations.c
# Asked for most messages: built once, with places for all that a message can ask about.
_PLACES = 3
_ASKED = select(tables.reputations).where(
    _t.account.in_([bindparam("site"), bindparam("person")]),
    _t.sender.in_([bindparam(f"sender_{n}") for n in range(_PLACES)]),
)


_CHANGE = (
    update(tables.reputations)
    .where(_t.account == bindparam("of"), _t.sender == bindparam("by"))
    .values(good=bindparam("wanted"), bad=bindparam("unwanted"), at=bindparam("now"))
)
_BEGIN = insert(tables.reputations).values(
    account=bindparam("of"),
    sender=bindparam("by"),
    good=bindparam("wanted"),
    bad=bindparam("unwanted"),
    at=bindparam("now"),
)


@dataclass(frozen=True, slots=True)
class Counts:
    """Wanted and unwanted mail of a sender, at ``at`` (seconds since the epoch)."""

    good: float = 0.0
    bad: float = 0.0
    at: float = 0.0

    def aged(self, now: float) -> Counts:
        """What is left of it at ``now``."""
        share = 0.5 ** (max(now - self.at, 0.0) / HALF_LIFE)
        return Counts(self.good * share, self.bad * share, now)

    def plus(self, good: float, bad: float, now: float) -> Counts:
        """With more mail at ``now``; no count falls below zero."""
        aged = self.aged(now)
        return Counts(max(aged.good + good, 0.0), max(aged.bad + bad, 0.0), now)

    @property
    def opinion(self) -> float:
        """From -1 (all is wanted) to 1 (nothing is); the more mail, the further from 0."""
        return (self.bad - self.good) / (self.bad + self.good + _HALF_WAY)


def origin(views: Views) -> tuple[str, ...]:
    """What a message's reputation hangs on, as ``kind:value``."""
    found = []
    author = views.author
    if author is not None and author.domain and vouched_for(views):
        found.append(f"address:{author.spec.lower()[:320]}")
        # Whoever shares a free mail service has nothing else in common.
        if views.author_domain not in FREEMAIL:
            found.append(f"domain:{site(views.author_domain)}")
    if network := _network(views.evidence.envelope.client.address):
        found.append(f"network:{network}")
    return tuple(found)


def _network(address: str) -> str:
    try:
        client = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if not client.is_global:
        return ""
    return str(ipaddress.ip_network(f"{client}/{24 if client.version == 4 else 48}", strict=False))


class Reputations(Protocol):
    """What the filter needs to know of senders."""

    def of(self, senders: tuple[str, ...], person: str) -> Mapping[tuple[str, str], Counts]:
        """What is known, by account (the site's and ``person``'s) and sender; never raises and never waits long."""
        ...


class NoReputations:
    """Nobody is known."""

    def of(self, senders: tuple[str, ...], person: str) -> Mapping[tuple[str, str], Counts]:
        return {}


UNKNOWN = NoReputations()


class SiteReputations:
    """The site's reputations, kept for ``_FRESH`` seconds, read in one statement when they are not at hand."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock
        self._cached: dict[tuple[str, str], tuple[float, Counts | None]] = {}

    def of(self, senders: tuple[str, ...], person: str) -> Mapping[tuple[str, str], Counts]:
        now = self._clock()
        wanted = [(account, sender) for account in dict.fromkeys((SITE, person)) for sender in senders]
        if any(self._cached.get(one, (0.0, None))[0] < now - _FRESH for one in wanted):
            try:
                self._read(senders, person, wanted, now)
            except StoreError as error:
                log.warning("spam.reputation.unreadable", error=str(error))
        found = {one: self._cached[one][1] for one in wanted if one in self._cached}
        return {one: counts.aged(now) for one, counts in found.items() if counts is not None}

    def _read(self, senders: tuple[str, ...], person: str, wanted: list[tuple[str, str]], now: float) -> None:
        names = {f"sender_{n}": senders[min(n, len(senders) - 1)] for n in range(_PLACES)}
        with self._database.read() as connection:
            rows = connection.execute(_ASKED, {"site": SITE, "person": person, **names}).all()
        known = {(row.account, row.sender): Counts(row.good, row.bad, row.at) for row in rows}
        for one in wanted:
            # The first in is the first out: what is asked for again is read again.
            self._cached.pop(one, None)
            self._cached[one] = (now, known.get(one))
        while len(self._cached) > _CACHED:
            del self._cached[next(iter(self._cached))]


def opinions(known: Mapping[tuple[str, str], Counts]) -> Iterator[tuple[str, float]]:
    """Symbols with the share of their weight that they are worth, from 0 to 1."""
    strongest: dict[str, float] = {}
    for (account, sender), counts in known.items():
        kind = sender.partition(":")[0] if account == SITE else "person"
        if abs(counts.opinion) > abs(strongest.get(kind, 0.0)):
            strongest[kind] = counts.opinion
    for kind, opinion in strongest.items():
        if abs(opinion) >= _LEAST:
            yield SYMBOLS[kind][0 if opinion > 0 else 1], abs(opinion)


# Writing


def count(connection: Connection, more: Mapping[tuple[str, str], tuple[float, float]], now: float) -> None:
    """Add (good, bad) by account and sender. The turn of ``spamfilter.taught`` must be taken."""
    known: dict[tuple[str, str], Counts] = {}
    senders = sorted({sender for _, sender in more})
    for at in range(0, len(senders), 500):
        query = select(tables.reputations).where(_t.sender.in_(senders[at : at + 500]))
        known |= {(row.account, row.sender): Counts(row.good, row.bad, row.at) for row in connection.execute(query)}
    changed: list[dict[str, object]] = []
    new: list[dict[str, object]] = []
    for one, (good, bad) in more.items():
        counts = known.get(one, Counts(at=now)).plus(good, bad, now)
        row = {"of": one[0], "by": one[1], "wanted": counts.good, "unwanted": counts.bad, "now": counts.at}
        (changed if one in known else new).append(row)
    if changed:
        connection.execute(_CHANGE, changed)
    if new:
        connection.execute(_BEGIN, new)


def said(senders: Iterable[str], account: str, spam: bool, sign: int = 1) -> dict[tuple[str, str], tuple[float, float]]:
    """What somebody's lesson adds, or with ``sign`` -1 takes away: for the site and for the person."""
    counts = (0.0, sign * SAID_SPAM) if spam else (sign * SAID_HAM, 0.0)
    found = {(SITE, sender): counts for sender in senders}
    if account:
        found |= {(account, sender): counts for sender in senders if not sender.startswith("network:")}
    return found


def forget(database: Database, now: float) -> int:
    """Forget senders of whom nothing was heard for ``FORGOTTEN``, and those beyond ``MOST``; returns how many."""
    with database.write() as connection:
        gone = connection.execute(delete(tables.reputations).where(_t.at < now - FORGOTTEN)).rowcount
        surplus = (connection.scalar(select(func.count()).select_from(tables.reputations)) or 0) - MOST
        if surplus > 0:
            last = connection.scalar(select(_t.at).order_by(_t.at).offset(surplus - 1).limit(1))
            gone += connection.execute(delete(tables.reputations).where(_t.at <= last)).rowcount
        return gone
