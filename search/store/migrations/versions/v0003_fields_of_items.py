"""An index from an item to its values of a field, so that a query can ask which of its candidates are blue.

Revision ID: 0003
"""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_facets_item_field", "facets", ["item_id", "field", "value"])
    op.drop_index("ix_facets_item_id", "facets")
