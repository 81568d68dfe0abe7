"""Tables of what people report. Times are seconds since the epoch, accounts are keys."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, Index, Integer, LargeBinary, String, Table, Text

from storage.database import metadata

#: What was reported: once for each person and message. ``digest`` is the SHA-256 of the message as it was stored (or
#: attached), the same as in ``content``; ``kind`` is "phishing" or "ham", ``via`` "mail" or "keyword".
report = Table(
    "report",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("account", String(255), nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("via", String(16), nullable=False),
    Column("at", Double, nullable=False),
    Column("author", Text, nullable=False),
    Column("subject", Text, nullable=False),
    # When the hotline was told; NULL: not yet.
    Column("told_at", Double),
    Index("uq_report_account_digest", "account", "digest", unique=True),
    Index("ix_report_at", "at"),
)

#: Mail to a report address that waits to be unpacked, by its envelope's id; written with the mail itself.
report_mail = Table(
    "report_mail",
    metadata,
    Column("envelope", String(64), primary_key=True),
    Column("account", String(255), nullable=False),
    Column("address", Text, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("at", Double, nullable=False),
)
