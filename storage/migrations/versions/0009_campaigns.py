"""Mail of one making is known again: what verdicts keep of it, and what people reported."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in (
        sa.Column("sketch", sa.LargeBinary(), nullable=True),
        sa.Column("files", sa.LargeBinary(), nullable=True),
        sa.Column("message_key", sa.BigInteger(), nullable=True),
        sa.Column("accounts", sa.Text(), nullable=True),
    ):
        op.add_column("spam_verdicts", column)
    op.create_index("spam_verdicts_message_key", "spam_verdicts", ["message_key"])
    serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "spam_campaigns",
        sa.Column("id", serial, autoincrement=True, nullable=False),
        sa.Column("sketch", sa.LargeBinary(), nullable=False),
        sa.Column("files", sa.LargeBinary(), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("author", sa.String(length=320), nullable=False),
        sa.Column("reported_at", sa.Float(), nullable=False),
        sa.Column("last_at", sa.Float(), nullable=False),
        sa.Column("voices", sa.Integer(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_spam_campaigns")),
    )
    op.create_index("spam_campaigns_last_at", "spam_campaigns", ["last_at"])
    op.create_table(
        "spam_campaign_voices",
        sa.Column("campaign", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("account", sa.String(length=255), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=16), nullable=False),
        sa.Column("spam", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("campaign", "account", name=op.f("pk_spam_campaign_voices")),
    )
    op.create_index("spam_campaign_voices_digest", "spam_campaign_voices", ["account", "digest"])
    op.create_table(
        "recall",
        sa.Column("id", serial, autoincrement=True, nullable=False),
        sa.Column("asked", sa.Text(), nullable=False),
        sa.Column("by", sa.String(length=255), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("undone_at", sa.BigInteger(), nullable=True),
        sa.Column("undone_by", sa.String(length=255), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recall")),
    )
    op.create_table(
        "recalled",
        sa.Column("recall_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("account_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("mailbox_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("uid", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("recall_id", "account_id", "mailbox_id", "uid", name=op.f("pk_recalled")),
    )
    op.create_index("ix_recalled_account", "recalled", ["account_id", "mailbox_id", "uid"])


def downgrade() -> None:
    raise RuntimeError("what people reported would be forgotten")
