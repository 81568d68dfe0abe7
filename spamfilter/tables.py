"""The classifier's tables."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
)

from storage.database import metadata

# INTEGER PRIMARY KEY is the row itself in SQLite: no second tree to keep.
_RowNumber = BigInteger().with_variant(Integer, "sqlite")

#: One row a model: how many messages it learnt, and a number that rises with every change.
models = Table(
    "spam_models",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("ham", Integer, nullable=False),
    Column("spam", Integer, nullable=False),
    Column("revision", BigInteger, nullable=False),
)

#: Messages of each kind that held a token, known by its 64-bit hash only; ``revision`` is the model's at the last
#: change.
tokens = Table(
    "spam_tokens",
    metadata,
    Column("token", _RowNumber, primary_key=True, autoincrement=False),
    Column("ham", Integer, nullable=False),
    Column("spam", Integer, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Index("spam_tokens_revision", "revision"),
)

#: What lessons added to the weights of the linear learner, in its units, beside the shipped prior.
weights = Table(
    "spam_weights",
    metadata,
    Column("feature", _RowNumber, primary_key=True, autoincrement=False),
    Column("weight", Integer, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Index("spam_weights_revision", "revision"),
)

#: Who taught what: once per message and person, and the way back. ``account`` is "" for the operator.
#: ``step`` is how far the linear learner moved, ``features`` the version of its features, ``symbols`` the rules that
#: hit then: all that is needed to move back.
learnt = Table(
    "spam_learnt",
    metadata,
    Column("account", String(255), primary_key=True),
    Column("digest", LargeBinary(16), primary_key=True),
    Column("spam", Boolean, nullable=False),
    Column("tokenizer", SmallInteger, nullable=False),
    Column("learnt_at", Float, nullable=False),
    Column("step", Integer, nullable=False, server_default="0"),
    Column("features", SmallInteger, nullable=False, server_default="0"),
    Column("symbols", Text, nullable=False, server_default=""),
    Index("spam_learnt_account_time", "account", "learnt_at"),
)
