"""Access control lists of mailboxes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "acl",
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("identifier", sa.String(length=300), nullable=False),
        sa.Column("rights", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "mailbox_id", "identifier", name=op.f("pk_acl")),
    )
    op.create_index("ix_acl_identifier", "acl", ["identifier", "account_id"], unique=False)


def downgrade() -> None:
    raise RuntimeError("who shared what would be forgotten")
