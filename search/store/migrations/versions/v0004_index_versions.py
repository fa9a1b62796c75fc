"""Spaces are called index versions, and how far each is filled its watermark.

Revision ID: 0004
"""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.rename_table("spaces", "index_versions")
    op.alter_column("index_versions", "live", new_column_name="active")
    op.alter_column("index_versions", "filled_to", new_column_name="watermark")
    op.alter_column("embeddings", "space_id", new_column_name="version_id")
    op.drop_index("ix_embeddings_space_sequence", "embeddings")
    op.create_index("ix_embeddings_version_sequence", "embeddings", ["version_id", "sequence"])
