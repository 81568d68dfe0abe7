"""Reading message rows, and the changes that clients make to them: flags, copy, move, expunge."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, LargeBinary, Select, bindparam, case, delete, literal, select, update

from storage import tables
from storage.index.ledger import Ledger, runs
from storage.index.state import MailboxState
from storage.model import (
    EVERY_FLAG,
    OWN_KEYWORDS,
    Changes,
    Columns,
    ContentRow,
    FlagChange,
    Mailbox,
    MessageRow,
    Settable,
    System,
)
from storage.objects import email_id, thread_id
from storage.prepared import Prepared

_m = tables.message.c
_LIGHT = (_m.uid, _m.modseq, _m.system, _m.keywords, _m.size, _m.internal_date, _m.zone, _m.content_id, _m.blob)

_IN_MAILBOX = (_m.account_id == bindparam("account"), _m.mailbox_id == bindparam("mailbox"))
_ALL = select(*_LIGHT).where(*_IN_MAILBOX).order_by(_m.uid)
_SINCE = Prepared(select(*_LIGHT).where(*_IN_MAILBOX, _m.modseq > bindparam("since")).order_by(_m.uid))
_RANGE = Prepared(
    select(*_LIGHT).where(*_IN_MAILBOX, _m.uid.between(bindparam("low"), bindparam("high"))).order_by(_m.uid)
)
_LISTED = select(*_LIGHT).where(*_IN_MAILBOX, _m.uid.in_(bindparam("uids", expanding=True))).order_by(_m.uid)
_DELETED = Prepared(select(*_LIGHT).where(*_IN_MAILBOX, _m.system.op("&")(int(System.DELETED)) != 0).order_by(_m.uid))
_SAVED = select(_m.uid, _m.saved_at).where(*_IN_MAILBOX)
_UIDS = select(_m.uid).where(*_IN_MAILBOX).order_by(_m.uid)
_GONE_FROM = (
    tables.expunged.c.account_id == bindparam("account"),
    tables.expunged.c.mailbox_id == bindparam("mailbox"),
)
_GONE = Prepared(
    select(tables.expunged.c.uid)
    .where(*_GONE_FROM, tables.expunged.c.modseq > bindparam("since"))
    .order_by(tables.expunged.c.uid)
)
_OLD_GONE = (
    select(tables.expunged.c.modseq)
    .where(*_GONE_FROM)
    .order_by(tables.expunged.c.modseq.desc())
    .limit(1)
    .offset(bindparam("keep"))
)

#: UIDs asked for by one IN list, and rows read in one block.
BLOCK = 500


def light(row: Any) -> MessageRow:
    """A ``MessageRow`` of the columns in ``_LIGHT``."""
    uid, modseq, system, keywords, size, date, zone, content, blob = row
    # As MessageRow(...) does, without a call in between: a mailbox may have 100,000 of them.
    return _new(
        MessageRow, (uid, modseq, system, split_keywords(keywords) if keywords else (), size, date, zone, content, blob)
    )


_new = tuple.__new__

#: The UID of a row.
uid_of: Callable[[MessageRow], int] = itemgetter(MessageRow._fields.index("uid"))


_SPLIT: dict[str, tuple[str, ...]] = {"": ()}


def split_keywords(joined: str) -> tuple[str, ...]:
    """Keywords of a column; equal ones share a tuple, for there are few combinations and many messages."""
    known = _SPLIT.get(joined)
    if known is None:
        if len(_SPLIT) > 10_000:
            _SPLIT.clear()
            _SPLIT[""] = ()
        known = _SPLIT[joined] = tuple(joined.split(" "))
    return known


def all_rows(connection: Connection, account: int, mailbox: int) -> list[MessageRow]:
    """All rows of a mailbox by rising UID."""
    return [light(row) for row in connection.execute(_ALL, {"account": account, "mailbox": mailbox}).all()]


def rows_of(connection: Connection, account: int, mailbox: int, uids: Sequence[int]) -> list[MessageRow]:
    """Rows of those UIDs that exist, by rising UID."""
    if not uids:
        return []
    where: dict[str, object] = {"account": account, "mailbox": mailbox}
    wanted = sorted(set(uids))
    if wanted[-1] - wanted[0] < 2 * len(wanted):
        found = set(wanted)
        rows = _RANGE.all(connection, {**where, "low": wanted[0], "high": wanted[-1]})
        return [light(row) for row in rows if row[0] in found]
    return [
        light(row)
        for start in range(0, len(wanted), BLOCK)
        for row in connection.execute(_LISTED, {**where, "uids": wanted[start : start + BLOCK]}).all()
    ]


def digests(connection: Connection, account: int, mailbox: int) -> dict[int, bytes]:
    """SHA-256 of the octets of each message, by UID."""
    c = tables.content.c
    query = (
        select(_m.uid, c.digest)
        .join(tables.content, (c.account_id == _m.account_id) & (c.id == _m.content_id))
        .where(_m.account_id == account, _m.mailbox_id == mailbox)
        .order_by(_m.uid)
    )
    return {uid: bytes(digest) for uid, digest in connection.execute(query)}


def deleted_rows(connection: Connection, account: int, mailbox: int) -> list[MessageRow]:
    """Rows with the DELETED flag, by rising UID."""
    return [light(row) for row in _DELETED.all(connection, {"account": account, "mailbox": mailbox})]


def removed_blobs(connection: Connection, account: int, mailbox: int) -> set[str]:
    """Bodies of expunged messages that still stand in the mailbox's folder."""
    r = tables.removed.c
    return set(connection.scalars(select(r.blob).where(r.account_id == account, r.mailbox_id == mailbox)))


