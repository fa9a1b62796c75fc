"""Joining rows: those of one product in a list, in bounded memory, wherever in the file they are."""

from __future__ import annotations

import pickle
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from typing import Literal

from vitrina.indexer.sources.base import PartRow, Rejection, TableRow
from vitrina.indexer.sources.cells import is_blank
from vitrina.indexer.sources.column_names import folded
from vitrina.indexer.sources.dialects.dialect import Join, Parts
from vitrina.indexer.sources.dialects.layout import Layout
from vitrina.indexer.sources.dialects.pairs import Cells, read_pairs
from vitrina.search.types.item import MAX_VARIANTS

Kind = Literal["product", "variant", "image", "attribute", "rule", "translation", "ignored"]


@dataclass(frozen=True, slots=True)
class JoinRow:
    """One row with what joins it to others: what others may call it, whose variant or translation it is, and which rows
    it lists. Of translations without their product that of the lowest ``rank`` stands for it."""

    kind: Kind
    row: TableRow
    names: tuple[str, ...] = ()
    parent: str = ""
    children: tuple[str, ...] = ()
    rank: int = 0


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


class Spool:
    """Rows in a temporary SQLite database without a name, which the system removes, for groups from anywhere. With
    ``by_prefix`` a row's parent is the longest beginning of the ``parent`` that it says which names a product."""

    def __init__(self, *, by_prefix: bool = False) -> None:
        self._by_prefix = by_prefix
        self._connection = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._connection.executescript(
            "PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF;"
            "CREATE TABLE rows (position INTEGER PRIMARY KEY, parent TEXT, rank INTEGER, head INTEGER, row BLOB);"
            "CREATE TABLE names (name TEXT PRIMARY KEY, position INTEGER) WITHOUT ROWID;"
            "CREATE TABLE claims (name TEXT PRIMARY KEY, position INTEGER) WITHOUT ROWID;"
            "CREATE TABLE beginnings (position INTEGER, name TEXT, PRIMARY KEY (position, name)) WITHOUT ROWID;"
        )
        self._connection.execute("BEGIN")
        self._n_rows = 0

    def joined(self, rows: Iterable[JoinRow | Rejection]) -> Iterator[Group | Rejection]:
        """Groups of rows that name each other, the product first; rows with the same unknown ``parent`` are a group,
        too. They come in the order of their products, once all rows are read; rejections come first."""
        for row in rows:
            if isinstance(row, Rejection):
                yield row
            else:
                self._add(row)
        yield from self._groups()

    def cells_of(self, name: str) -> list[Mapping[str, object]]:
        """The cells of the row of a name and, if it is a product's, of its variants'; for use once groups come."""
        of_name = "(SELECT position FROM names WHERE name = :name)"
        named = self._connection.execute(
            f"SELECT row FROM rows WHERE position = {of_name} OR head = {of_name}", {"name": name}
        )
        return [pickle.loads(pickled)[2] for (pickled,) in named.fetchmany(MAX_VARIANTS)]

    def _add(self, row: JoinRow) -> None:
        """Keep one row."""
        self._n_rows += 1
        position, execute = self._n_rows, self._connection.execute
        held = pickle.dumps(
            (row.kind, row.row.origin, row.row.cells, row.row.n_rows, row.parent), pickle.HIGHEST_PROTOCOL
        )
        execute("INSERT INTO rows VALUES (?, ?, ?, ?, ?)", (position, row.parent or None, row.rank, position, held))
        for name in row.names:
            execute("INSERT OR IGNORE INTO names VALUES (?, ?)", (name, position))
        for name in row.children:
            execute("INSERT OR IGNORE INTO claims VALUES (?, ?)", (name, position))
        for found in re.finditer(r"(?<=\w)[-_./ ]", row.parent) if self._by_prefix else ():
            execute("INSERT OR IGNORE INTO beginnings VALUES (?, ?)", (position, row.parent[: found.start()]))

    def _groups(self) -> Iterator[Group]:
        """The rows of each product."""
        self._find_heads()
        found = self._connection.execute(
            "SELECT head, position, row, EXISTS (SELECT 1 FROM names WHERE names.position = rows.position) FROM rows"
            " ORDER BY head, position"
        )
        for head, rows in groupby(found, itemgetter(0)):
            group: Group = []
            for _, position, pickled, is_named in rows:
                if len(group) > MAX_VARIANTS:
                    yield group
                    group = []
                kind, origin, cells, n_rows, parent = pickle.loads(pickled)
                own: Kind = "product" if kind == "translation" and is_named else kind
                row = JoinRow(own, TableRow(origin, cells, n_rows), parent=parent)
                group.insert(0 if position == head else len(group), row)
            yield group

    def _find_heads(self) -> None:
        if self._by_prefix:
            self._connection.execute(
                "UPDATE rows SET parent = (SELECT name FROM beginnings JOIN names USING (name)"
                " WHERE beginnings.position = rows.position ORDER BY length(name) DESC LIMIT 1)"
            )
        self._connection.executescript(
            "CREATE INDEX rows_parent ON rows (parent, position) WHERE parent IS NOT NULL;"
            "INSERT OR IGNORE INTO names SELECT parent, position FROM"
            " (SELECT parent, position, row_number() OVER (PARTITION BY parent ORDER BY rank, position) AS nth"
            "  FROM rows WHERE parent IS NOT NULL) WHERE nth = 1;"
            "CREATE INDEX names_position ON names (position);"
            "UPDATE rows SET head = coalesce("
            " nullif((SELECT position FROM names WHERE name = rows.parent), position),"
            " (SELECT claims.position FROM names JOIN claims USING (name) WHERE names.position = rows.position),"
            " position);"
            "UPDATE rows SET head = (SELECT upper.head FROM rows AS upper WHERE upper.position = rows.head);"
            "UPDATE rows SET head = (SELECT upper.head FROM rows AS upper WHERE upper.position = rows.head);"
            "CREATE INDEX rows_head ON rows (head, position);"
        )

    def close(self) -> None:
        """Drop the rows."""
        self._connection.close()


