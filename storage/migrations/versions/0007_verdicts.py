"""Records of verdicts, correspondents, and wishes of people."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "spam_verdicts",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("judged_at", sa.Float(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_spam_verdicts")),
    )
    op.create_index("spam_verdicts_judged_at", "spam_verdicts", ["judged_at"])
    op.create_table(
        "spam_correspondents",
        sa.Column("account", sa.String(length=255), nullable=False),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("last_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("account", "address", name=op.f("pk_spam_correspondents")),
    )
    op.create_index("spam_correspondents_last_at", "spam_correspondents", ["last_at"])
    op.create_table(
        "spam_wishes",
        sa.Column("account", sa.String(length=255), nullable=False),
        sa.Column("sender", sa.String(length=320), nullable=False),
        sa.Column("wanted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("account", "sender", name=op.f("pk_spam_wishes")),
    )


def downgrade() -> None:
    raise RuntimeError("what people wished for would be forgotten")