def changes(connection: Connection, box: Mailbox, since: int) -> Changes:
    """Rows changed and UIDs gone after ``since``, in a mailbox whose counters are known."""
    if box.highest_modseq <= since:
        return Changes(box.highest_modseq, box.uidnext, (), ())
    where = {"account": box.account, "mailbox": box.id, "since": since}
    changed = tuple(light(row) for row in _SINCE.all(connection, where))
    gone = tuple(uid for (uid,) in _GONE.all(connection, where))
    return Changes(box.highest_modseq, box.uidnext, changed, gone, since >= box.forgotten)


def vanished(connection: Connection, box: Mailbox, since: int) -> list[tuple[int, int]]:
    """Rising, inclusive ranges of the UIDs that went away after ``since``.

    Where that is no longer known, all UIDs that were given out and are not there (RFC 7162 section 3.2.6).
    """
    where = {"account": box.account, "mailbox": box.id, "since": since}
    if since >= box.forgotten:
        return runs([uid for (uid,) in _GONE.all(connection, where)])
    ranges: list[tuple[int, int]] = []
    expected = 1
    for uid in (*connection.scalars(_UIDS, where), box.uidnext):
        if uid > expected:
            ranges.append((expected, uid - 1))
        expected = uid + 1
    return ranges


def old_vanished(connection: Connection, account: int, mailbox: int, keep: int) -> int | None:
    """The mod-sequence up to which removals may be forgotten so that the ``keep`` last stay; None when all may stay."""
    return connection.scalar(_OLD_GONE, {"account": account, "mailbox": mailbox, "keep": keep})


def forget_vanished(connection: Connection, account: int, mailbox: int, upto: int) -> None:
    """Forget which UIDs went away up to a mod-sequence."""
    e, b = tables.expunged.c, tables.mailbox.c
    connection.execute(
        delete(tables.expunged).where(e.account_id == account, e.mailbox_id == mailbox, e.modseq <= upto)
    )
    connection.execute(update(tables.mailbox).where(b.account_id == account, b.id == mailbox).values(forgotten=upto))


_OF_CONTENTS = select(_m.mailbox_id, *_LIGHT).where(
    _m.account_id == bindparam("account"), _m.content_id.between(bindparam("low"), bindparam("high"))
)


def rows_of_contents(connection: Connection, account: int, low: int, high: int) -> list[tuple[int, MessageRow]]:
    """All messages with the contents ``low`` to ``high``, with their mailboxes."""
    result = connection.execute(_OF_CONTENTS, {"account": account, "low": low, "high": high})
    return [(mailbox, light(rest)) for mailbox, *rest in result]


# -------------------------------------------------------------------- content columns

#: What THREADID is made of.
THREAD_ROOT = case((tables.content.c.references != "", tables.content.c.references), else_=tables.content.c.message_id)

#: Columns in the order of ``ContentRow``, with what stands for those that were not asked for.
_NOTHING = literal(b"", LargeBinary)
_COLUMNS = (
    (Columns.ENVELOPE, tables.content.c.envelope, _NOTHING),
    (Columns.BODYSTRUCTURE, tables.content.c.bodystructure, _NOTHING),
    (Columns.FIELDS, tables.content.c.fields, _NOTHING),
    (Columns.PARTS, tables.content.c.parts, _NOTHING),
)
#: Those that are seldom asked for.
_RARE = (tables.content.c.preview, _m.saved_at, THREAD_ROOT, tables.content.c.digest, _m.internal_date, _m.zone)
_RARELY = Columns.PREVIEW | Columns.SAVED | Columns.THREAD | Columns.EMAIL
_QUERIES: dict[Columns, Select[Any]] = {}


