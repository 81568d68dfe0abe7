"""The record of a verdict: kept with the message, it tells why, however much has changed since.

It has symbols, points and what rules saw; the words for people come from the data files when it is told.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b

from sqlalchemy import Connection, delete, insert, select

from config.settings import Spam
from spamfilter import tables
from spamfilter.filter import add_composites, as_hits, capped, suggested
from spamfilter.scores import GRADED, Scores
from spamfilter.verdict import Action, Hit, Verdict
from storage.database import Database, NewRow

#: Records read at a time.
BATCH = 500

# Written for every message: built once.
_INSERT = insert(tables.verdicts)


def encoded(verdict: Verdict) -> str:
    """The record as JSON."""
    return json.dumps(
        {
            "score": verdict.score,
            "action": verdict.action.value,
            "junk": verdict.junk_from,
            "reject": verdict.reject_from,
            "probability": verdict.probability,
            "scanned": verdict.scanned,
            "note": verdict.note,
            "guarded": verdict.guarded,
            "origin": verdict.origin,
            "hits": [(hit.symbol, hit.weight, hit.detail) for hit in verdict.hits],
        },
        separators=(",", ":"),
        ensure_ascii=False,
    )


def decoded(record: str, scores: Scores) -> Verdict:
    """The verdict of a record, in the words of ``scores``; symbols that are no more have none."""
    found = json.loads(record)
    hits = []
    for symbol, weight, detail in found["hits"]:
        words = scores.symbols.get(symbol)
        hits.append(Hit(symbol, weight, words.french if words else "", words.english if words else "", detail))
    return Verdict(
        score=found["score"],
        action=Action(found["action"]),
        hits=tuple(hits),
        probability=found["probability"],
        junk_from=found["junk"],
        reject_from=found["reject"],
        scanned=found["scanned"],
        note=found["note"],
        guarded=tuple(found["guarded"]),
        origin=tuple(found.get("origin", ())),
    )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a record says for the sender's reputation."""

    action: Action
    score: float
    origin: tuple[str, ...]


def outcome(record: str) -> Outcome:
    """What a record says for reputation; one that was not scanned says nothing of anybody."""
    found = json.loads(record)
    origin = tuple(found.get("origin", ())) if found["scanned"] else ()
    return Outcome(Action(found["action"]), found["score"], origin)


def origin_of(connection: Connection, envelope_id: str) -> tuple[str, ...]:
    """What the reputation hangs on of the message with that id; nothing when there is no record (any more)."""
    text = connection.scalar(select(tables.verdicts.c.record).where(tables.verdicts.c.id == envelope_id))
    return outcome(text).origin if text is not None else ()


def row(
    envelope_id: str, verdict: Verdict, judged_at: float, message_id: str = "", accounts: Iterable[str] = ()
) -> NewRow:
    """The record of a message for these accounts (by key), to be kept in the transaction that files it."""
    values = {
        "id": envelope_id,
        "judged_at": judged_at,
        "record": encoded(verdict),
        "sketch": bytes.fromhex(verdict.sketch) or None,
        "files": bytes.fromhex(verdict.files) or None,
        "message_key": message_key(message_id),
        "accounts": "\n".join(accounts),
    }
    return NewRow(_INSERT, values)


def message_key(message_id: str) -> int | None:
    """A number to find a Message-ID by, None for an empty one."""
    if not message_id:
        return None
    return int.from_bytes(blake2b(message_id.encode("utf-8", "replace"), digest_size=8).digest(), "big", signed=True)


def find(database: Database, envelope_id: str, scores: Scores) -> Verdict | None:
    """The verdict on the message with that id, None when there is no record (any more)."""
    with database.read() as connection:
        query = select(tables.verdicts.c.record).where(tables.verdicts.c.id == envelope_id)
        record = connection.scalar(query)
    return decoded(record, scores) if record is not None else None


def since(database: Database, moment: float, scores: Scores) -> Iterator[tuple[str, Verdict]]:
    """(id, verdict) of all messages judged from ``moment`` on, in order."""
    v = tables.verdicts.c
    last = (moment, "")
    while True:
        with database.read() as connection:
            query = (
                select(v.judged_at, v.id, v.record)
                .where((v.judged_at > last[0]) | ((v.judged_at == last[0]) & (v.id > last[1])))
                .order_by(v.judged_at, v.id)
                .limit(BATCH)
            )
            rows = connection.execute(query).all()
        if not rows:
            return
        for row in rows:
            yield row.id, decoded(row.record, scores)
        last = (rows[-1].judged_at, rows[-1].id)


def forget_before(database: Database, moment: float) -> int:
    """Remove records from before ``moment``; returns how many."""
    with database.write() as connection:
        return connection.execute(delete(tables.verdicts).where(tables.verdicts.c.judged_at < moment)).rowcount


def judged_again(verdict: Verdict, scores: Scores, settings: Spam) -> Verdict:
    """The verdict as it would have been with other weights, composites and thresholds, from the same findings.

    The learners' points stay as they were; a finding whose rule is no more is left out.
    """
    if not verdict.scanned:
        return verdict
    found = {hit.symbol: hit for hit in verdict.hits if hit.symbol in scores.symbols}
    made = {composite.symbol for composite in scores.composites}
    weights = {
        symbol: hit.weight if symbol in GRADED else scores.symbols[symbol].weight
        for symbol, hit in found.items()
        if symbol not in made
    }
    add_composites(weights, scores)
    hits = as_hits(capped(weights, scores), {symbol: hit.detail for symbol, hit in found.items()}, scores)
    score = round(sum(hit.weight for hit in hits), 3)
    return Verdict(
        score=score,
        action=suggested(score, settings),
        hits=hits,
        probability=verdict.probability,
        junk_from=settings.junk_from,
        reject_from=settings.reject_from,
        guarded=tuple(hit.symbol for hit in hits if hit.weight > 0 and scores.symbols[hit.symbol].guard),
    )
