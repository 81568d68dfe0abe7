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

#: One row a model: how many messages it learnt, and a number that rises with every change.
models = Table(
    "spam_models",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("ham", Integer, nullable=False),
    Column("spam", Integer, nullable=False),
    Column("revision", BigInteger, nullable=False),
)

#: What lessons taught of a feature, known by its number only: messages of each kind that held it, when it is a token,
#: and what was added to its weight, in units of the linear learner; ``revision`` is the model's at the last change.
features = Table(
    "spam_features",
    metadata,
    Column("feature", Integer, primary_key=True, autoincrement=False),
    Column("ham", Integer, nullable=False),
    Column("spam", Integer, nullable=False),
    Column("weight", Integer, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Index("spam_features_revision", "revision"),
)

#: Who taught what: once per message and person, and the way back. ``account`` is "" for the operator.
#: ``tokenizer`` is the version of the features, ``step`` how far the linear learner moved, ``symbols`` the rules that
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
    Column("symbols", Text, nullable=False, server_default=""),
    Index("spam_learnt_account_time", "account", "learnt_at"),
)

#: The record of a verdict, by the envelope's id, which stands in our Received field. No text of the message is in it
#: but what rules saw (a host, a phrase, a file name).
verdicts = Table(
    "spam_verdicts",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("judged_at", Float, nullable=False),
    Column("record", Text, nullable=False),
    Index("spam_verdicts_judged_at", "judged_at"),
)

#: To whom somebody here has written: those who answer are no strangers. Addresses in lower case.
correspondents = Table(
    "spam_correspondents",
    metadata,
    Column("account", String(255), primary_key=True),
    Column("address", String(320), primary_key=True),
    Column("last_at", Float, nullable=False),
    Index("spam_correspondents_last_at", "last_at"),
)

#: Addresses and domains ("@exemple.org") that somebody always wants or never; ``account`` is "" for the site.
wishes = Table(
    "spam_wishes",
    metadata,
    Column("account", String(255), primary_key=True),
    Column("sender", String(320), primary_key=True),
    Column("wanted", Boolean, nullable=False),
)
