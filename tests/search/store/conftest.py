"""The catalogs of these tests: the same is expected of both databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL

from tests.fakes import new_catalog
from tests.postgres import Postgres
from vitrina.search.store.catalog import Catalog
from vitrina.search.store.database import Database, open_server
from vitrina.search.store.postgres import PostgresDatabase
from vitrina.search.store.sql import SqlDatabase

DATABASES = ("sqlite", "postgresql")


def open_new_catalog(database: str, folder: Path, request: pytest.FixtureRequest) -> Catalog:
    """An empty catalog in a database of a kind; the server is started if it is the first to need it."""
    if database == "sqlite":
        return new_catalog(folder / "catalog.db")
    server: Postgres = request.getfixturevalue("postgres")
    return Catalog(open_server(server.database()))


def reopened(catalog: Catalog) -> Catalog:
    """The same catalog, opened once more."""
    database = catalog.database
    return Catalog(database.path if isinstance(database, Database) else PostgresDatabase(url_of(database)))


def url_of(database: SqlDatabase) -> URL:
    assert isinstance(database, PostgresDatabase)
    return database.url


@pytest.fixture(params=DATABASES)
def catalog(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Catalog]:
    catalog = open_new_catalog(request.param, tmp_path, request)
    yield catalog
    catalog.close()
