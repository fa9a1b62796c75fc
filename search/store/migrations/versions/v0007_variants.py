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


INDEXES = (
    ("ix_facets_field_value", "field", "value", "item_id"),
    ("ix_facets_field_number", "field", "number", "item_id"),
)
"""What filters read from: with the variant beside the item, they need not read the rows."""


def upgrade() -> None:
    op.add_column("items", sa.Column("max_price_cents", sa.BigInteger))
    op.add_column("items", sa.Column("variants", sa.JSON))
    op.add_column("facets", sa.Column("variant", sa.Integer))
    for name, *columns in INDEXES:
        op.drop_index(name, "facets")
        only_numbers = sa.text("number IS NOT NULL") if "number" in columns else None
        op.create_index(
            name,
            "facets",
            [*columns, "variant"],
            sqlite_where=only_numbers,
            postgresql_where=only_numbers,
        )
    op.execute("UPDATE items SET max_price_cents = price_cents")
