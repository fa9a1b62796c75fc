"""What a database can do, and the SQL that SQLite and PostgreSQL spell differently."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Dialect,
    Engine,
    Insert,
    Select,
    String,
    Table,
    TableValuedAlias,
    Text,
    TypeDecorator,
    cast,
    literal,
    select,
    text,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

POSTGRESQL = "postgresql"

NOT_STORED = re.compile("[\0\ud800-\udfff]")
"""What no stored text holds: a NUL ends a text in SQLite's JSON, and PostgreSQL refuses both."""


class SqlDatabase(Protocol):
    """A database of either kind: many readers, one writer at a time, each transaction atomic. Safe to use from several
    threads and processes. Every method but ``close`` may raise StorageError."""

    @property
    def engine(self) -> Engine: ...

    @property
    def is_read_only(self) -> bool:
        """Whether it can be read but not written."""

    def read(self) -> AbstractContextManager[Connection]:
        """One consistent snapshot of the database, however long it is read."""

    def write(self, *, wait_s: float | None = None) -> AbstractContextManager[Connection]:
        """One transaction that waits until it is the only writer, for ``wait_s`` if given; rolled back if anything
        raises."""

    def check_file(self) -> None:
        """Raise unless its file, if it has one, is the one that was opened."""

    def translated(self) -> AbstractContextManager[None]:
        """Turn the database's errors into StorageError."""

    def close(self) -> None:
        """Close every connection."""


def plain_text(n_chars: int | None = None) -> TypeEngine[str]:
    """Text that is compared and sorted by code points, whatever language a server is set to. The number of characters
    is what is expected: SQLite holds nobody to it, and PostgreSQL is not asked to."""
    return (String(n_chars) if n_chars else Text()).with_variant(Text(collation="C"), POSTGRESQL)


class NumberList(TypeDecorator[list[Any]]):
    """A list of numbers, which arrives from SQLite as JSON."""

    impl = Text
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> list[Any]:
        return json.loads(value) if isinstance(value, str) else value or []


class ArrayOf(FunctionElement[list[Any]]):
    """All numbers of a column as one list, in no order, nulls among them: one row is read twice as fast as many."""

    name = "array_of"
    inherit_cache = True
    type = NumberList()


class JsonValues(FunctionElement[str]):
    """The values of a JSON array as rows."""

    name = "json_values"
    inherit_cache = True


@compiles(ArrayOf)
def _array_of(element: ArrayOf, compiler: SQLCompiler, **kwargs: Any) -> str:
    function = "array_agg" if compiler.dialect.name == POSTGRESQL else "json_group_array"
    return f"{function}({compiler.process(element.clauses, **kwargs)})"


@compiles(JsonValues)
def _json_values(element: JsonValues, compiler: SQLCompiler, **kwargs: Any) -> str:
    array = compiler.process(element.clauses, **kwargs)
    is_postgresql = compiler.dialect.name == POSTGRESQL
    return f"json_array_elements_text(CAST({array} AS JSON))" if is_postgresql else f"json_each({array})"


def as_table(values: Sequence[str]) -> TableValuedAlias:
    """Values as a table from one parameter: SQLite takes 32,766 of them a statement, and filters up to 50 x 1,000."""
    array = json.dumps([NOT_STORED.sub("\ufffd", value) for value in values])
    return JsonValues(literal(array)).table_valued("value")


def ids_as_table(item_ids: Sequence[int]) -> Select[tuple[int]]:
    """Ids as one parameter of a statement, however many."""
    return ids_of_parameter(literal(json.dumps(list(item_ids))))


def ids_of_parameter(parameter: ColumnElement[str]) -> Select[tuple[int]]:
    """The same of a parameter that a statement made before is given: the ids as JSON."""
    return select(cast(JsonValues(parameter).table_valued("value").c.value, BigInteger))


def insert_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
    """Insert rows except those whose key is there."""
    if rows:
        connection.execute(_insert(connection, table), rows)


def _insert(connection: Connection, table: Table) -> Insert:
    if connection.dialect.name == POSTGRESQL:
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table).on_conflict_do_nothing()
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table).on_conflict_do_nothing()


def insert_rows(connection: Connection, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
    """Insert many rows that all name the same columns, with plain numbers, text and bytes as values.

    Bypasses SQLAlchemy's processing of each value, which took two thirds of the time; PostgreSQL copies them, which
    takes a single statement.
    """
    if not rows:
        return
    names = list(rows[0])
    if connection.dialect.name == POSTGRESQL:
        copy_rows(connection, table, names, rows)
        return
    statement = table.insert().compile(dialect=connection.dialect, column_keys=names)
    order = statement.positiontup or names
    connection.exec_driver_sql(str(statement), [tuple(row[name] for name in order) for row in rows])


def insert_with_ids(connection: Connection, table: Table, rows: Sequence[Mapping[str, object]]) -> list[int]:
    """Insert rows that all name the same columns into a table with an ``id``; returns their ids, in their order."""
    if not rows:
        return []
    if connection.dialect.name != POSTGRESQL:
        inserted = connection.execute(table.insert().returning(table.c.id, sort_by_parameter_order=True), rows)
        return list(inserted.scalars())
    # Ids taken beforehand let the rows be copied: one statement with all values costs the driver three times as long.
    taken = text("SELECT nextval(pg_get_serial_sequence(:table, 'id')) FROM generate_series(1, :n)")
    ids = sorted(connection.scalars(taken, {"table": table.name, "n": len(rows)}))
    documents = [column.name for column in table.c if isinstance(column.type, JSON) and column.name in rows[0]]
    insert_rows(
        connection,
        table,
        [
            {**row, "id": row_id, **{name: _document(row[name], table.c[name]) for name in documents}}
            for row_id, row in zip(ids, rows, strict=True)
        ],
    )
    return ids


def _document(value: object, column: Column[Any]) -> str | None:
    return None if value is None and getattr(column.type, "none_as_null", False) else json.dumps(value)


def copy_rows(connection: Connection, table: Table, names: Sequence[str], rows: Sequence[Mapping[str, object]]) -> None:
    """``COPY`` rows into a table of PostgreSQL, within the transaction."""
    quote = connection.dialect.identifier_preparer
    columns = ", ".join(map(quote.quote, names))
    driver: Any = connection.connection.driver_connection  # psycopg's, which may not be installed
    with driver.cursor() as cursor, cursor.copy(f"COPY {quote.format_table(table)} ({columns}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row([row[name] for name in names])
