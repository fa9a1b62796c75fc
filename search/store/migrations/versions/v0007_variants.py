"""Variants of items, the highest of their prices, and which of an item's facets only one variant has.

Revision ID: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("items", sa.Column("max_price_cents", sa.BigInteger))
    op.add_column("items", sa.Column("variants", sa.JSON))
    op.add_column("facets", sa.Column("variant", sa.Integer))
    op.execute("UPDATE items SET max_price_cents = price_cents")
