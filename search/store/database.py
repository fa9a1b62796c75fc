"""The catalog's database: its tables, transactions, failures in words, and schema version."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Engine,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Select,
    String,
    Table,
    Text,
    select,
    text,
    union,
)

from vitrina.search.store.postgres import PostgresDatabase
from vitrina.search.store.sql import SqlDatabase, plain_text
from vitrina.search.store.sqlite_file import IF_DAMAGED, SqliteFile
from vitrina.search.types.errors import StateError, StorageError

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
    Column("encoder", plain_text(512), nullable=False),
    Column("fingerprint", String(64), nullable=False, unique=True),
    Column("dimension", Integer, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("watermark", BigInteger, nullable=False, server_default=text("0")),
    sqlite_autoincrement=True,
)
"""One version for each encoder. Queries are answered from the active one, which every change is written to. Another
version holds the items whose sequence number is at most its ``watermark``. No ``id`` is used twice."""

sources = Table(
    "sources",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("name", plain_text(), nullable=False, unique=True),
    sqlite_autoincrement=True,
)
"""Where items come from: the files and folders that were indexed, by path or by the name they were given."""

items = Table(
    "items",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("sku", plain_text(256), nullable=False, unique=True),
    Column("folded_sku", plain_text(256), nullable=False),
    Column("folded_title", plain_text(), nullable=False),
    Column("title", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("attributes", JSON, nullable=False),
    Column("price_cents", BigInteger),
    Column("currency", String(3)),
    Column("url", Text),
    Column("max_price_cents", BigInteger),
    Column("variants", JSON(none_as_null=True)),
    Column("content_hash", String(64), nullable=False),
    Column("sequence", BigInteger, nullable=False, index=True),
    Column("source_id", Key, index=True),
    Column("changed_at", Float),
    Index("ix_items_folded_sku", "folded_sku", postgresql_using="hash"),
    Index("ix_items_folded_title", "folded_title", postgresql_using="hash"),
    sqlite_autoincrement=True,
)
"""Products. No ``id`` is used twice, so a replica cannot mistake a new item for a deleted one. ``price_cents`` and
``max_price_cents`` are the lowest and the highest price of its ``variants`` (``terms.variant_columns``). ``source_id``
is null for what was added over HTTP; ``changed_at`` counts seconds since 1970, and is null for what an older version
wrote."""

Index("ix_items_price", items.c.price_cents, items.c.id)
Index("ix_items_max_price", items.c.max_price_cents.desc(), items.c.id)

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
    Column("field", plain_text(128), nullable=False),
    Column("value", plain_text(), nullable=False),
    Column("number", Float),
    Column("variant", Integer),
    Index("ix_facets_item_field", "item_id", "field", "value"),
    Index("ix_facets_field_value", "field", "value", "item_id", "variant"),
    Index(
        "ix_facets_field_number",
        "field",
        "number",
        "item_id",
        "variant",
        sqlite_where=IS_NUMBER,
        postgresql_where=IS_NUMBER,
    ),
)
"""Everything a filter can ask for, one value per row: case-folded text, and the number if it is one. ``variant`` is the
position of the variant that alone has the value; where it is null the whole item has it."""

identifiers = Table(
    "identifiers",
    metadata,
    Column("item_id", Key, ForeignKey("items.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("value", plain_text(256), primary_key=True),
    Column("key", plain_text(256), nullable=False),
    Column("is_sku", Boolean, nullable=False),
    Index("ix_identifiers_key", "key", "item_id"),
)
"""The codes that name an item exactly (``types.identifiers``), as they are folded, and the key they are found by."""

images = Table(
    "images",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("item_id", Key, ForeignKey("items.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("position", Integer, nullable=False),
    Column("image_id", String(64), nullable=False, index=True),
)
"""An item's images in the shop's order; ``image_id`` is the image's content hash in the image store."""

