"""Where items come from and when they changed; skus found however their letters and blanks are encoded.

Revision ID: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from vitrina.search.types.filters import facet_value
from vitrina.search.types.identifiers import folded

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")

EARLIER = "an earlier version"
"""The source of the items that are there: which it was, no earlier version noted."""


def upgrade() -> None:
    sources = op.create_table(
        "sources",
        sa.Column("id", KEY, primary_key=True, autoincrement=True),
        sa.Column("name", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False, unique=True),
        sqlite_autoincrement=True,
    )
    op.add_column("items", sa.Column("source_id", KEY))
    op.add_column("items", sa.Column("changed_at", sa.Float))
    op.create_index("ix_items_source_id", "items", ["source_id"])
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        return  # no such database is older than this version
    if connection.scalar(sa.text("SELECT EXISTS (SELECT 1 FROM items)")):
        connection.execute(sources.insert(), [{"id": 1, "name": EARLIER}])
        connection.execute(sa.text("UPDATE items SET source_id = 1"))
    fold_again(connection)


def fold_again(connection: sa.Connection) -> None:
    """Fold the skus and the values of facets that have letters beyond ASCII, and skus with several blanks in a row."""
    unusual = "LIKE '%  %'", "GLOB '*[^ -~]*'"
    for condition in unusual:
        for item_id, sku in connection.execute(sa.text(f"SELECT id, sku FROM items WHERE sku {condition}")).all():
            parameters = {"folded": folded(sku), "id": item_id}
            connection.execute(sa.text("UPDATE items SET folded_sku = :folded WHERE id = :id"), parameters)
    held = connection.execute(sa.text(f"SELECT DISTINCT value FROM facets WHERE value {unusual[1]}")).scalars().all()
    for value in held:
        if facet_value(value) != value:
            parameters = {"now": facet_value(value), "before": value}
            connection.execute(sa.text("UPDATE facets SET value = :now WHERE value = :before"), parameters)