def row_kind(layout: Layout, cells: Cells, join: Join) -> Kind:
    """What a row is, by the first pattern that finds something in its column; else a product."""
    kinds = join.kinds
    if kinds is None:
        return "product"
    text = str(layout.cell(cells, kinds.column) or "").strip()
    patterns: tuple[tuple[Kind, str | None], ...] = (
        ("variant", kinds.variant),
        ("image", kinds.image),
        ("attribute", kinds.attribute),
        ("rule", kinds.rule),
        ("translation", kinds.translation),
        ("ignored", kinds.ignored),
    )
    return next((kind for kind, pattern in patterns if pattern and re.search(pattern, text, re.IGNORECASE)), "product")


def code_of(layout: Layout, cells: Cells, join: Join) -> str:
    """The language or store of a translation."""
    return str(layout.cell(cells, join.kinds.column if join.kinds else ()) or "").strip()


def rank_of(code: str, join: Join) -> int:
    """How much a translation says of the product itself: that of the default store the most, then one in English."""
    default = join.kinds.default_translation if join.kinds else None
    if default and re.fullmatch(default, code, re.IGNORECASE):
        return 0
    return 1 if re.search(r"(?:^|_)en(?:glish)?(?:_|$)", folded(code)) else 2


def continued(
    rows: Iterable[TableRow | Rejection], bind: Callable[[Cells], Layout], join: Join, images: Sequence[str]
) -> Iterator[TableRow | Rejection]:
    """The rows with what those after them add; a translation among these comes as a row of its own, and gives the
    product its ``images`` alone."""
    first: TableRow | None = None
    more: list[Cells] = []
    for row in rows:
        if isinstance(row, Rejection):
            yield row
            continue
        layout = bind(row.cells)
        if first is None or layout.cell(row.cells, join.continued) is not None or len(more) > MAX_VARIANTS:
            if first is not None:
                yield _extended(first, more, bind(first.cells), join)
            first, more = row, []
        elif row_kind(layout, row.cells, join) == "translation":
            named = {column: first.cells.get(column) for column in layout.columns(join.continued)}
            yield replace(row, cells={**row.cells, **named})
            more.append({name: row.cells[name] for name in images if name in row.cells})
        else:
            more.append(row.cells)
            first = replace(first, n_rows=first.n_rows + row.n_rows)
    if first is not None:
        yield _extended(first, more, bind(first.cells), join)


def _extended(row: TableRow, more: Sequence[Cells], layout: Layout, join: Join) -> TableRow:
    """A row with the values of those that continue it, each once; of columns that belong together, one of each row."""
    if not more:
        return row
    every = [row.cells, *more]
    children = join.column if join.by == "children" else ()
    aligned = layout.columns((*children, *join.option_name, *join.option_value))
    cells = distinct((dict(each) for each in every), set(aligned))
    cells.update({column: [each.get(column) for each in every] for column in aligned})
    return replace(row, cells={name: cell for name, cell in cells.items() if not is_blank(cell)})


def distinct(rows: Iterable[dict[str, object]], dropped: set[str]) -> dict[str, object]:
    """Each column with its distinct values in order; one value as itself."""
    values: dict[str, dict[object, object]] = {}
    for cells in rows:
        for column, cell in cells.items():
            if column in dropped or is_blank(cell):
                continue
            for part in cell if isinstance(cell, list) else [cell]:
                known = part if isinstance(part, (str, int, float)) else repr(part)
                values.setdefault(column, {}).setdefault(known, part)
    found = {column: list(parts.values()) for column, parts in values.items()}
    return {column: parts[0] if len(parts) == 1 else parts for column, parts in found.items()}


def parts_in(cell: object, declared: Parts) -> Iterator[PartRow]:
    """The products that a cell names as parts, still without their cells."""
    for at, each in enumerate(cell if isinstance(cell, list) else str(cell or "").split(declared.between)):
        pattern = declared.pattern
        held = dict(read_pairs(str(each), pattern)) if pattern else {}
        name = str(held.get("sku", "") if pattern else str(each).partition("=")[0]).strip()
        if name:
            choice = str(held.get(declared.choice, at)) if pattern else ""
            is_optional = str(held.get(declared.required, "1")).strip() == "0"
            yield PartRow(name, choice=choice, quantity=_quantity(held.get(declared.quantity)), is_optional=is_optional)


def _quantity(cell: object) -> int:
    """A number of pieces; 1 where none is said."""
    try:
        return max(1, int(float(str(cell))))
    except (ValueError, OverflowError):
        return 1


def filled(template: str, layout: Layout, cells: Cells) -> str:
    """A name of a product in its translations, with the cell in braces filled in; empty where that is blank."""
    head, brace, rest = template.partition("{")
    if not brace:
        return template
    name, _, tail = rest.partition("}")
    value = str(layout.cell(cells, (folded(name),)) or "").strip()
    return f"{head}{value}{tail}" if value else ""
