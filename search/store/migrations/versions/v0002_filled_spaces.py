"""How far each embedding space is filled, so that filling one goes on where it was stopped.

Revision ID: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    filled_to = sa.Column("filled_to", sa.BigInteger, nullable=False, server_default=sa.text("0"))
    op.add_column("spaces", filled_to)
