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
    # What tells mail of one making, as in ``spamfilter.sketch``; NULL for none.
    Column("sketch", LargeBinary),
    Column("files", LargeBinary),
    # Of its Message-ID, as ``spamfilter.record.message_key`` has it; and the keys of the accounts that it is for.
    Column("message_key", BigInteger),
    Column("accounts", Text),
    Index("spam_verdicts_judged_at", "judged_at"),
    Index("spam_verdicts_message_key", "message_key"),
)

#: Mail that somebody reported, as ``spamfilter.campaigns`` knows it again. ``voices`` is how many people say that it is
#: spam, less those who say that it is not; ``revision`` rises with every change of any campaign.
campaigns = Table(
    "spam_campaigns",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("sketch", LargeBinary, nullable=False),
    Column("files", LargeBinary, nullable=False),
    Column("subject", String(200), nullable=False),
    Column("author", String(320), nullable=False),
    Column("reported_at", Float, nullable=False),
    Column("last_at", Float, nullable=False),
    Column("voices", Integer, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Index("spam_campaigns_last_at", "last_at"),
)

#: Who said what of a campaign: one voice a person. ``digest`` is of the message, as in ``spam_learnt``.
campaign_voices = Table(
    "spam_campaign_voices",
    metadata,
    Column("campaign", BigInteger, primary_key=True, autoincrement=False),
    Column("account", String(255), primary_key=True),
    Column("digest", LargeBinary(16), nullable=False),
    Column("spam", Boolean, nullable=False),
    Index("spam_campaign_voices_digest", "account", "digest"),
)

#: What came from a sender (``spamfilter.reputation``), at ``at``; ``account`` is "" for the site.
reputations = Table(
    "spam_reputations",
    metadata,
    Column("sender", String(340), primary_key=True),
    Column("account", String(255), primary_key=True),
    Column("good", Float, nullable=False),
    Column("bad", Float, nullable=False),
    Column("at", Float, nullable=False),
    Index("spam_reputations_at", "at"),
)

#: How far a reader of the verdicts has come.
cursors = Table(
    "spam_cursors",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("at", Float, nullable=False),
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
