"""Learning and forgetting messages, once per message and person, each in one transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from sqlalchemy import Connection, Row, delete, func, select

from config.settings import Spam
from message.content import Buffer
from spamfilter.bayes import tokenize
from spamfilter.bayes import tokens as store
from spamfilter.stored import stored_evidence
from spamfilter.tables import learnt
from spamfilter.views import Views
from storage.database import Database

DAY = 86400.0
#: Messages learnt in one transaction when many come at once: a writer may not keep deliveries waiting for long.
BATCH = 32


@dataclass(frozen=True, slots=True)
class Lesson:
    """One message to learn: its digest, and its tokens' numbers."""

    digest: bytes
    tokens: Sequence[int]


class Trainer:
    """Teaches the site's model. Safe from any thread and process; a kill at any point leaves a message learnt or
    not."""

    def __init__(self, database: Database, settings: Spam, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._settings = settings
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
            store.take_turn(connection)
            return [self._learn(connection, lesson, spam, account) for lesson in lessons]

    def forget(self, buffer: Buffer, *, account: str | None = None) -> bool:
        """Take back what ``account`` taught of this message. False when it taught nothing. Raises ``StoreError``."""
        lesson = self._lesson(buffer)
        with self._database.write() as connection:
            store.take_turn(connection)
            known = _taught(connection, lesson, account)
            if known is None:
                return False
            _take_back(connection, lesson, known)
            return True

    def _lesson(self, buffer: Buffer) -> Lesson:
        views = Views(stored_evidence(buffer), self._settings.text_limit)
        return Lesson(blake2b(buffer, digest_size=16).digest(), tokenize.fingerprints(views))

    def _learn(self, connection: Connection, lesson: Lesson, spam: bool, account: str | None) -> bool:
        known = _taught(connection, lesson, account)
        if known is not None and known.spam == spam:
            return False
        if known is None and account and self._taught_enough(connection, account):
            return False
        if known is not None:
            _take_back(connection, lesson, known)
        store.add(connection, lesson.tokens, ham=int(not spam), spam=int(spam))
        connection.execute(
            learnt.insert().values(
                account=account or "",
                digest=lesson.digest,
                spam=spam,
                tokenizer=tokenize.VERSION,
                learnt_at=self._clock(),
            )
        )
        return True

    def _taught_enough(self, connection: Connection, account: str) -> bool:
        query = (
            select(func.count())
            .select_from(learnt)
            .where(learnt.c.account == account, learnt.c.learnt_at > self._clock() - DAY)
        )
        return connection.execute(query).scalar_one() >= self._settings.learn_per_account


def _taught(connection: Connection, lesson: Lesson, account: str | None) -> Row[str, bool, int] | None:
    query = select(learnt.c.account, learnt.c.spam, learnt.c.tokenizer).where(
        learnt.c.account == (account or ""), learnt.c.digest == lesson.digest
    )
    return connection.execute(query).one_or_none()


def _take_back(connection: Connection, lesson: Lesson, known: Row[str, bool, int]) -> None:
    # Another version of the tokenizer gave other tokens: those stay counted rather than others being taken away.
    tokens = lesson.tokens if known.tokenizer == tokenize.VERSION else ()
    store.add(connection, tokens, ham=-int(not known.spam), spam=-int(known.spam))
    connection.execute(delete(learnt).where(learnt.c.account == known.account, learnt.c.digest == lesson.digest))
