"""The tables. Migrations in ``migrations/versions`` create them; a test checks that the two agree."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    text,
)

metadata = MetaData()

Key = BigInteger().with_variant(Integer, "sqlite")
"""SQLite assigns keys by itself only if the column's type is INTEGER."""

clock = Table(
    "clock",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("catalog", String(32), nullable=False),
)
"""One row: the number of the last committed change, and a random name, so that no snapshot of another catalog fits.
Taking the next number locks the row, so commits follow it."""

index_versions = Table(
    "index_versions",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("encoder", String(512), nullable=False),
    Column("fingerprint", String(64), nullable=False, unique=True),
    Column("dimension", Integer, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("watermark", BigInteger, nullable=False, server_default=text("0")),
    sqlite_autoincrement=True,
)
"""One version for each encoder. Queries are answered from the active one, which every change is written to. Another
version holds the items whose sequence number is at most its ``watermark``. No ``id`` is used twice."""

items = Table(
    "items",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("sku", String(256), nullable=False, unique=True),
    Column("folded_sku", String(256), nullable=False, index=True),
    Column("folded_title", Text, nullable=False, index=True),
    Column("title", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("attributes", JSON, nullable=False),
    Column("price_cents", BigInteger),
    Column("currency", String(3)),
    Column("url", Text),
    Column("content_hash", String(64), nullable=False),
    Column("sequence", BigInteger, nullable=False, index=True),
    sqlite_autoincrement=True,
)
"""Products. No ``id`` is used twice, so a replica cannot mistake a new item for a deleted one."""

deletions = Table(
    "deletions",
    metadata,
    Column("item_id", BigInteger, primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, nullable=False, index=True),
)

IS_NUMBER = text("number IS NOT NULL")

facets = Table(
    "facets",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("item_id", Key, ForeignKey("items.id", ondelete="CASCADE"), nullable=False),
    Column("field", String(128), nullable=False),
    Column("value", Text, nullable=False),
    Column("number", Float),
    Index("ix_facets_item_field", "item_id", "field", "value"),
    Index("ix_facets_field_value", "field", "value", "item_id"),
    Index("ix_facets_field_number", "field", "number", "item_id", sqlite_where=IS_NUMBER, postgresql_where=IS_NUMBER),
)
"""Everything a filter can ask for, one value per row: case-folded text, and the number if it is one."""

images = Table(
    "images",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("item_id", Key, ForeignKey("items.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("position", Integer, nullable=False),
    Column("image_id", String(64), nullable=False),
)
"""An item's images in the shop's order; ``image_id`` is the image's content hash in the image store."""

embeddings = Table(
    "embeddings",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("version_id", Key, ForeignKey("index_versions.id"), nullable=False),
    Column("item_id", Key, ForeignKey("items.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("modality", String(8), nullable=False),
    Column("vector", LargeBinary, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Index("ix_embeddings_version_sequence", "version_id", "sequence"),
    sqlite_autoincrement=True,
)
"""Unit vectors as little-endian float32 bytes. ``modality`` is ``image`` or ``text``."""

FULL_TEXT = "item_words"
"""The FTS5 table over sku, title, attributes and description, which SQLAlchemy has no type for; its rowid is the
item's id."""
