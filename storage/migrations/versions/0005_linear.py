"""The linear learner: its weights, and what each lesson did to them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "spam_weights",
        sa.Column("feature", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("weight", sa.Integer(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("feature", name=op.f("pk_spam_weights")),
    )
    op.create_index("spam_weights_revision", "spam_weights", ["revision"])
    # Lessons of before moved no weights: a step of 0 takes nothing back.
    op.add_column("spam_learnt", sa.Column("step", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("spam_learnt", sa.Column("features", sa.SmallInteger(), nullable=False, server_default="0"))
    op.add_column("spam_learnt", sa.Column("symbols", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    for name in ("symbols", "features", "step"):
        op.drop_column("spam_learnt", name)
    op.drop_index("spam_weights_revision", "spam_weights")
    op.drop_table("spam_weights")
