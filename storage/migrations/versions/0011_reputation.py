"""What came from senders before."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "spam_reputations",
        sa.Column("sender", sa.String(length=340), nullable=False),
        sa.Column("account", sa.String(length=255), nullable=False),
        sa.Column("good", sa.Float(), nullable=False),
        sa.Column("bad", sa.Float(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("sender", "account", name=op.f("pk_spam_reputations")),
    )
    op.create_index("spam_reputations_at", "spam_reputations", ["at"])
    op.create_table(
        "spam_cursors",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_spam_cursors")),
    )


def downgrade() -> None:
    raise RuntimeError("what was learnt of senders would be forgotten")
