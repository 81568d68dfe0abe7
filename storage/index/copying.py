"""Rows made of other rows of the account by the database itself, for a command may name thousands."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count, groupby
from operator import sub

from sqlalchemy import BigInteger, Connection, Integer, String, bindparam, case, cast, insert, select

from storage import tables
from storage.blobs.api import Series
from storage.model import Settable
from storage.prepared import Prepared

_m = tables.message.c
_SHARED = ("size", "internal_date", "zone", "content_id")
_COPY = Prepared(
    insert(tables.message).from_select(
        ["account_id", "mailbox_id", "uid", "modseq", "system", "keywords", *_SHARED, "blob", "saved_at"],
        select(
            _m.account_id,
            bindparam("_target", type_=Integer),
            _m.uid + bindparam("_shift", type_=BigInteger),
            bindparam("_modseq", type_=BigInteger),
            _m.system.bitwise_and(bindparam("_system", type_=Integer)),
            case((bindparam("_keywords", type_=Integer) == 1, _m.keywords), else_=""),
            *(_m[name] for name in _SHARED),
            bindparam("_head", type_=String)
            + cast(_m.uid + bindparam("_number", type_=BigInteger), String)
            + bindparam("_tail", type_=String),
            bindparam("_saved_at", type_=BigInteger),
        ).where(
            _m.account_id == bindparam("_account"),
            _m.mailbox_id == bindparam("_mailbox"),
            _m.uid.between(bindparam("_low"), bindparam("_high")),
        ),
    )
)
_NOTE = Prepared(
    insert(tables.event).from_select(
        ["account_id", "at", "kind", "source_use", "target_use", "mailbox_id", "uid", "content_id", "blob"],
        select(
            _m.account_id,
            bindparam("_at", type_=BigInteger),
            bindparam("_kind", type_=String),
            bindparam("_source_use", type_=String),
            bindparam("_target_use", type_=String),
            *(_m.mailbox_id, _m.uid, _m.content_id, _m.blob),
        )
        .where(
            _m.account_id == bindparam("_account"),
            _m.mailbox_id == bindparam("_mailbox"),
            _m.uid.between(bindparam("_low"), bindparam("_high")),
        )
        .order_by(_m.uid),
    )
)


def copy_rows(
    connection: Connection,
    account: int,
    source: int,
    target: int,
    uids: Sequence[int],
    names: Series,
    numbers: Sequence[int],
    *,
    first: int,
    modseq: int,
    within: Settable,
    saved_at: int,
) -> None:
    """Rows of the mailbox ``source`` also in ``target``, with UIDs from ``first`` on.

    ``numbers`` are the places of their bodies' names in ``names``.
    """
    given = {
        "_account": account,
        "_mailbox": source,
        "_target": target,
        "_modseq": modseq,
        "_system": within.system,
        "_keywords": int(within.keywords),
        "_head": names.head,
        "_tail": names.tail,
        "_saved_at": saved_at,
    }
    pieces: list[dict[str, object]] = []
    place = 0
    # Where both rise by one the database makes the rows of one statement.
    for _, alike in groupby(zip(map(sub, uids, count()), map(sub, numbers, count()), strict=True)):
        end = place + len(list(alike))
        shifts = {"_shift": first + place - uids[place], "_number": names.first + numbers[place] - uids[place]}
        pieces.append({**given, **shifts, "_low": uids[place], "_high": uids[end - 1]})
        place = end
    _COPY.run_many(connection, pieces)


def note_copies(
    connection: Connection,
    account: int,
    mailbox: int,
    uids: range,
    *,
    kind: str,
    uses: Sequence[str | None],
    at: int,
) -> None:
    """Record that messages came into a mailbox from another one of the same owner."""
    _NOTE.run(
        connection,
        {
            "_account": account,
            "_mailbox": mailbox,
            "_low": uids.start,
            "_high": uids.stop - 1,
            "_kind": kind,
            "_source_use": uses[0],
            "_target_use": uses[1],
            "_at": at,
        },
    )
