"""Annotations of mailboxes and of the server."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "annotation",
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("reader_id", sa.BigInteger(), nullable=False),
        sa.Column("entry", sa.String(length=256), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=True),
        sa.Column("modseq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "mailbox_id", "reader_id", "entry", name=op.f("pk_annotation")),
    )
    op.create_index("ix_annotation_modseq", "annotation", ["account_id", "modseq"], unique=False)
    op.create_index("ix_annotation_reader", "annotation", ["reader_id", "account_id"], unique=False)


def downgrade() -> None:
    raise RuntimeError("what people noted of their mailboxes would be forgotten")
