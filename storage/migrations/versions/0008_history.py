"""What went away or was changed can be brought back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in (
        sa.Column("uid", sa.BigInteger(), nullable=True),
        sa.Column("keywords", sa.Text(), nullable=True),
        sa.Column("internal_date", sa.BigInteger(), nullable=True),
        sa.Column("zone", sa.Integer(), nullable=True),
        sa.Column("saved_at", sa.BigInteger(), nullable=True),
        sa.Column("shelved", sa.Boolean(), server_default=sa.false(), nullable=False),
    ):
        op.add_column("removed", column)
    op.drop_index("ix_removed_removed_at", "removed")
    op.create_index("ix_removed_shelved", "removed", ["shelved", "removed_at"], unique=False)
    op.create_index("ix_removed_account", "removed", ["account_id", "content_id"], unique=False)
    serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "flags_before",
        sa.Column("id", serial, autoincrement=True, nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.BigInteger(), nullable=False),
        sa.Column("system", sa.Integer(), nullable=False),
        sa.Column("keywords", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_flags_before")),
    )
    op.create_index("ix_flags_before_account", "flags_before", ["account_id", "at"], unique=False)
    op.create_table(
        "mailbox_before",
        sa.Column("id", serial, autoincrement=True, nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("special_use", sa.String(length=16), nullable=True),
        sa.Column("grants", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mailbox_before")),
    )
    op.create_index("ix_mailbox_before_account", "mailbox_before", ["account_id", "at"], unique=False)


def downgrade() -> None:
    raise RuntimeError("what people may want back would be forgotten")
