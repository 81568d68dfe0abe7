"""Learning and forgetting messages, once per message and person, by both learners in one transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
import structlog
from sqlalchemy import Connection, Row, delete, func, select

from config.settings import Spam
from message.content import Buffer
from spamfilter import linear, record, reputation, taught
from spamfilter.campaigns import OPERATOR, Ballot, Making
from spamfilter.features import VERSION, Features, features
from spamfilter.prior import Prior, nothing_known
from spamfilter.rules import RULES
from spamfilter.stored import stored_id, stored_message
from spamfilter.tables import learnt
from spamfilter.views import Views
from storage.database import Database

log = structlog.get_logger()

DAY = 86400.0
#: Messages learnt in one transaction when many come at once: a writer may not keep deliveries waiting for long.
BATCH = 32


@dataclass(frozen=True, slots=True)
class Lesson:
    """One message to learn: its digest, itself decoded, what tells its making, the envelope's id when it
    came here, and the symbols of the rules that hit."""

    digest: bytes
    views: Views
    making: Making
    id: str | None
    symbols: frozenset[str]

    def features(self, symbols: Iterable[str]) -> Features:
        """The message's features when rules hit with these symbols."""
        return features(self.views, symbols)


class Trainer:
    """Teaches the site's model. Safe from any thread and process; a kill at any point leaves a message learnt or
    not."""

    def __init__(
        self,
        database: Database,
        settings: Spam,
        *,
        prior: Prior | None = None,
        hostname: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``prior``: what the linear learner knew before, None for nothing; ``hostname``: the name that this server
        puts into its trace fields, which are no part of a message as it came."""
        self._database = database
        self._settings = settings
        self._prior = prior or nothing_known()
        self._hostname = hostname
        self._clock = clock

    def learn(self, buffer: Buffer, *, spam: bool, account: str | None = None) -> bool:
        """Learn a message for ``account`` (None: the operator, without a daily limit).

        False when this account taught the same of this message before, or has taught ``learn_per_account`` messages in
        a day. A message that it taught the other way round is taken back first. Raises ``StoreError``.
        """
        return self.learn_all([buffer], spam=spam, account=account)[0]

    def learn_all(self, buffers: Iterable[Buffer], *, spam: bool, account: str | None = None) -> list[bool]:
        """The same for several messages in one transaction; keep it to ``BATCH`` of them."""
        # Reading messages takes far longer than counting them: it is done before the database's turn is taken.
        lessons = [self._lesson(buffer) for buffer in buffers]
        with self._database.write() as connection:
            taught.take_turn(connection)
            ballot = self._ballot(connection)
            return [self._learn(connection, ballot, lesson, spam, account) for lesson in lessons]

    def forget(self, buffer: Buffer, *, account: str | None = None) -> bool:
        """Take back what ``account`` taught of this message. False when it taught nothing. Raises ``StoreError``."""
        lesson = self._lesson(buffer)
        with self._database.write() as connection:
            taught.take_turn(connection)
            known = _taught(connection, lesson, account)
            if known is None:
                return False
            _take_back(connection, self._ballot(connection), lesson, known, self._clock())
            return True

    def _ballot(self, connection: Connection) -> Ballot:
        return Ballot(connection, self._settings.campaign_reports, self._clock())

    def _lesson(self, buffer: Buffer) -> Lesson:
        stored = stored_message(buffer, self._hostname)
        views = Views(stored.evidence, self._settings.text_limit)
        # What was seen when the mail came says more than what its file shows now: client, authentication, names.
        symbols = stored.symbols & RULES.keys() if stored.symbols is not None else _symbols(views)
        digest = blake2b(buffer, digest_size=16).digest()
        return Lesson(digest, views, Making.of(views), stored_id(buffer, self._hostname), symbols)

    def _learn(self, connection: Connection, ballot: Ballot, lesson: Lesson, spam: bool, account: str | None) -> bool:
        known = _taught(connection, lesson, account)
        if known is not None and known.spam == spam:
            return False
        if known is None and account and self._taught_enough(connection, account):
            return False
        if known is not None:
            _take_back(connection, ballot, lesson, known, self._clock())
        found = lesson.features(lesson.symbols)
        step = self._step(connection, found, spam)
        taught.add(connection, found.counted.tolist(), linear.changes(found, step), ham=int(not spam), spam=int(spam))
        connection.execute(
            learnt.insert().values(
                account=account or "",
                digest=lesson.digest,
                spam=spam,
                tokenizer=VERSION,
                learnt_at=self._clock(),
                step=step,
                symbols=" ".join(sorted(lesson.symbols)),
            )
        )
        ballot.cast(lesson.views, lesson.making, lesson.digest, account or OPERATOR, spam=spam)
        _count_sender(connection, lesson, account or "", spam, 1, self._clock())
        return True

    def _step(self, connection: Connection, found: Features, spam: bool) -> int:
        """How far this message moves the weights from where they are."""
        known = taught.weights_of(connection, set().union(*(group.tolist() for group in found)))
        picked = []
        for group in found:
            learnt_of = np.fromiter((known.get(number, 0) for number in group.tolist()), np.int64, len(group))
            picked.append(self._prior.weights_of(group) + learnt_of)
        return linear.lesson_step(linear.score_of(found, picked), found, spam=spam)

    def _taught_enough(self, connection: Connection, account: str) -> bool:
        query = (
            select(func.count())
            .select_from(learnt)
            .where(learnt.c.account == account, learnt.c.learnt_at > self._clock() - DAY)
        )
        return connection.execute(query).scalar_one() >= self._settings.learn_per_account


def _symbols(views: Views) -> frozenset[str]:
    """The rules that hit, as far as the message alone tells; one that fails is left out."""
    found: set[str] = set()
    for symbol, rule in RULES.items():
        try:
            if rule(views):
                found.add(symbol)
        except Exception:
            log.exception("spam.rule.failed", symbol=symbol)
    return frozenset(found)


def _taught(connection: Connection, lesson: Lesson, account: str | None) -> Row[*tuple[Any, ...]] | None:
    query = select(learnt).where(learnt.c.account == (account or ""), learnt.c.digest == lesson.digest)
    return connection.execute(query).one_or_none()


def _count_sender(connection: Connection, lesson: Lesson, account: str, spam: bool, sign: int, now: float) -> None:
    """What is said of a message is said of its sender, when this server has seen who that was."""
    senders = record.origin_of(connection, lesson.id) if lesson.id else ()
    if senders:
        reputation.count(connection, reputation.said(senders, account, spam, sign), now)


def _take_back(
    connection: Connection, ballot: Ballot, lesson: Lesson, known: Row[*tuple[Any, ...]], now: float
) -> None:
    ballot.take_back(known.digest, known.account)
    _count_sender(connection, lesson, known.account, known.spam, -1, now)
    # Another version gave other features: those stay counted rather than others being taken away.
    tokens: list[int] = []
    changes: dict[int, int] = {}
    if known.tokenizer == VERSION:
        found = lesson.features(known.symbols.split())
        tokens, changes = found.counted.tolist(), linear.changes(found, -known.step)
    taught.add(connection, tokens, changes, ham=-int(not known.spam), spam=-int(known.spam))
    connection.execute(delete(learnt).where(learnt.c.account == known.account, learnt.c.digest == lesson.digest))
