"""Two learners over the same numbered features, and what each lesson did to them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0009"


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
    # Tokens keep the low 21 bits of their number, and what was counted of them.
    op.execute(
        "INSERT INTO spam_features (feature, ham, spam, weight, revision) "
        "SELECT token & 2097151, sum(ham), sum(spam), 0, max(revision) FROM spam_tokens GROUP BY token & 2097151"
    )
    op.drop_table("spam_tokens")
    # Lessons of before moved no weights: a step of 0 takes nothing back.
    op.add_column("spam_learnt", sa.Column("step", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("spam_learnt", sa.Column("symbols", sa.Text(), nullable=False, server_default=""))
