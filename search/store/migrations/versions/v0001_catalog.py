"""The catalog: items, facets, images, embeddings, full text.

Revision ID: 0001
"""

from __future__ import annotations

import uuid

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

IS_NUMBER = sa.text("number IS NOT NULL")
KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def plain(n_chars: int | None = None) -> sa.types.TypeEngine[str]:
    return (sa.String(n_chars) if n_chars else sa.Text()).with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    create_bookkeeping()
    create_items()
    create_parts()
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE VIRTUAL TABLE item_words USING fts5("
            "sku, title, attributes, description, tokenize = 'porter unicode61 remove_diacritics 2')"
        )


def create_bookkeeping() -> None:
    clock = op.create_table(
        "clock",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("catalog", sa.String(32), nullable=False),
    )
    op.bulk_insert(clock, [{"id": 1, "sequence": 0, "catalog": uuid.uuid4().hex}])
    op.create_table(
        "spaces",
        sa.Column("id", KEY, primary_key=True, autoincrement=True),
        sa.Column("encoder", plain(512), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False, unique=True),
        sa.Column("dimension", sa.Integer, nullable=False),
        sa.Column("live", sa.Boolean, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "deletions",
        sa.Column("item_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("sequence", sa.BigInteger, nullable=False, index=True),
    )


def create_items() -> None:
    op.create_table(
        "items",
        sa.Column("id", KEY, primary_key=True, autoincrement=True),
        sa.Column("sku", plain(256), nullable=False, unique=True),
        sa.Column("folded_sku", plain(256), nullable=False),
        sa.Column("folded_title", plain(), nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("attributes", sa.JSON, nullable=False),
        sa.Column("price_cents", sa.BigInteger),
        sa.Column("currency", sa.String(3)),
        sa.Column("url", sa.Text),
        sa.Column("content_hash", sa.String(64), nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False, index=True),
        sa.Index("ix_items_folded_sku", "folded_sku", postgresql_using="hash"),
        sa.Index("ix_items_folded_title", "folded_title", postgresql_using="hash"),
        sqlite_autoincrement=True,
    )


def create_parts() -> None:
    op.create_table(
        "facets",
        sa.Column("id", KEY, primary_key=True, autoincrement=True),
        item_reference(),
        sa.Column("field", plain(128), nullable=False),
        sa.Column("value", plain(), nullable=False),
        sa.Column("number", sa.Float),
        sa.Index("ix_facets_field_value", "field", "value", "item_id"),
        sa.Index(
            "ix_facets_field_number", "field", "number", "item_id", sqlite_where=IS_NUMBER, postgresql_where=IS_NUMBER
        ),
    )
    op.create_table(
        "images",
        sa.Column("id", KEY, primary_key=True, autoincrement=True),
        item_reference(),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("image_id", sa.String(64), nullable=False),
    )
    op.create_table(
        "embeddings",
        sa.Column("id", KEY, primary_key=True, autoincrement=True),
        sa.Column("space_id", KEY, sa.ForeignKey("spaces.id"), nullable=False),
        item_reference(),
        sa.Column("modality", sa.String(8), nullable=False),
        sa.Column("vector", sa.LargeBinary, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Index("ix_embeddings_space_sequence", "space_id", "sequence"),
        sqlite_autoincrement=True,
    )


def item_reference() -> sa.Column[int]:
    return sa.Column("item_id", KEY, sa.ForeignKey("items.id", ondelete="CASCADE"), nullable=False, index=True)
