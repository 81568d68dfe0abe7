"""Verdicts become reputation: the records of what was judged are counted in batches, apart from the way in."""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import Connection, insert, select, update

from spamfilter import record, reputation, tables, taught
from spamfilter.reputation import JUDGED, SITE
from spamfilter.verdict import Action
from storage.database import Database

#: Seconds that a record may take to be committed after the message came.
LATE = 30.0
#: Records counted in one transaction.
BATCH = 1000
#: Points below which a message counts as wanted. Nothing is concluded from what lies between that and Junk.
WANTED = 1.0

_READER = "reputation"
_v, _p = tables.verdicts.c, tables.cursors.c


def catch_up(database: Database, now: float) -> int:
    """Count the verdicts that were recorded since the last time; returns how many. Raises ``StoreError``."""
    total = 0
    while True:
        with database.write() as connection:
            taught.take_turn(connection)
            start = connection.scalar(select(_p.at).where(_p.name == _READER))
            if start is None:
                # What came under a release that kept no origins has nothing to tell.
                _move(connection, now - LATE, first=True)
                return total
            query = select(_v.judged_at, _v.record).where(_v.judged_at > start, _v.judged_at <= now - LATE)
            rows = connection.execute(query.order_by(_v.judged_at).limit(BATCH)).all()
            if not rows:
                return total
            _count(connection, [row.record for row in rows], now)
            _move(connection, rows[-1].judged_at)
            total += len(rows)


def _count(connection: Connection, records: list[str], now: float) -> None:
    more: defaultdict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for text in records:
        found = record.outcome(text)
        wanted = found.action is Action.ACCEPT
        if wanted and found.score >= WANTED:
            continue
        for sender in found.origin:
            more[SITE, sender][0 if wanted else 1] += JUDGED
    reputation.count(connection, {one: (good, bad) for one, (good, bad) in more.items()}, now)


def _move(connection: Connection, at: float, first: bool = False) -> None:
    if first:
        connection.execute(insert(tables.cursors).values(name=_READER, at=at))
    else:
        connection.execute(update(tables.cursors).where(_p.name == _READER).values(at=at))
