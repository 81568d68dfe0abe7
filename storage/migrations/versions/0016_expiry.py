"""How long messages stay in a mailbox that has a rule of its own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("mailbox", sa.Column("keep_days", sa.Integer(), nullable=True))
    ruled = sa.text("keep_days > 0")
    op.create_index("ix_mailbox_keep_days", "mailbox", ["account_id"], sqlite_where=ruled, postgresql_where=ruled)


def downgrade() -> None:
    raise RuntimeError("rules of mailboxes would be forgotten")