twins = Table(
    "twins",
    metadata,
    Column("item_id", Key, ForeignKey("items.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("group_id", Key, nullable=False, index=True),
)
"""Items that show the same product photo under several skus; those of one ``group_id`` are twins of each other."""

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

item_terms = Table(
    "item_terms",
    metadata,
    Column("item_id", Key, ForeignKey("items.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
    Column("terms", Text, nullable=False),
)
"""The words of an item as the lexical index reads them (``analysis.analyser.stored_terms``), and the version of the
analyser. An item without a row, or with one of another version, is analysed when it is read."""

text_settings = Table(
    "text_settings",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("language", String(8), nullable=False),
    Column("n_judged", Integer, nullable=False),
    Column("synonyms", Text, nullable=False),
)
"""One row: the catalog's language (ISO 639-1, empty if there is none), how many items there were when it was found out,
and the shop's own synonyms as it wrote them."""

jobs = Table(
    "jobs",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("kind", String(16), nullable=False),
    Column("status", String(16), nullable=False, index=True),
    Column("created_at", Float, nullable=False),
    Column("started_at", Float),
    Column("ended_at", Float),
    Column("request", JSON, nullable=False),
    Column("progress", JSON, nullable=False),
    Column("result", JSON(none_as_null=True)),
    Column("error", JSON(none_as_null=True)),
    Column("is_cancelled", Boolean, nullable=False),
    sqlite_autoincrement=True,
)
"""Imports and audits that were asked for over HTTP (``store.jobs``). Times are seconds since 1970."""

MIGRATING = threading.Lock()
"""Alembic keeps the running migration in module globals."""

MIGRATIONS_FOLDER = Path(__file__).parent / "migrations"


class Database(SqliteFile):
    """The catalog's file. Opening creates it, or migrates an older one.

    Raises StorageError where the file is damaged or the disk refuses, StateError where a newer Vitrina wrote it, or
    where it cannot be migrated since it may only be read.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            create(path)
        elif path.stat().st_size == 0:  # SQLite would take it for a new catalog, and all that was in it for gone
            raise StorageError(f"The database {path} is empty: 0 bytes.", remedy=IF_DAMAGED)
        super().__init__(path)
        with self.translated():
            if (schema_version(self.engine) or "") > newest_version():
                self.close()
                raise StateError(
                    f"The catalog at {path} was written by a newer Vitrina.",
                    remedy="Install that version or a later one, or choose another folder with --store.",
                )
            if not self.is_read_only:
                migrate(self)
            elif not is_current(self.engine):
                self.close()
                raise StateError(
                    f"The catalog at {path} was written by an older Vitrina, and may only be read.",
                    remedy="Make the folder writable and open it once.",
                )


def open_server(address: str) -> PostgresDatabase:
    """The catalog's tables on a PostgreSQL server, made or migrated where that is due. Raises StorageError, StateError
    and MissingDependencyError."""
    server = PostgresDatabase(address)
    try:
        with server.translated():
            if (schema_version(server.engine) or "") > newest_version():
                raise StateError(
                    f"The catalog in {server} was written by a newer Vitrina.",
                    remedy="Install that version or a later one, or choose another database.",
                )
            if not server.is_read_only:
                migrate(server)
            elif not is_current(server.engine):
                raise StateError(
                    f"The catalog in {server} was written by another Vitrina, and may only be read.",
                    remedy="Open it once on the primary server with this version.",
                )
    except BaseException:
        server.close()
        raise
    return server


def is_made(address: str) -> bool:
    """Whether a PostgreSQL database has a catalog's tables."""
    server = PostgresDatabase(address)
    try:
        with server.translated():
            return schema_version(server.engine) is not None
    finally:
        server.close()


def create(path: Path) -> None:
    """Make a new catalog's file, whole at once: whoever else opens or makes it meanwhile never sees a part of it."""
    unfinished = path.with_name(f"{path.name}.{uuid4().hex}.new")
    try:
        made = SqliteFile(unfinished)
        with made.translated():
            migrate(made)
        made.close()
        with suppress(FileExistsError):  # another process was faster
            os.link(unfinished, path)
    except (OSError, StorageError):  # a file system without links; the file is made in place, or the reason told
        pass
    finally:
        for suffix in ("", "-wal", "-shm"):
            unfinished.with_name(unfinished.name + suffix).unlink(missing_ok=True)


def is_current(engine: Engine) -> bool:
    """Whether the schema is of this version."""
    return schema_version(engine) == newest_version()


def migrate(database: SqlDatabase) -> None:
    """Upgrade the schema to this version; does nothing, and takes no write lock, if it is current. Raises StateError
    where a newer Vitrina wrote it.

    Only then is Alembic imported, which takes 0.4 s: its templates bring what highlights source text.
    """
    if is_current(database.engine):
        return
    import alembic.command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS_FOLDER))
    config.set_main_option("path_separator", "os")
    with MIGRATING, database.write() as connection:
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, "head")


def schema_version(engine: Engine) -> str | None:
    """The revision that Alembic noted in the file; None in a new one."""
    with engine.connect() as connection, connection.begin():
        if not connection.dialect.has_table(connection, "alembic_version"):
            return None
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def newest_version() -> str:
    """The revision of this Vitrina's schema, by the names of the migrations."""
    return max(path.name[1:5] for path in (MIGRATIONS_FOLDER / "versions").glob("v[0-9][0-9][0-9][0-9]_*.py"))


CHUNK = 500
"""Keys in one IN list; SQLite allows 32,766 parameters."""

T = TypeVar("T")


def chunks(keys: Sequence[T]) -> Iterator[Sequence[T]]:
    """The keys in parts that one statement can name."""
    return (keys[start : start + CHUNK] for start in range(0, len(keys), CHUNK))


LAST_SEQUENCE = select(clock.c.sequence)


def sequence_of(connection: Connection) -> int:
    """The number of the last committed change; 0 for an empty, new catalog. Costs one row."""
    return int(connection.execute(LAST_SEQUENCE).scalar_one())


def touched_items(connection: Connection, since: int, *others: Select[tuple[int]]) -> NDArray[np.int64]:
    """The ids of the items that changed or were deleted after sequence number ``since``, or that ``others`` select;
    none for 0, before which nothing was read. Shape (n,)."""
    touched = union(
        select(items.c.id).where(items.c.sequence > since),
        select(deletions.c.item_id).where(deletions.c.sequence > since),
        *others,
    )
    return np.fromiter(connection.scalars(touched) if since else (), dtype=np.int64)


def pages(database: SqlDatabase, read: Callable[[Connection, int], list[tuple[int, T]]]) -> Iterator[list[T]]:
    """What lies under ascending ids, each page in a transaction of its own; ``read`` gets the last id before."""
    last = 0
    while True:
        with database.read() as connection:
            page = read(connection, last)
        if not page:
            return
        yield [value for _, value in page]
        last = page[-1][0]
