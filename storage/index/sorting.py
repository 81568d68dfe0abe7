"""SORT: messages in the order of some criteria (RFC 5256 section 3, RFC 5957), from the view and kept facts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from storage.index.columns import Fact, Facts
from storage.index.threads import Threadable
from storage.model import MessageRow, SortBy, SortKey
from storage.views import View

_FACTS = {
    SortBy.CC: Fact.CC_MAILBOX,
    SortBy.FROM: Fact.FROM_MAILBOX,
    SortBy.TO: Fact.TO_MAILBOX,
    SortBy.SUBJECT: Fact.BASE_SUBJECT,
    SortBy.DISPLAYFROM: Fact.FROM_DISPLAY,
    SortBy.DISPLAYTO: Fact.TO_DISPLAY,
}


def ordered(
    facts: Facts,
    view: View,
    rows: Sequence[MessageRow],
    keys: Sequence[SortKey],
    relevancy: Mapping[int, int],
    check: Callable[[], None],
) -> list[int]:
    """UIDs in the order of the first key, equal ones in that of the next, and at last by number.

    ``rows`` rise by UID; ``relevancy`` is by UID, and the most relevant message comes first (RFC 6203 section 6).
    ``check`` is called now and then and may raise.
    """
    order = list(range(len(rows)))
    # The last key first: each pass leaves what it finds equal as it was.
    for key in reversed(keys):
        check()
        if key.by is SortBy.RELEVANCY:
            values: Sequence[Any] = [-relevancy.get(row.uid, 0) for row in rows]
        else:
            values = _values(facts, view, rows, key.by, check)
        order.sort(key=values.__getitem__, reverse=key.reverse)
    return [rows[place].uid for place in order]


def _values(
    facts: Facts, view: View, rows: Sequence[MessageRow], by: SortBy, check: Callable[[], None]
) -> Sequence[Any]:
    match by:
        case SortBy.ARRIVAL:
            return [row.internal_date for row in rows]
        case SortBy.SIZE:
            return [row.size for row in rows]
        case SortBy.DATE:
            return sent_dates(facts, view, rows, check)
        case _:
            known = facts.of(view, _FACTS[by], rows, check)
            return [known.get(row.content, b"") for row in rows]


def sent_dates(facts: Facts, view: View, rows: Sequence[MessageRow], check: Callable[[], None]) -> list[int]:
    """When messages were sent; where the Date field doesn't say, when they came in (RFC 5256 section 2.2)."""
    known = facts.of(view, Fact.SENT_AT, rows, check)
    return [row.internal_date if (sent := known.get(row.content)) is None else sent for row in rows]


def threadable(facts: Facts, view: View, rows: Sequence[MessageRow], check: Callable[[], None]) -> list[Threadable]:
    """What THREAD needs of some messages."""
    subjects, replies, identities, ancestors = (
        facts.of(view, fact, rows, check) for fact in (Fact.BASE_SUBJECT, Fact.IS_REPLY, Fact.IDENTITY, Fact.ANCESTORS)
    )
    return [
        Threadable(
            row.uid,
            sent,
            row.internal_date,
            subjects.get(row.content, b""),
            replies.get(row.content, False),
            identities.get(row.content, 0),
            ancestors.get(row.content, ()),
        )
        for row, sent in zip(rows, sent_dates(facts, view, rows, check), strict=True)
    ]
