"""The catalog's database and its schema version."""

from __future__ import annotations

import threading
from pathlib import Path

import alembic.command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Engine

from search.errors import StateError
from search.sqlite import SqliteFile

MIGRATING = threading.Lock()
"""Alembic keeps the migration that runs in module globals."""

MIGRATIONS = Path(__file__).parent / "migrations"


class Database(SqliteFile):
    """The catalog's file. Opening creates it, or migrates an older one.

    Raises StorageError where the file is damaged or the disk refuses, StateError where a newer Vitrina wrote it.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with self.translated():
            migrate(self.engine)


def migrate(engine: Engine) -> None:
    """Bring the schema to this version; does nothing, and takes no write lock, where it is there already."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    head = ScriptDirectory.from_config(config).get_current_head()
    with engine.connect() as connection, connection.begin():
        if MigrationContext.configure(connection).get_current_revision() == head:
            return
    with MIGRATING, engine.connect() as connection:
        connection = connection.execution_options(writes=True)
        with connection.begin():
            config.attributes["connection"] = connection
            try:
                alembic.command.upgrade(config, "head")
            except CommandError as error:
                raise StateError(
                    f"The catalog at {engine.url.database} was written by a newer Vitrina ({error}).",
                    remedy="Install that version or a later one, or choose another home with --home.",
                ) from error
