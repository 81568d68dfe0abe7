"""Tables of the embedded directory and of the sign-in log.

An address is either an account's (``account`` is set) or an alias (``account`` is NULL, its targets are in
``directory_target``), so that one primary key keeps all addresses apart. Columns named ``*_key`` hold the form in which
names are compared (``directory.names``), the plain ones what was typed. Times are seconds since the epoch.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, ForeignKey, Index, Integer, String, Table, Text

from storage.database import metadata

_Serial = BigInteger().with_variant(Integer, "sqlite")

account = Table(
    "directory_account",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("login", String(256), nullable=False),
    Column("login_key", String(256), nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("role", String(32), nullable=False),
    Column("school", String(32)),
    Column("enabled", Boolean, nullable=False),
    # NULL: nobody can sign in.
    Column("password_hash", Text),
    # The one before: a phone that still has it is told apart from a guesser.
    Column("former_hash", Text),
    Column("password_changed_at", Float),
    Column("quota_bytes", BigInteger),
    # Rises with every change after which signed-in sessions must end.
    Column("epoch", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
)

address = Table(
    "directory_address",
    metadata,
    Column("address_key", String(256), primary_key=True),
    Column("address", String(256), nullable=False),
    Column("account", String(64), ForeignKey(account.c.key, ondelete="CASCADE"), index=True),
    # 0 is the primary address.
    Column("position", Integer, nullable=False),
)

group = Table(
    "directory_group",
    metadata,
    Column("name_key", String(256), primary_key=True),
    Column("name", String(256), nullable=False),
)

member = Table(
    "directory_member",
    metadata,
    Column("group", String(256), ForeignKey(group.c.name_key, ondelete="CASCADE"), primary_key=True),
    Column("account", String(64), ForeignKey(account.c.key, ondelete="CASCADE"), primary_key=True, index=True),
)

#: Where an alias leads: exactly one of account, group and elsewhere (an address, ours or not) is set.
target = Table(
    "directory_target",
    metadata,
    Column("address_key", String(256), ForeignKey(address.c.address_key, ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("account", String(64), ForeignKey(account.c.key, ondelete="CASCADE"), index=True),
    Column("group", String(256), ForeignKey(group.c.name_key, ondelete="CASCADE"), index=True),
    Column("elsewhere", String(256)),
)

#: One row: rises with every change that can alter where an address leads.
version = Table("directory_version", metadata, Column("version", BigInteger, primary_key=True))

#: Refused sign-ins. ``subject`` is an account key, or a digest of a login that nobody has.
failure = Table(
    "sign_in_failure",
    metadata,
    Column("id", _Serial, primary_key=True, autoincrement=True),
    Column("subject", String(64), nullable=False),
    Column("network", String(64), nullable=False),
    Column("at", Float, nullable=False),
    Column("service", String(16), nullable=False),
    # False for refusals while locked: they count for the network's brake only.
    Column("counted", Boolean, nullable=False),
    Index("ix_sign_in_failure_subject_at", "subject", "at"),
    Index("ix_sign_in_failure_network_at", "network", "at"),
    Index("ix_sign_in_failure_at", "at"),
)

#: ``scope`` is ``*`` (support: everybody), ``?`` (networks that are strange to the account) or one known network.
lock = Table(
    "sign_in_lock",
    metadata,
    Column("subject", String(64), primary_key=True),
    Column("scope", String(64), primary_key=True),
    Column("since", Float, nullable=False),
    # NULL: until support unlocks.
    Column("until", Float),
    Column("reason", Text, nullable=False),
)

#: Networks from which an account signed in with success.
origin = Table(
    "sign_in_origin",
    metadata,
    Column("account", String(64), primary_key=True),
    Column("network", String(64), primary_key=True),
    Column("last_success", Float, nullable=False),
)
