"""The catalog's database: its tables, transactions, failures in words, and schema version."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import alembic.command
import numpy as np
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
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
    create_engine,
    event,
    insert,
    select,
    text,
    union,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

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
    Column("encoder", String(512), nullable=False),
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
    Column("name", Text, nullable=False, unique=True),
    sqlite_autoincrement=True,
)
"""Where items come from: the files and folders that were indexed, by path or by the name they were given."""

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
    Column("max_price_cents", BigInteger),
    Column("variants", JSON(none_as_null=True)),
    Column("content_hash", String(64), nullable=False),
    Column("sequence", BigInteger, nullable=False, index=True),
    Column("source_id", Key, index=True),
    Column("changed_at", Float),
    sqlite_autoincrement=True,
)
"""Products. No ``id`` is used twice, so a replica cannot mistake a new item for a deleted one. ``price_cents`` and
``max_price_cents`` are the lowest and the highest price of its ``variants`` (``terms.variant_columns``). ``source_id``
is null for what was added over HTTP; ``changed_at`` counts seconds since 1970, and is null for what an older version
wrote."""

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
    Column("value", String(256), primary_key=True),
    Column("key", String(256), nullable=False),
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

BUSY_TIMEOUT_S = 30.0
"""How long a writer waits for another process's transaction before it gives up."""

IF_DAMAGED = (
    "The file is damaged: restore it from a backup and delete the folder snapshots beside it, "
    "or choose a new --store and index again."
)


class SqliteFile:
    """A database file in WAL mode: many readers, one writer at a time, each transaction atomic. A file that must not be
    written, or that lies in a folder or on a disk where nothing may be, can be read.

    ``if_damaged`` is the remedy to name if the file can no longer be read.
    """

    def __init__(self, path: Path, *, busy_timeout_s: float = BUSY_TIMEOUT_S, if_damaged: str = IF_DAMAGED) -> None:
        self.path = path
        self.is_read_only = path.is_file() and not is_writable(path)
        arguments = {"timeout": busy_timeout_s, "uri": self.is_read_only}
        self.engine = create_engine(
            f"sqlite:///{read_only(path) if self.is_read_only else path}", connect_args=arguments
        )
        self._if_damaged = if_damaged
        event.listen(self.engine, "connect", prepare_to_read if self.is_read_only else prepare_connection)
        event.listen(self.engine, "begin", begin)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent snapshot of the database, however long it is read."""
        with self.translated(), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction that takes the write lock at once; rolled back if anything raises."""
        with self.translated(), self.engine.connect() as connection:
            connection = connection.execution_options(writes=True)
            with connection.begin():
                yield connection

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn the database's errors into StorageError."""
        try:
            yield
        except DatabaseError as error:
            raise storage_error(self.path, error, self._if_damaged) from error

    def close(self) -> None:
        """Close every connection; the last to close a file merges its log into it."""
        self.engine.dispose()


def is_writable(path: Path) -> bool:
    """Whether a database may be written: SQLite needs to make files beside it for that."""
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def read_only(path: Path) -> str:
    """The address of a file that is only read. Without a log beside it nothing can change it, so it is not locked."""
    log_file = path.with_name(f"{path.name}-wal")
    has_log = log_file.is_file() and log_file.stat().st_size > 0
    return f"file:{quote(str(path.absolute()))}?mode=ro{'' if has_log else '&immutable=1'}&uri=true"


def prepare_to_read(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    assert isinstance(connection, sqlite3.Connection)
    connection.isolation_level = None
    connection.execute("PRAGMA cache_size = -16384")


def prepare_connection(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    assert isinstance(connection, sqlite3.Connection)
    # Autocommit: sqlite3's own transaction handling neither covers reads nor can begin immediately.
    connection.isolation_level = None
    # With WAL, NORMAL loses no commit to a killed process and damages nothing on power loss (sqlite.org/wal.html).
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON", "cache_size = -16384"):
        connection.execute(f"PRAGMA {pragma}")


def begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def storage_error(path: Path, error: DatabaseError, if_damaged: str) -> StorageError:
    reason = str(error.orig)
    if "full" in reason:
        remedy = "Free some space and run the same command again; what was committed before is kept."
    elif "locked" in reason:
        remedy = "Another process is writing; wait for it to finish and try again."
    elif "readonly" in reason:
        remedy = "It can be searched as it is; to change it, make the file and its folder writable, or copy them."
    elif isinstance(error, OperationalError):
        remedy = "Check that the folder exists and that you may write to it."
    else:
        remedy = if_damaged
    return StorageError(f"The database {path} cannot be used: {reason}.", remedy=remedy)


MIGRATING = threading.Lock()
"""Alembic keeps the running migration in module globals."""

MIGRATIONS_FOLDER = Path(__file__).parent / "migrations"


class Database(SqliteFile):
    """The catalog's file. Opening creates it, or migrates an older one.

    Raises StorageError where the file is damaged or the disk refuses, StateError where a newer Vitrina wrote it.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with self.translated():
            migrate(self.engine)


def migrate(engine: Engine) -> None:
    """Upgrade the schema to this version; does nothing, and takes no write lock, if it is current."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS_FOLDER))
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
                    remedy="Install that version or a later one, or choose another folder with --store.",
                ) from error


CHUNK = 500
"""Keys in one IN list; SQLite allows 32,766 parameters."""

T = TypeVar("T")


def chunks(keys: Sequence[T]) -> Iterator[Sequence[T]]:
    """The keys in parts that one statement can name."""
    return (keys[start : start + CHUNK] for start in range(0, len(keys), CHUNK))


def insert_rows(connection: Connection, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
    """Insert many rows that all name the same columns, with plain numbers, text and bytes as values.

    Bypasses SQLAlchemy's processing of each value, which took two thirds of the time.
    """
    if rows:
        statement = insert(table).compile(dialect=connection.dialect, column_keys=list(rows[0]))
        order = statement.positiontup or list(rows[0])
        connection.exec_driver_sql(str(statement), [tuple(row[name] for name in order) for row in rows])


def sequence_of(connection: Connection) -> int:
    """The number of the last committed change; 0 for an empty, new catalog. Costs one row."""
    return int(connection.execute(select(clock.c.sequence)).scalar_one())


def touched_items(connection: Connection, since: int, *others: Select[tuple[int]]) -> NDArray[np.int64]:
    """The ids of the items that changed or were deleted after sequence number ``since``, or that ``others`` select;
    none for 0, before which nothing was read. Shape (n,)."""
    touched = union(
        select(items.c.id).where(items.c.sequence > since),
        select(deletions.c.item_id).where(deletions.c.sequence > since),
        *others,
    )
    return np.fromiter(connection.scalars(touched) if since else (), dtype=np.int64)
