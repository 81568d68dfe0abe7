"""What the owners of a shared quota were told last."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("pool", sa.Column("told_level", sa.Integer(), server_default="0", nullable=False))


def downgrade() -> None:
    raise RuntimeError("people would be told again")
