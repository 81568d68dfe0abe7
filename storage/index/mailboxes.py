"""Accounts and mailboxes in SQL: provisioning, listing, creating, renaming, deleting, subscriptions, quota limits."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, exists, func, insert, literal, select, tuple_, update

from storage import names, tables
from storage.blobs.api import Place
from storage.database import take_turn
from storage.errors import NoSuchAccount, NoSuchMailbox
from storage.index import history
from storage.index.statements import REMOVED
from storage.model import Mailbox, Quota, SpecialUse
from storage.prepared import Prepared

#: Folders that every account has from the start, subscribed (Thunderbird lists only subscribed ones).
STANDARD: tuple[tuple[str, SpecialUse | None], ...] = (
    (names.INBOX, None),
    ("Archive", SpecialUse.ARCHIVE),
    ("Drafts", SpecialUse.DRAFTS),
    ("Junk", SpecialUse.JUNK),
    ("Sent", SpecialUse.SENT),
    ("Templates", None),
    ("Trash", SpecialUse.TRASH),
)

#: Keys of one query.
_KEYS = 500

_a, _b, _g, _s = tables.account.c, tables.mailbox.c, tables.acl.c, tables.subscription.c
#: In the order in which ``_mailbox`` takes them.
_BOXES = (
    select(
        *(_b.account_id, _b.id, _b.name, _b.uidvalidity, _b.uidnext, _b.modseq, _b.messages, _b.unseen, _b.deleted),
        *(_b.size, _b.first_recent, _b.special_use),
        _s.name.label("subscribed"),
        _b.forgotten,
        exists().where(_g.account_id == _b.account_id, _g.mailbox_id == _b.id).label("has_acl"),
    )
    .outerjoin(tables.subscription, and_(_s.account_id == _b.account_id, _s.name == _b.name))
    .where(_b.account_id == bindparam("account"))
)
_SHOWN = _BOXES.where(_b.name != names.HELD)
_BY_NAME = Prepared(_SHOWN.where(_b.name == bindparam("name")))
_BY_ID = Prepared(_BOXES.where(_b.id == bindparam("mailbox")))
_OF_ONE = (_b.account_id == bindparam("account"), _b.id == bindparam("mailbox"))
_FOLDER_OF = Prepared(select(_b.folder, _b.folder_was).where(*_OF_ONE))
_MODSEQ_OF = Prepared(select(_b.modseq).where(*_OF_ONE))


def _mailbox(row: Any) -> Mailbox:
    account, number, name, uidvalidity, uidnext, modseq, count, unseen, deleted, size, first_recent, *rest = row
    use, subscribed, forgotten, has_acl = rest
    return Mailbox(
        account=account,
        id=number,
        name=name,
        uidvalidity=uidvalidity,
        uidnext=uidnext,
        highest_modseq=modseq,
        messages=count,
        unseen=unseen,
        deleted=deleted,
        size=size,
        first_recent=first_recent,
        special_use=SpecialUse(use) if use else None,
        subscribed=subscribed is not None,
        forgotten=forgotten,
        has_acl=bool(has_acl),
    )


def account_number(connection: Connection, key: str) -> int | None:
    """Number of an account, None when it has no store yet."""
    return connection.scalar(select(_a.id).where(_a.key == key))


def account_key(connection: Connection, account: int) -> str:
    """Key of an account. Raises NoSuchAccount."""
    key = connection.scalar(select(_a.key).where(_a.id == account))
    if key is None:
        raise NoSuchAccount(f"no account number {account}")
    return str(key)


def hold(connection: Connection, account: int) -> None:
    """Make changes of one account's mailboxes take turns where writers run side by side. Raises NoSuchAccount."""
    if connection.execute(select(_a.id).where(_a.id == account).with_for_update()).first() is None:
        raise NoSuchAccount(f"no account number {account}")


def account_numbers(connection: Connection, keys: Iterable[str]) -> dict[str, int]:
    """Numbers of those accounts that have a store, by key."""
    wanted = sorted(keys)
    found: dict[str, int] = {}
    for start in range(0, len(wanted), _KEYS):
        query = select(_a.key, _a.id).where(_a.key.in_(wanted[start : start + _KEYS]))
        found.update((row.key, row.id) for row in connection.execute(query))
    return found


