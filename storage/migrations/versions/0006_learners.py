"""Two learners over the same numbered features, and what each lesson did to them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "spam_features",
        sa.Column("feature", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("ham", sa.Integer(), nullable=False),
        sa.Column("spam", sa.Integer(), nullable=False),
        sa.Column("weight", sa.Integer(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("feature", name=op.f("pk_spam_features")),
    )
    op.create_index("spam_features_revision", "spam_features", ["revision"])
    # What was counted by token can't be told by feature: the filter begins again, with what the package knows, and any
    # message may be taught again.
    op.drop_table("spam_tokens")
    op.execute("DELETE FROM spam_learnt")
    op.execute("DELETE FROM spam_models")
    op.add_column("spam_learnt", sa.Column("step", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("spam_learnt", sa.Column("symbols", sa.Text(), nullable=False, server_default=""))
