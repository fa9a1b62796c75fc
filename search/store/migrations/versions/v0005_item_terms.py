"""The items' words for the lexical index, in place of the FTS5 table; they are filled in when the catalog is opened.

Revision ID: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.execute("DROP TABLE IF EXISTS item_words")
    op.create_table(
        "item_terms",
        sa.Column("item_id", KEY, sa.ForeignKey("items.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("terms", sa.Text, nullable=False),
    )
    settings = op.create_table(
        "text_settings",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("n_judged", sa.Integer, nullable=False),
        sa.Column("synonyms", sa.Text, nullable=False),
    )
    op.bulk_insert(settings, [{"id": 1, "language": "", "n_judged": 0, "synonyms": ""}])
