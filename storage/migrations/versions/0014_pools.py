"""Quotas that groups of accounts share."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pool",
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("limit_bytes", sa.BigInteger(), nullable=False),
        sa.Column("limit_messages", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_pool")),
    )
    op.add_column("store_account", sa.Column("pool", sa.String(length=256), nullable=True))
    some = sa.text("pool IS NOT NULL")
    op.create_index("ix_store_account_pool", "store_account", ["pool"], sqlite_where=some, postgresql_where=some)


def downgrade() -> None:
    raise RuntimeError("limits of groups would be forgotten")