def provision(connection: Connection, keys: Collection[str]) -> dict[str, int]:
    """Numbers of accounts by key; those that have no store yet get one with the standard folders."""
    take_turn(connection, "accounts")
    known = account_numbers(connection, keys)
    missing = sorted(set(keys) - known.keys())
    if not missing:
        return known
    folders = len(STANDARD)
    uidvalidity = int(time.time())
    account = {"modseq": 1, "next_mailbox": folders + 1, "next_content": 1, "used_bytes": 0, "used_messages": 0}
    account["last_uidvalidity"] = uidvalidity + folders
    connection.execute(insert(tables.account), [{"key": key, **account} for key in missing])
    made = account_numbers(connection, missing)
    places = [(number, place) for number in made.values() for place in range(1, folders + 1)]
    rows = [_new(number, place, *STANDARD[place - 1], uidvalidity + place, 1) for number, place in places]
    connection.execute(insert(tables.mailbox), rows)
    history.note_made(connection, places)
    wanted = {(number, name) for number in made.values() for name, _ in STANDARD}
    # Of an account whose row alone was lost they are there.
    there = select(_s.account_id, _s.name).where(_s.account_id.in_(list(made.values())))
    wanted -= {(row.account_id, row.name) for row in connection.execute(there)}
    if wanted:
        rows = [{"account_id": number, "name": name} for number, name in sorted(wanted)]
        connection.execute(insert(tables.subscription), rows)
    return known | made


def _new(
    account: int, number: int, name: str, use: SpecialUse | None, uidvalidity: int, modseq: int
) -> dict[str, object]:
    """The row of an empty mailbox."""
    return {
        "account_id": account,
        "id": number,
        "name": name,
        "uidvalidity": uidvalidity,
        "uidnext": 1,
        "modseq": modseq,
        "messages": 0,
        "unseen": 0,
        "deleted": 0,
        "size": 0,
        "first_recent": 1,
        "special_use": use.value if use else None,
        "folder": names.folder(name),
    }


def every(connection: Connection, account: int) -> list[Mailbox]:
    """All mailboxes by name, but for the one of held mail."""
    # Sorted here: each database has its own order of names.
    return sorted((_mailbox(row) for row in connection.execute(_SHOWN, {"account": account})), key=attrgetter("name"))


def by_name(connection: Connection, account: int, name: str) -> Mailbox | None:
    """A mailbox by its canonical name."""
    row = _BY_NAME.first(connection, {"account": account, "name": name})
    return None if row is None else _mailbox(row)


def held(connection: Connection, account: int) -> int | None:
    """Number of the mailbox of held mail; None while nothing was ever held."""
    return connection.scalar(select(_b.id).where(_b.account_id == account, _b.name == names.HELD))


def by_number(connection: Connection, account: int, mailbox: int) -> Mailbox:
    """A mailbox by number. Raises NoSuchMailbox."""
    row = _BY_ID.first(connection, {"account": account, "mailbox": mailbox})
    if row is None:
        raise NoSuchMailbox("the mailbox is gone")
    return _mailbox(row)


def folders(connection: Connection, account: int) -> dict[int, tuple[str, str, str | None]]:
    """Name, folder and special use of each mailbox by number."""
    query = select(_b.id, _b.name, _b.folder, _b.special_use).where(_b.account_id == account)
    return {row.id: (row.name, row.folder, row.special_use) for row in connection.execute(query)}


def folder_names(connection: Connection, account: int) -> set[str]:
    """All folders that an account's mailboxes have on disk, those of unfinished renames too."""
    rows = connection.execute(select(_b.folder, _b.folder_was).where(_b.account_id == account))
    return {folder for row in rows for folder in row if folder is not None}


def folder_of(connection: Connection, account: int, mailbox: int) -> tuple[str, str | None]:
    """Folder of a mailbox, and its name before an unfinished rename. Raises NoSuchMailbox."""
    row = _FOLDER_OF.first(connection, {"account": account, "mailbox": mailbox})
    if row is None:
        raise NoSuchMailbox("the mailbox is gone")
    return row[0], row[1]


def modseq_of(connection: Connection, account: int, mailbox: int) -> int:
    """Mod-sequence of a mailbox. Raises NoSuchMailbox."""
    row = _MODSEQ_OF.first(connection, {"account": account, "mailbox": mailbox})
    if row is None:
        raise NoSuchMailbox("the mailbox is gone")
    return int(row[0])


def after(connection: Connection, place: tuple[int, int], limit: int) -> list[tuple[int, int, Place]]:
    """The next mailboxes by (account, number) after a place in that order, with where their bodies are."""
    query = (
        select(_b.account_id, _b.id, _b.folder, _a.key)
        .join(tables.account, _a.id == _b.account_id)
        .where(tuple_(_b.account_id, _b.id) > place)
        .order_by(_b.account_id, _b.id)
        .limit(limit)
    )
    return [(row.account_id, row.id, Place(row.key, row.folder)) for row in connection.execute(query)]


def create(connection: Connection, account: int, name: str, use: SpecialUse | None) -> int:
    """Insert a mailbox row; returns its number. UIDVALIDITY is the time, and always above every earlier one."""
    row = connection.execute(
        select(_a.next_mailbox, _a.last_uidvalidity, _a.modseq).where(_a.id == account).with_for_update()
    ).first()
    if row is None:
        raise NoSuchAccount(f"no account number {account}")
    uidvalidity = max(int(time.time()), row.last_uidvalidity + 1)
    connection.execute(
        update(tables.account)
        .where(_a.id == account)
        .values(next_mailbox=row.next_mailbox + 1, last_uidvalidity=uidvalidity)
    )
    new = _new(account, row.next_mailbox, name, use, uidvalidity, row.modseq)
    connection.execute(insert(tables.mailbox).values(**new))
    history.note_made(connection, [(account, row.next_mailbox)])
    return int(row.next_mailbox)