def _content_query(columns: Columns) -> Select[Any]:
    query = _QUERIES.get(columns)
    if query is None:
        wanted: list[Any] = [column if columns & flag else nothing for flag, column, nothing in _COLUMNS]
        if columns & _RARELY:
            wanted += _RARE
        query = _QUERIES[columns] = (
            select(_m.uid, *wanted)
            .join(
                tables.content,
                (tables.content.c.account_id == _m.account_id) & (tables.content.c.id == _m.content_id),
            )
            .where(*_IN_MAILBOX, _m.uid.between(bindparam("low"), bindparam("high")))
            .order_by(_m.uid)
        )
    return query


def contents(
    connection: Connection, account: int, mailbox: int, uids: Sequence[int], columns: Columns
) -> Iterator[ContentRow]:
    """Content columns of one block of UIDs, in their order; the block should not be long."""
    if not uids:
        return
    found: dict[int, ContentRow] = {}
    for low, high in _runs(sorted(uids)):
        result = connection.execute(
            _content_query(columns), {"account": account, "mailbox": mailbox, "low": low, "high": high}
        )
        if columns & _RARELY:
            found.update((row[0], _rare(*row)) for row in result.all())
        else:
            found.update((row[0], ContentRow(*row)) for row in result.all())
    for uid in uids:
        row = found.get(uid)
        if row is not None:
            yield row


def _rare(*values: Any) -> ContentRow:
    *given, root, digest, date, zone = values
    email = email_id(digest, date, zone)
    return ContentRow._make((*given, thread_id(root, email), email))


def _runs(uids: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Cover rising UIDs by few ranges that hold few others: a gap of up to 8 is read through."""
    low = high = uids[0]
    for uid in uids[1:]:
        if uid - high > 8:
            yield low, high
            low = uid
        high = uid
    yield low, high


def saved(connection: Connection, account: int, mailbox: int) -> dict[int, int]:
    """When each message came into the mailbox, in seconds since the epoch, by UID."""
    result = connection.execute(_SAVED, {"account": account, "mailbox": mailbox})
    return {row.uid: row.saved_at for row in result}


# -------------------------------------------------------------------- flags


def by_flags(rows: Iterable[MessageRow]) -> Iterable[list[MessageRow]]:
    """The rows in groups that have the same flags: a change makes the same of all of them."""
    groups: defaultdict[tuple[int, tuple[str, ...]], list[MessageRow]] = defaultdict(list)
    for row in rows:
        groups[row.system, row.keywords].append(row)
    return groups.values()


def combined(
    row: MessageRow, change: FlagChange, system: int, keywords: Sequence[str], within: Settable = EVERY_FLAG
) -> tuple[int, tuple[str, ...]]:
    """Flags of a row after a STORE; keywords keep the case in which they were first given, our own ones stay.

    Flags that are not ``within`` stay as they are.
    """
    new_system, new_keywords = _combined(row, change, system, keywords)
    return (
        (row.system & ~within.system) | (new_system & within.system),
        new_keywords if within.keywords else row.keywords,
    )


def _combined(row: MessageRow, change: FlagChange, system: int, keywords: Sequence[str]) -> tuple[int, tuple[str, ...]]:
    have = {keyword.casefold(): keyword for keyword in row.keywords}
    given = {keyword.casefold(): keyword for keyword in keywords if keyword.casefold() not in OWN_KEYWORDS}
    own = {key: keyword for key, keyword in have.items() if key in OWN_KEYWORDS}
    match change:
        case FlagChange.ADD:
            return row.system | system, tuple(sorted({**given, **have}.values()))
        case FlagChange.REMOVE:
            return row.system & ~system, tuple(sorted(v for k, v in have.items() if k not in given))
        case FlagChange.REPLACE:
            return system, tuple(sorted(({k: have.get(k, v) for k, v in given.items()} | own).values()))


def keywords_in(connection: Connection, account: int, mailbox: int) -> set[str]:
    """Keywords in use in a mailbox, case-folded."""
    query = select(_m.keywords).distinct().where(*_IN_MAILBOX, _m.keywords != "")
    joined = connection.scalars(query, {"account": account, "mailbox": mailbox})
    return {keyword.casefold() for one in joined for keyword in split_keywords(one)}


def expunge(ledger: Ledger, state: MailboxState, rows: Sequence[MessageRow]) -> list[int]:
    """Take rows away under one mod-sequence; returns their UIDs."""
    if rows:
        ledger.remove_messages(state, rows, ledger.next_modseq())
    return [row.uid for row in rows]
