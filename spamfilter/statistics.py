"""What the site has taught the filter, in numbers, for the operator."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import case, func, select

from spamfilter import taught
from spamfilter.tables import learnt
from storage.database import Database

#: Accounts told, those that taught most first.
TEACHERS = 20


@dataclass(frozen=True, slots=True)
class Teacher:
    """Lessons of one account that stand: of ham and of spam. ``account`` is "" for the operator."""

    account: str
    ham: int
    spam: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """Messages learnt of each kind, features that they touched, changes so far, and who taught."""

    ham: int
    spam: int
    features: int
    revision: int
    teachers: tuple[Teacher, ...]


def statistics(database: Database) -> Statistics:
    """The numbers now. Raises ``StoreError``."""
    spam = func.sum(case((learnt.c.spam, 1), else_=0))
    query = (
        select(learnt.c.account, (func.count() - spam).label("ham"), spam.label("spam"))
        .group_by(learnt.c.account)
        .order_by(func.count().desc(), learnt.c.account)
        .limit(TEACHERS)
    )
    with database.read() as connection:
        totals = taught.totals(connection)
        teachers = tuple(Teacher(row.account, row.ham, row.spam) for row in connection.execute(query))
        return Statistics(totals.ham, totals.spam, taught.size(connection), totals.revision, teachers)
