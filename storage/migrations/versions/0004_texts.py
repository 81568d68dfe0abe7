"""How far the text index of an account has come."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("store_account", sa.Column("texts_through", sa.BigInteger(), nullable=False, server_default="0"))
    behind = sa.text("next_content > texts_through + 1")
    op.create_index("ix_store_account_behind", "store_account", ["id"], sqlite_where=behind, postgresql_where=behind)
