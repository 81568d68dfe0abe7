"""What a person's own lessons change for that person alone: a few points more or less, never another model.

Somebody who keeps moving spam out of the inbox gets a stricter filter, somebody who keeps fetching mail out of Junk a
laxer one. The offset is worked out of the lessons that stand, so taking one back takes its part of the offset back.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import case, func, select

from spamfilter.tables import learnt
from storage.database import Database

#: Points that no offset reaches, and lessons of one kind that bring it half way there.
LARGEST = 1.5
_HALF_WAY = 10


def offset(ham: int, spam: int) -> float:
    """Points that are added to a message's score for somebody who taught so many ham and spam."""
    return LARGEST * (spam - ham) / (spam + ham + _HALF_WAY)


def offsets(database: Database, accounts: Collection[str]) -> dict[str, float]:
    """The offsets of those of these accounts that taught anything. Raises ``StoreError``."""
    spam = func.sum(case((learnt.c.spam, 1), else_=0))
    query = (
        select(learnt.c.account, func.count().label("lessons"), spam.label("spam"))
        .where(learnt.c.account.in_(sorted(accounts)))
        .group_by(learnt.c.account)
    )
    with database.read() as connection:
        return {row.account: offset(row.lessons - row.spam, row.spam) for row in connection.execute(query)}
