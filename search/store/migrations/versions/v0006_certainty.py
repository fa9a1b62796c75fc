"""The codes that name an item exactly, and a way from an image to its items, so that queries by either are certain.

Revision ID: 0006
"""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

from vitrina.search.types.identifiers import identifiers
from vitrina.search.types.item import Item

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
CODE = sa.String(256).with_variant(sa.Text(collation="C"), "postgresql")
ROWS_PER_FETCH = 1_000


def upgrade() -> None:
    table = op.create_table(
        "identifiers",
        sa.Column("item_id", KEY, sa.ForeignKey("items.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
        sa.Column("value", CODE, primary_key=True),
        sa.Column("key", CODE, nullable=False),
        sa.Column("is_sku", sa.Boolean, nullable=False),
        sa.Index("ix_identifiers_key", "key", "item_id"),
    )
    fill(op.get_bind(), table)
    op.create_index("ix_images_image_id", "images", ["image_id"])


def fill(connection: sa.Connection, table: sa.Table) -> None:
    """Insert the identifiers of the items that an older version wrote."""
    last = 0
    page = sa.text("SELECT id, sku, attributes FROM items WHERE id > :last ORDER BY id LIMIT :limit")
    while rows := connection.execute(page, {"last": last, "limit": ROWS_PER_FETCH}).all():
        last = rows[-1].id
        found = [
            {"item_id": row.id, "value": code.value, "key": code.key, "is_sku": code.is_sku}
            for row in rows
            for code in identifiers(stored_item(row.sku, json.loads(row.attributes)))
        ]
        if found:
            connection.execute(table.insert(), found)


def stored_item(sku: str, attributes: dict[str, object]) -> Item:
    """The part of an item that holds codes; lists as the tuples that they were."""
    held = {name: tuple(value) if isinstance(value, list) else value for name, value in attributes.items()}
    return Item(sku, attributes=held)  # type: ignore[arg-type]  # checked when it was indexed
