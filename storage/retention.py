"""What goes by itself after a time, and what does not because the law wants it kept."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, select, update

from storage import tables
from storage.database import Database
from storage.doorbell import Doorbell
from storage.errors import NoSuchAccount, NoSuchMailbox
from storage.index import messages
from storage.index.ledger import Ledger, Limits
from storage.model import SpecialUse
from storage.names import HELD

#: Seconds.
DAY = 86_400

_a, _b, _m = tables.account.c, tables.mailbox.c, tables.message.c


class Retention:
    """Expiry, and legal holds, which beat it. What expires stays in the attic like the rest of what was removed.

    Messages leave a mailbox by its own rule, else by the site's for its use: Junk, Trash and held mail have one.
    """

    def __init__(self, database: Database, doorbell: Doorbell) -> None:
        self._database = database
        self._doorbell = doorbell

    def hold(self, account: int, on: bool) -> None:
        """While an account is held nothing of it goes for good, neither by expiry nor from the attic.

        Raises NoSuchAccount.
        """
        with self._database.write() as connection:
            if not connection.execute(update(tables.account).where(_a.id == account).values(held=on)).rowcount:
                raise NoSuchAccount(f"no account number {account}")

    def held(self, account: int) -> bool:
        """Raises NoSuchAccount."""
        with self._database.read() as connection:
            held = connection.scalar(select(_a.held).where(_a.id == account))
        if held is None:
            raise NoSuchAccount(f"no account number {account}")
        return bool(held)

    def rule(self, account: int, mailbox: int, days: int | None) -> None:
        """How many days messages stay in a mailbox; 0: until they are deleted, None: as the site has it for its use.

        Raises NoSuchMailbox, ValueError for less than 0.
        """
        if days is not None and days < 0:
            raise ValueError("days are 0 or more")
        box = update(tables.mailbox).where(_b.account_id == account, _b.id == mailbox)
        with self._database.write() as connection:
            if not connection.execute(box.values(keep_days=days)).rowcount:
                raise NoSuchMailbox("the mailbox is gone")

    def rules(self, account: int) -> dict[str, int]:
        """The days of an account's mailboxes that have a rule of their own, by name."""
        ruled = select(_b.name, _b.keep_days).where(_b.account_id == account, _b.keep_days.is_not(None))
        with self._database.read() as connection:
            return {row.name: row.keep_days for row in connection.execute(ruled.order_by(_b.name))}

    def expire(self, use: SpecialUse, before: float) -> int:
        """Expunge what came into mailboxes of a use before ``before`` (seconds since the epoch); returns how many.

        Mailboxes with a rule of their own are passed over, and so are accounts on hold.
        """
        return self._expire_where(and_(_b.special_use == use.value, _b.keep_days.is_(None)), before)

    def expire_ruled(self, now: float) -> int:
        """The same of mailboxes with a rule of their own. ``now`` is seconds since the epoch."""
        with self._database.read() as connection:
            rules = list(connection.scalars(select(_b.keep_days).where(_b.keep_days > 0).distinct()))
        return sum(self._expire_where(_b.keep_days == days, now - days * DAY) for days in sorted(rules))

    def expire_held(self, before: float) -> int:
        """The same of mail that was held back (``storage.held``)."""
        return self._expire_where(_b.name == HELD, before)

    def _expire_where(self, which: ColumnElement[bool], before: float) -> int:
        with self._database.read() as connection:
            query = (
                select(_b.account_id, _b.id)
                .join(tables.account, _a.id == _b.account_id)
                .where(which, _b.messages > 0, _a.held.is_(False))
                .order_by(_b.account_id, _b.id)
            )
            places = connection.execute(query).all()
        return sum(self._expire(account, mailbox, int(before)) for account, mailbox in places)

    def _expire(self, account: int, mailbox: int, before: int) -> int:
        old = (
            select(_m.uid)
            .where(_m.account_id == account, _m.mailbox_id == mailbox, _m.saved_at < before)
            .order_by(_m.uid)
            .limit(messages.BLOCK)
        )
        count = 0
        while True:
            with self._database.read() as connection:
                uids = list(connection.scalars(old))
            if not uids:
                return count
            with self._database.write() as connection:
                ledger = Ledger(connection, account, Limits(None, None))
                if connection.scalar(select(_a.held).where(_a.id == account)):
                    return count
                rows = messages.rows_of(connection, account, mailbox, uids)
                count += len(messages.expunge(ledger, ledger.mailbox(mailbox), rows))
                rings = ledger.close()
            self._doorbell.ring(rings)
