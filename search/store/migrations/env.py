"""Runs Alembic migrations on the connection that ``search.store.database`` hands over."""

from __future__ import annotations

from alembic import context

from vitrina.search.store.database import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
