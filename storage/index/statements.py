"""The statements by which a ledger reads and writes, made ready once."""

from __future__ import annotations

from sqlalchemy import BigInteger, bindparam, delete, insert, select, update

from storage import tables
from storage.prepared import Prepared

_a, _b = tables.account.c, tables.mailbox.c
ACCOUNT = Prepared(
    select(
        *(_a.key, _a.modseq, _a.next_content, _a.used_bytes, _a.used_messages, _a.limit_bytes, _a.limit_messages),
        _a.pool,
    )
    .where(_a.id == bindparam("account"))
    .with_for_update()
)
#: In the order of ``MailboxState``.
MAILBOX = Prepared(
    select(
        *(_b.id, _b.name, _b.uidvalidity, _b.uidnext, _b.modseq, _b.messages, _b.unseen, _b.deleted, _b.size),
        *(_b.first_recent, _b.special_use, _b.folder),
    ).where(_b.account_id == bindparam("account"), _b.id == bindparam("mailbox"))
)
SAVE_ACCOUNT = Prepared(
    update(tables.account)
    .where(_a.id == bindparam("_account"))
    .values({c: bindparam(c) for c in ("modseq", "next_content", "used_bytes", "used_messages")})
)
SAVE_MAILBOX = Prepared(
    update(tables.mailbox)
    .where(_b.account_id == bindparam("_account"), _b.id == bindparam("_mailbox"))
    .values({c: bindparam(c) for c in ("uidnext", "modseq", "messages", "unseen", "deleted", "size", "first_recent")})
)
INSERT_MESSAGE = Prepared(insert(tables.message), tables.message.c.keys())
INSERT_CONTENT = Prepared(insert(tables.content), tables.content.c.keys())
INSERT_REMOVED = Prepared(insert(tables.removed), (*tables.removed.c.keys()[1:],))
_MESSAGES = (
    tables.message.c.account_id == bindparam("_account"),
    tables.message.c.mailbox_id == bindparam("_mailbox"),
    tables.message.c.uid.between(bindparam("_low"), bindparam("_high")),
)
_m = tables.message.c
#: Columns of a message that are kept when it went away.
REMOVED = (
    *("account_id", "mailbox_id", "uid", "content_id", "blob", "size", "system", "keywords"),
    *("internal_date", "zone", "saved_at"),
)
#: What is left of messages that go away: their UIDs for those who ask later, the rest for a restore.
NOTE_EXPUNGED = Prepared(
    insert(tables.expunged).from_select(
        ["account_id", "mailbox_id", "uid", "modseq"],
        select(_m.account_id, _m.mailbox_id, _m.uid, bindparam("modseq", type_=BigInteger)).where(*_MESSAGES),
    )
)
NOTE_REMOVED = Prepared(
    insert(tables.removed).from_select(
        [*REMOVED, "removed_at"],
        select(*(_m[name] for name in REMOVED), bindparam("removed_at", type_=BigInteger))
        .where(*_MESSAGES)
        .order_by(_m.uid),
    )
)
#: What flags were, for those who want them back.
NOTE_FLAGS = Prepared(
    insert(tables.flags_before).from_select(
        ["account_id", "mailbox_id", "uid", "system", "keywords", "at"],
        select(
            *(_m.account_id, _m.mailbox_id, _m.uid, _m.system, _m.keywords), bindparam("at", type_=BigInteger)
        ).where(*_MESSAGES),
    )
)
NOTE_NAMES = Prepared(insert(tables.names_due), ("account_id", "mailbox_id", "low", "high", "at"))
DELETE_MESSAGES = Prepared(delete(tables.message).where(*_MESSAGES))
SAVE_FLAGS = Prepared(
    update(tables.message).where(*_MESSAGES).values({c: bindparam(c) for c in ("system", "keywords", "modseq")})
)
