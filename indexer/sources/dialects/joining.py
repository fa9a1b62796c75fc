"""Joining rows: those of one product in a list, in bounded memory, wherever in the file they are."""

from __future__ import annotations

import pickle
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Literal

from vitrina.indexer.sources.base import Rejection, TableRow
from vitrina.search.types.item import MAX_VARIANTS

Kind = Literal["product", "variant", "image", "attribute", "translation", "ignored"]


@dataclass(frozen=True, slots=True)
class JoinRow:
    """One row with what joins it to others: what others may call it, whose variant it is, and which rows it lists."""

    kind: Kind
    row: TableRow
    names: tuple[str, ...] = ()
    parent: str = ""
    children: tuple[str, ...] = ()


Group = list[JoinRow]


def following(rows: Iterable[JoinRow | Rejection]) -> Iterator[Group | Rejection]:
    """Groups of a product and the rows of other kinds that follow it."""
    group: Group = []
    for row in rows:
        if isinstance(row, Rejection):
            yield row
            continue
        if group and (row.kind == "product" or len(group) > MAX_VARIANTS):
            yield group
            group = []
        group.append(row)
    if group:
        yield group


def anywhere(rows: Iterable[JoinRow | Rejection]) -> Iterator[Group | Rejection]:
    """Groups of rows that name each other, the product first; rows with the same unknown ``parent`` are a group, too.

    Rows are kept in a temporary file until all are read. Groups come in the order of their products.
    """
    with closing(_Spool()) as spool:
        for row in rows:
            if isinstance(row, Rejection):
                yield row
            else:
                spool.add(row)
        yield from spool.groups()


class _Spool:
    """Rows in a temporary SQLite database without a name, which the system removes."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._connection.executescript(
            "PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF;"
            "CREATE TABLE rows (position INTEGER PRIMARY KEY, parent TEXT, head INTEGER, row BLOB);"
            "CREATE TABLE names (name TEXT PRIMARY KEY, position INTEGER) WITHOUT ROWID;"
            "CREATE TABLE claims (name TEXT PRIMARY KEY, position INTEGER) WITHOUT ROWID;"
        )
        self._connection.execute("BEGIN")
        self._n_rows = 0

    def add(self, row: JoinRow) -> None:
        """Keep one row."""
        self._n_rows += 1
        position, execute = self._n_rows, self._connection.execute
        held = pickle.dumps(
            (row.kind, row.row.origin, row.row.cells, row.row.n_rows, row.parent), pickle.HIGHEST_PROTOCOL
        )
        execute("INSERT INTO rows VALUES (?, ?, ?, ?)", (position, row.parent or None, position, held))
        for name in row.names:
            execute("INSERT OR IGNORE INTO names VALUES (?, ?)", (name, position))
        for name in row.children:
            execute("INSERT OR IGNORE INTO claims VALUES (?, ?)", (name, position))

    def groups(self) -> Iterator[Group]:
        """The rows of each product."""
        self._find_heads()
        found = self._connection.execute("SELECT head, position, row FROM rows ORDER BY head, position")
        for head, rows in groupby(found, itemgetter(0)):
            group: Group = []
            for _, position, pickled in rows:
                if len(group) > MAX_VARIANTS:
                    yield group
                    group = []
                kind, origin, cells, n_rows, parent = pickle.loads(pickled)
                row = JoinRow(kind, TableRow(origin, cells, n_rows), parent=parent)
                group.insert(0 if position == head else len(group), row)
            yield group

    def _find_heads(self) -> None:
        self._connection.executescript(
            "CREATE INDEX rows_parent ON rows (parent, position) WHERE parent IS NOT NULL;"
            "CREATE INDEX names_position ON names (position);"
            "UPDATE rows SET head = coalesce("
            " (SELECT position FROM names WHERE name = rows.parent),"
            " (SELECT min(other.position) FROM rows AS other WHERE other.parent = rows.parent),"
            " (SELECT claims.position FROM names JOIN claims USING (name) WHERE names.position = rows.position),"
            " position);"
            "UPDATE rows SET head = (SELECT upper.head FROM rows AS upper WHERE upper.position = rows.head);"
            "UPDATE rows SET head = (SELECT upper.head FROM rows AS upper WHERE upper.position = rows.head);"
            "CREATE INDEX rows_head ON rows (head, position);"
        )

    def close(self) -> None:
        """Drop the rows."""
        self._connection.close()


GROUPINGS: dict[str, Callable[[Iterable[JoinRow | Rejection]], Iterator[Group | Rejection]]] = {
    "following": following,
    "anywhere": anywhere,
}


def kind_of(text: str, patterns: Iterable[tuple[Kind, str | None]]) -> Kind:
    """The kind whose pattern finds something in a row's text, in this order; else a product."""
    return next((kind for kind, pattern in patterns if pattern and re.search(pattern, text, re.IGNORECASE)), "product")
