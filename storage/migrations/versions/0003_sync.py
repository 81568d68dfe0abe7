"""What synchronising clients ask for: how far removals are remembered, and the first words of a message."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("mailbox", sa.Column("forgotten", sa.BigInteger(), nullable=False, server_default="0"))
    # NULL for mail that was there before: made from the body when it is asked for.
    op.add_column("content", sa.Column("preview", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("content", "preview")
    op.drop_column("mailbox", "forgotten")
