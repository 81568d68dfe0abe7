"""Keeps the text index up with the mail: run by one process, away from delivery and from searches."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, TypeVar

import structlog
from sqlalchemy import Connection, bindparam, func, select, update

from message.content import Content
from storage import tables
from storage.database import Database
from storage.errors import Damaged, NoSuchAccount, NoSuchMailbox, NoSuchMessage
from storage.index import messages
from storage.model import MessageRow
from storage.texts.api import TextIndex
from storage.texts.document import Document, document
from storage.texts.pdf import with_pdfs

log = structlog.get_logger()

T = TypeVar("T")

#: Contents added in one transaction, and accounts of one round.
_BLOCK = 100
_ACCOUNTS = 200

#: Looks for the body of a message that is being moved.
_LOOKS = 2

OpenBody = Callable[[int, int, MessageRow], Content]

#: Told after each block how many messages were added and how many seconds that took; ends the work with True.
Rest = Callable[[int, float], bool]

_a, _c = tables.account.c, tables.content.c
_BEHIND = (
    select(_a.id, _a.texts_through, _a.next_content)
    .where(
        # The first condition is the one that the table's index has.
        _a.next_content > _a.texts_through + 1,
        _a.next_content > _a.texts_through + bindparam("least"),
        _a.id > bindparam("after"),
    )
    .order_by(_a.id)
    .limit(_ACCOUNTS)
)
_PARTS = select(_c.id, _c.parts).where(
    _c.account_id == bindparam("account"), _c.id.between(bindparam("low"), bindparam("high"))
)
_END_OF_BLOCK = (
    select(_c.id)
    .where(_c.account_id == bindparam("account"), _c.id.between(bindparam("low"), bindparam("high")))
    .order_by(_c.id)
    .limit(1)
    .offset(_BLOCK - 1)
)
_SAVE = update(tables.account).where(_a.id == bindparam("_account")).values(texts_through=bindparam("_through"))


class _Behind(NamedTuple):
    """An account with contents above ``through`` and below ``next`` to be added."""

    account: int
    through: int
    next: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """How far the index is: contents there are, those that wait for it, octets that it takes on disk."""

    contents: int
    waiting: int
    octets: int


class Indexer:
    """See the module. ``open_body`` takes account, mailbox and row."""

    def __init__(self, database: Database, texts: TextIndex, open_body: OpenBody, *, read_pdf: bool = False) -> None:
        """With ``read_pdf`` the texts of PDFs are read too, where their reader is installed."""
        self._database = database
        self._texts = texts
        self._open_body = open_body
        self._read_pdf = read_pdf
        self._pruned = 0

    def catch_up(self, rest: Rest = lambda added, seconds: False, least: int = 1) -> int:
        """Add what came since to accounts that have ``least`` messages to be added; returns how many messages. In each
        round every account has its turn.

        Raises Unavailable, DiskFull; what was added before stays.
        """
        count = 0
        after = 0
        while True:
            behind = self._behind(after, least)
            if not behind:
                if not after:
                    return count
                after = 0
                continue
            through: dict[int, int] = {}
            try:
                for one in behind:
                    start = time.monotonic()
                    added, through[one.account] = self._mended(one.account, (0, 0), partial(self._add_block, one))
                    count += added
                    if rest(added, time.monotonic() - start):
                        return count
            finally:
                self._save(through)
            after = behind[-1].account

    def _behind(self, after: int, least: int) -> list[_Behind]:
        with self._database.read() as connection:
            return [_Behind(*row) for row in connection.execute(_BEHIND, {"after": after, "least": least})]

    def _save(self, through: dict[int, int]) -> None:
        if through:
            with self._database.write() as connection:
                connection.execute(_SAVE, [{"_account": a, "_through": t} for a, t in through.items()])

    def _mended(self, account: int, otherwise: T, work: Callable[[], T]) -> T:
        """Do something with an account's texts; when they are damaged they are thrown away, to be made again."""
        try:
            return work()
        except Damaged as error:
            log.error("texts.made_again", account=account, error=str(error))
            self._texts.clear(account)
            self._save({account: 0})
            return otherwise

    def _add_block(self, one: _Behind) -> tuple[int, int]:
        """Add the next contents of an account; returns how many, and up to which number all are dealt with."""
        # The index may know less than the account says, after a power failure or when its file was taken away.
        low = min(one.through, self._texts.through(one.account)) + 1
        high = self._end_of_block(one, low)
        documents = self._documents(one.account, low, high)
        self._texts.add(one.account, documents, high)
        return len(documents), high

    def _end_of_block(self, one: _Behind, low: int) -> int:
        if one.next - low <= _BLOCK:
            return one.next - 1
        # By contents, not by numbers: a restore leaves a million of them out.
        with self._database.read() as connection:
            end = connection.scalar(_END_OF_BLOCK, {"account": one.account, "low": low, "high": one.next - 1})
        return one.next - 1 if end is None else end

    def _documents(self, account: int, low: int, high: int) -> list[tuple[int, Document]]:
        done: dict[int, Document] = {}
        for _ in range(_LOOKS):
            with self._database.read() as connection:
                parts = dict(connection.execute(_PARTS, {"account": account, "low": low, "high": high}).all())
                rows = messages.rows_of_contents(connection, account, low, high)
            for mailbox, row in rows:
                if row.content not in done:
                    one = self._document(account, mailbox, row, parts.get(row.content))
                    if one is not None:
                        done[row.content] = one
            if all(row.content in done for _, row in rows):
                break
        return sorted(done.items())

    def _document(self, account: int, mailbox: int, row: MessageRow, parts: bytes | None) -> Document | None:
        """None when the body is not there: searches will look for it themselves."""
        try:
            content = self._open_body(account, mailbox, row)
        except (NoSuchMessage, NoSuchMailbox, NoSuchAccount):
            return None
        except Damaged as error:
            log.error("texts.damaged", account=account, mailbox=mailbox, uid=row.uid, error=str(error))
            return None
        try:
            found = document(content.buffer(), parts)
            return with_pdfs(found, content.buffer(), parts) if self._read_pdf else found
        except Exception:
            # One message that can't be read must not keep all later ones out.
            log.exception("texts.failed", account=account, mailbox=mailbox, uid=row.uid)
            return None
        finally:
            content.close()

    # ---------------------------------------------------------------- from the beginning, and what is gone

    def begin_again(self, accounts: Sequence[int] | None = None) -> int:
        """Forget the texts of some accounts, or of all; ``catch_up`` adds them again. Returns how many will be."""
        with self._database.read() as connection:
            every = accounts if accounts is not None else connection.scalars(select(_a.id).order_by(_a.id)).all()
        for account in every:
            self._texts.clear(account)
        self._save(dict.fromkeys(every, 0))
        with self._database.read() as connection:
            return sum(_count(connection, account) for account in every)

    def coverage(self) -> Coverage:
        """Of all accounts."""
        behind = func.coalesce(func.sum(_a.next_content - 1 - _a.texts_through), 0)
        waiting = select(behind).where(_a.next_content > _a.texts_through + 1)
        with self._database.read() as connection:
            contents = connection.scalar(select(func.count()).select_from(tables.content)) or 0
            waits = int(connection.scalar(waiting) or 0)
            accounts = connection.scalars(select(_a.id)).all()
        return Coverage(contents, min(waits, contents), sum(map(self._texts.size, accounts)))

    def prune(self, accounts_at_a_time: int) -> int:
        """Forget texts of the next few accounts whose messages are gone, round and round; returns how many."""
        query = select(_a.id).where(_a.id > self._pruned).order_by(_a.id).limit(accounts_at_a_time)
        with self._database.read() as connection:
            accounts = connection.scalars(query).all()
        self._pruned = accounts[-1] if accounts else 0
        return sum(self._mended(account, 0, partial(self._prune, account)) for account in accounts)

    def _prune(self, account: int) -> int:
        # The index first: a content that is new to it meanwhile is there, and stays.
        known = self._texts.known(account)
        if not known:
            return 0
        with self._database.read() as connection:
            known.difference_update(connection.scalars(select(_c.id).where(_c.account_id == account)))
        if known:
            self._texts.forget(account, known)
        return len(known)


def _count(connection: Connection, account: int) -> int:
    return connection.scalar(select(func.count()).select_from(tables.content).where(_c.account_id == account)) or 0