def begin_anew(connection: Connection, account: int) -> None:
    """Give all mailboxes of an account, whose rows were taken away, new UIDVALIDITYs.

    UIDs go on: what is kept of messages that went away names them by mailbox and UID.
    """
    row = connection.execute(select(_a.last_uidvalidity, _a.modseq).where(_a.id == account)).one()
    uidvalidity = max(int(time.time()), row.last_uidvalidity + 1)
    for number in sorted(connection.scalars(select(_b.id).where(_b.account_id == account))):
        fresh = {"uidvalidity": uidvalidity, "modseq": row.modseq + 1, "forgotten": row.modseq + 1}
        nothing = dict.fromkeys(("messages", "unseen", "deleted", "size"), 0)
        where = _b.account_id == account, _b.id == number
        connection.execute(update(tables.mailbox).where(*where).values(**fresh, **nothing, first_recent=_b.uidnext))
        uidvalidity += 1
    values = {"last_uidvalidity": uidvalidity, "modseq": row.modseq + 1}
    connection.execute(update(tables.account).where(_a.id == account).values(values))


def drop(connection: Connection, account: int, mailbox: int) -> None:
    """Delete a mailbox. What it held becomes ``removed`` rows, as if the bodies stood in its attic already."""
    m, r = tables.message.c, tables.removed.c
    history.note(connection, account, mailbox)
    rest = {"removed_at": int(time.time()), "shelved": True}
    messages = select(*(m[name] for name in REMOVED), *(literal(value) for value in rest.values()))
    connection.execute(
        insert(tables.removed).from_select(
            [*REMOVED, *rest], messages.where(m.account_id == account, m.mailbox_id == mailbox)
        )
    )
    connection.execute(
        update(tables.removed).where(r.account_id == account, r.mailbox_id == mailbox).values(shelved=True)
    )
    for table in (tables.message, tables.expunged, tables.acl, tables.annotation):
        connection.execute(delete(table).where(table.c.account_id == account, table.c.mailbox_id == mailbox))
    connection.execute(delete(tables.mailbox).where(_b.account_id == account, _b.id == mailbox))


def rename(connection: Connection, account: int, mailbox: int, folder: str, name: str) -> None:
    """Give a mailbox a new name; its folder on disk follows after the commit."""
    history.note(connection, account, mailbox)
    connection.execute(
        update(tables.mailbox)
        .where(_b.account_id == account, _b.id == mailbox)
        .values(name=name, folder=names.folder(name), folder_was=folder)
    )


def set_use(connection: Connection, account: int, mailbox: int, use: SpecialUse | None) -> None:
    """Replace the special use of a mailbox."""
    history.note(connection, account, mailbox)
    connection.execute(
        update(tables.mailbox)
        .where(_b.account_id == account, _b.id == mailbox)
        .values(special_use=use.value if use else None)
    )


def rename_done(connection: Connection, account: int, mailboxes: Sequence[int]) -> None:
    """The folders on disk have their new names."""
    connection.execute(
        update(tables.mailbox).where(_b.account_id == account, _b.id.in_(mailboxes)).values(folder_was=None)
    )


def subscribe(connection: Connection, account: int, name: str, on: bool) -> None:
    """Subscribe or unsubscribe a name; doing it twice is no error."""
    where = (_s.account_id == account, _s.name == name)
    there = connection.scalar(select(func.count()).select_from(tables.subscription).where(*where))
    if on and not there:
        connection.execute(insert(tables.subscription).values(account_id=account, name=name))
    elif not on and there:
        connection.execute(delete(tables.subscription).where(*where))


def subscriptions(connection: Connection, account: int) -> list[str]:
    """Subscribed names in order."""
    return sorted(connection.scalars(select(_s.name).where(_s.account_id == account)))


def quota(connection: Connection, account: int, default_bytes: int | None, default_messages: int | None) -> Quota:
    """Use and limits. Raises NoSuchAccount."""
    query = select(_a.used_bytes, _a.used_messages, _a.limit_bytes, _a.limit_messages).where(_a.id == account)
    row = connection.execute(query).first()
    if row is None:
        raise NoSuchAccount(f"no account number {account}")
    return Quota(
        row.used_bytes,
        row.used_messages,
        default_bytes if row.limit_bytes is None else row.limit_bytes or None,
        default_messages if row.limit_messages is None else row.limit_messages or None,
    )


def set_quota(connection: Connection, account: int, limit_bytes: int | None, limit_messages: int | None) -> None:
    """Limits of the account's own; None: the site's default, 0: none."""
    connection.execute(
        update(tables.account).where(_a.id == account).values(limit_bytes=limit_bytes, limit_messages=limit_messages)
    )
