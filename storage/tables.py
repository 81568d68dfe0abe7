"""Tables of mailboxes and messages. The account number comes first in every key, so that mail can be spread by account.

``message`` is the light row that flags and numbers live in; ``content`` holds what is the same for all copies of a
message in an account. Times are seconds since the epoch.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, String, Table, Text, false, text

from storage.database import metadata

# SQLite gives only INTEGER PRIMARY KEY columns a number by itself.
_Serial = BigInteger().with_variant(Integer, "sqlite")

account = Table(
    "store_account",
    metadata,
    Column("id", _Serial, primary_key=True, autoincrement=True),
    Column("key", String(255), nullable=False, unique=True),
    Column("modseq", BigInteger, nullable=False),
    Column("next_mailbox", Integer, nullable=False),
    Column("next_content", BigInteger, nullable=False),
    Column("last_uidvalidity", BigInteger, nullable=False),
    Column("used_bytes", BigInteger, nullable=False),
    Column("used_messages", BigInteger, nullable=False),
    # NULL: the site's default; 0: no limit.
    Column("limit_bytes", BigInteger),
    Column("limit_messages", BigInteger),
    # All contents up to this number were given to the text index.
    Column("texts_through", BigInteger, nullable=False, server_default="0"),
    # Nothing goes for good: see ``storage.retention``.
    Column("held", Boolean, nullable=False, server_default=false()),
    # Percent of the quota that the owner was told last: see ``storage.index.quotas``.
    Column("told_level", Integer, nullable=False, server_default="0"),
    # The shared quota that the account takes from beside its own, a name of ``pool``.
    Column("pool", String(256)),
    # Few accounts are in it: those that have something to be indexed.
    Index(
        "ix_store_account_behind",
        "id",
        sqlite_where=text("next_content > texts_through + 1"),
        postgresql_where=text("next_content > texts_through + 1"),
    ),
    Index(
        "ix_store_account_pool",
        "pool",
        sqlite_where=text("pool IS NOT NULL"),
        postgresql_where=text("pool IS NOT NULL"),
    ),
)

# Quotas that several accounts share; a limit of 0 is none.
pool = Table(
    "pool",
    metadata,
    Column("name", String(256), primary_key=True),
    Column("limit_bytes", BigInteger, nullable=False),
    Column("limit_messages", BigInteger, nullable=False),
    # Percent that its owners were told last: see ``storage.index.quotas``.
    Column("told_level", Integer, nullable=False, server_default="0"),
)

mailbox = Table(
    "mailbox",
    metadata,
    Column("account_id", BigInteger, primary_key=True),
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("uidvalidity", BigInteger, nullable=False),
    Column("uidnext", BigInteger, nullable=False),
    Column("modseq", BigInteger, nullable=False),
    Column("messages", Integer, nullable=False),
    Column("unseen", Integer, nullable=False),
    Column("deleted", Integer, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("first_recent", BigInteger, nullable=False),
    # Mod-sequence up to which it was forgotten which UIDs are gone.
    Column("forgotten", BigInteger, nullable=False, server_default="0"),
    Column("special_use", String(16)),
    Column("folder", String(255), nullable=False),
    # The folder's name before a rename, until the rename on disk is done.
    Column("folder_was", String(255)),
    # How many days messages stay; 0: until they are deleted; NULL: as the site has it for the mailbox's use.
    Column("keep_days", Integer),
    Index("uq_mailbox_name", "account_id", "name", unique=True),
    # Few mailboxes have a rule.
    Index(
        "ix_mailbox_keep_days",
        "account_id",
        sqlite_where=text("keep_days > 0"),
        postgresql_where=text("keep_days > 0"),
    ),
)

#: Who may do what in a mailbox (RFC 4314). ``identifier`` is one of ``storage.model.Grant``.
acl = Table(
    "acl",
    metadata,
    Column("account_id", BigInteger, primary_key=True),
    Column("mailbox_id", Integer, primary_key=True),
    Column("identifier", String(300), primary_key=True),
    Column("rights", String(32), nullable=False),
    # What others share with somebody.
    Index("ix_acl_identifier", "identifier", "account_id"),
)

#: What is noted of mailboxes (RFC 5464). Mailbox 0 is the account's server; account ``storage.model.SERVER``
#: is everybody's.
annotation = Table(
    "annotation",
    metadata,
    Column("account_id", BigInteger, primary_key=True),
    Column("mailbox_id", Integer, primary_key=True),
    # 0: shared. Else the account whose private entry it is.
    Column("reader_id", BigInteger, primary_key=True),
    Column("entry", String(256), primary_key=True),
    # NULL: it went away, which is remembered for sessions that are to be told.
    Column("value", LargeBinary),
    Column("modseq", BigInteger, nullable=False),
    Index("ix_annotation_modseq", "account_id", "modseq"),
    # What an account has noted anywhere.
    Index("ix_annotation_reader", "reader_id", "account_id"),
)

subscription = Table(
    "subscription",
    metadata,
    Column("account_id", BigInteger, primary_key=True),
    Column("name", Text, primary_key=True),
)

message = Table(
    "message",
    metadata,
    Column("account_id", BigInteger, primary_key=True),
    Column("mailbox_id", Integer, primary_key=True),
    Column("uid", BigInteger, primary_key=True),
    Column("modseq", BigInteger, nullable=False),
    Column("system", Integer, nullable=False),
    Column("keywords", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("internal_date", BigInteger, nullable=False),
    Column("zone", Integer, nullable=False),
    Column("content_id", BigInteger, nullable=False),
    Column("blob", String(128), nullable=False),
    Column("saved_at", BigInteger, nullable=False),
    Index("ix_message_modseq", "account_id", "mailbox_id", "modseq"),
    Index("ix_message_content", "account_id", "content_id"),
    # Clustered by mailbox and UID: a mailbox is read in one run.
    sqlite_with_rowid=False,
)

content = Table(
    "content",
    metadata,
    Column("account_id", BigInteger, primary_key=True),
    Column("id", BigInteger, primary_key=True),
    Column("digest", LargeBinary(32), nullable=False),
    Column("envelope", LargeBinary, nullable=False),
    Column("bodystructure", LargeBinary, nullable=False),
    Column("fields", LargeBinary, nullable=False),
    Column("parts", LargeBinary, nullable=False),
    Column("subject", Text, nullable=False),
    Column("base_subject", Text, nullable=False),
    Column("from_", Text, nullable=False),
    Column("to", Text, nullable=False),
    Column("cc", Text, nullable=False),
    Column("bcc", Text, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("references", Text, nullable=False),
    Column("sent_at", BigInteger),
    Column("sent_day", Integer),
    Column("has_attachment", Boolean, nullable=False),
    # The first words (RFC 8970); NULL for mail that was there before the column.
    Column("preview", Text),
)

#: UIDs that are gone, for those who ask what happened since a mod-sequence.
expunged = Table(
    "expunged",
    metadata,
    Column("account_id", BigInteger, primary_key=True),
    Column("mailbox_id", Integer, primary_key=True),
    Column("uid", BigInteger, primary_key=True),
    Column("modseq", BigInteger, nullable=False),
    Index("ix_expunged_modseq", "account_id", "mailbox_id", "modseq"),
    sqlite_with_rowid=False,
)

#: Messages that went away, until ``store.keep_history`` is over: what a restore needs of them. Their bodies stay in the
#: mailbox's folder for ``store.keep_removed``, then stand in the attic of ``storage.names.attic``.
removed = Table(
    "removed",
    metadata,
    Column("id", _Serial, primary_key=True, autoincrement=True),
    Column("account_id", BigInteger, nullable=False),
    Column("mailbox_id", Integer, nullable=False),
    Column("content_id", BigInteger, nullable=False),
    Column("blob", String(128), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("system", Integer, nullable=False),
    Column("removed_at", BigInteger, nullable=False),
    # What follows is NULL of messages that went away under a release that did not keep them.
    Column("uid", BigInteger),
    Column("keywords", Text),
    Column("internal_date", BigInteger),
    Column("zone", Integer),
    Column("saved_at", BigInteger),
    # The body stands in the attic.
    Column("shelved", Boolean, nullable=False, server_default=false()),
    Index("ix_removed_shelved", "shelved", "removed_at"),
    Index("ix_removed_account", "account_id", "content_id"),
)

#: Messages, by ranges of UIDs, whose files are to get other names: their flags changed, or they went away.
#: See ``storage.naming``.
names_due = Table(
    "names_due",
    metadata,
    Column("id", _Serial, primary_key=True, autoincrement=True),
    Column("account_id", BigInteger, nullable=False),
    Column("mailbox_id", Integer, nullable=False),
    Column("low", BigInteger, nullable=False),
    Column("high", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
)

#: The journal of messages that were taken back out of all mailboxes: who asked for what, when and why.
recall = Table(
    "recall",
    metadata,
    Column("id", _Serial, primary_key=True, autoincrement=True),
    Column("asked", Text, nullable=False),
    Column("by", String(255), nullable=False),
    Column("reason", Text, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    # NULL while it goes on.
    Column("finished_at", BigInteger),
    Column("undone_at", BigInteger),
    Column("undone_by", String(255), nullable=False, server_default=""),
)

#: The copies that a recall took: each has a ``removed`` row as long as it can come back.
recalled = Table(
    "recalled",
    metadata,
    Column("recall_id", BigInteger, primary_key=True, autoincrement=False),
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("mailbox_id", Integer, primary_key=True, autoincrement=False),
    Column("uid", BigInteger, primary_key=True, autoincrement=False),
    # What a restore must leave where it is.
    Index("ix_recalled_account", "account_id", "mailbox_id", "uid"),
)

#: Flags that messages had before they were changed.
flags_before = Table(
    "flags_before",
    metadata,
    Column("id", _Serial, primary_key=True, autoincrement=True),
    Column("account_id", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("mailbox_id", Integer, nullable=False),
    Column("uid", BigInteger, nullable=False),
    Column("system", Integer, nullable=False),
    Column("keywords", Text, nullable=False),
    Index("ix_flags_before_account", "account_id", "at"),
)

#: What mailboxes were before they were changed: see ``storage.index.history``.
mailbox_before = Table(
    "mailbox_before",
    metadata,
    Column("id", _Serial, primary_key=True, autoincrement=True),
    Column("account_id", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("mailbox_id", Integer, nullable=False),
    # NULL: it was not there.
    Column("name", Text),
    Column("special_use", String(16)),
    # The access control list as JSON.
    Column("grants", Text, nullable=False),
    Index("ix_mailbox_before_account", "account_id", "at"),
)

#: What people did with their messages that tells what they think of them: read by learning.
event = Table(
    "event",
    metadata,
    Column("id", _Serial, primary_key=True, autoincrement=True),
    Column("account_id", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("source_use", String(16)),
    Column("target_use", String(16)),
    Column("mailbox_id", Integer, nullable=False),
    Column("uid", BigInteger, nullable=False),
    Column("content_id", BigInteger, nullable=False),
    Column("blob", String(128), nullable=False),
)

#: What became of messages that were held back, for those who ask again: see ``storage.held``.
held_outcome = Table(
    "held_outcome",
    metadata,
    Column("account_id", BigInteger, primary_key=True),
    Column("uidvalidity", BigInteger, primary_key=True),
    Column("uid", BigInteger, primary_key=True),
    Column("outcome", String(16), nullable=False),
    Column("at", BigInteger, nullable=False),
)

#: Up to which held message (by the UIDVALIDITY of their mailbox) somebody was told of them.
held_told = Table(
    "held_told",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("uidvalidity", BigInteger, nullable=False),
    Column("uid", BigInteger, nullable=False),
)

#: How far a reader of the events has come.
event_cursor = Table(
    "event_cursor",
    metadata,
    Column("reader", String(64), primary_key=True),
    Column("event_id", BigInteger, nullable=False),
)
