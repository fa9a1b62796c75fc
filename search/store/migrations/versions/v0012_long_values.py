"""Long values of facets are stored by their beginning and a digest, as they are asked for.

Revision ID: 0012
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from vitrina.search.types.filters import MAX_VALUE_CHARS, facet_value

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    connection = op.get_bind()
    long = sa.text("SELECT DISTINCT value FROM facets WHERE length(value) > :most")
    for value in connection.execute(long, {"most": MAX_VALUE_CHARS}).scalars().all():
        parameters = {"now": facet_value(value), "before": value}
        connection.execute(sa.text("UPDATE facets SET value = :now WHERE value = :before"), parameters)
