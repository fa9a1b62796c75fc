"""Price lists whose sections have a heading of their own: a row with one text above the products of a category."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice

from vitrina.indexer.sources.base import Rejection, Table, TableRow, WrappedTable
from vitrina.indexer.sources.cells import is_blank
from vitrina.indexer.sources.column_names import folded
from vitrina.indexer.sources.delimited import DelimitedTable
from vitrina.indexer.sources.spreadsheet import SpreadsheetTable

NAMES = ("category", "section")
"""What the headings are, the first that no column is called already."""

N_SAMPLED_ROWS = 500
MAX_HEADING_CHARS = 60

_LINE = re.compile(r"(\d+)$")
_CODE = re.compile(r"(?=\D*\d)\S+")


@dataclass(frozen=True)
class SectionedTable(WrappedTable):
    """A table whose headings, in ``column``, are the category or section of the rows below them, and no rows. A heading
    stands below an empty line, or else is in capitals or has a colon: ``is_spaced`` says which."""

    column: str
    name: str
    is_spaced: bool

    @cached_property
    def columns(self) -> Sequence[str]:
        """The table's columns, and the one with the headings."""
        return (*self.table.columns, self.name)

    @property
    def notes(self) -> tuple[str, ...]:
        """The table's own, and which column has headings."""
        headings = _with_headings(self.table.rows(), self.column, is_spaced=self.is_spaced)
        first = next((heading for _, heading in headings if heading), "")
        note = f"{self.path.name}: rows with nothing but a heading ({first[:60]!r}) are the {self.name} of those below."
        return (*self.table.notes, note)

    def rows(self) -> Iterator[TableRow | Rejection]:
        """The table's rows under their headings."""
        last, whole = "", object()
        for row, heading in _with_headings(self.table.rows(), self.column, is_spaced=self.is_spaced):
            if heading:
                last = heading
                whole = [last] if re.search("[,;|]", last) else last  # and no list for its commas
            elif last and isinstance(row, TableRow) and _is_full(row):
                yield replace(row, cells={**row.cells, self.name: whole})
            else:
                yield row


def with_sections(table: Table) -> Table:
    """The table with headings as categories, or those in capitals as sections where categories have a column; as it is
    without any."""
    named = [folded(column) for column in table.columns]
    is_category_known = any("category" in name or "kategori" in name for name in named)
    name = next((name for name in NAMES[is_category_known:] if name not in named), None)
    if name is None or not isinstance(table, DelimitedTable | SpreadsheetTable):
        return table
    sample = [*islice(table.rows(), N_SAMPLED_ROWS)]
    for is_spaced in (False,) if is_category_known else (True, False):
        alone = [_alone(row) for row, heading in _with_headings(sample, None, is_spaced=is_spaced) if heading]
        if alone and len({column for column, _ in alone}) == 1 and _are_headings(sample, alone, is_spaced=is_spaced):
            return SectionedTable(table, alone[0][0], name, is_spaced)
    return table


def _are_headings(sample: Sequence[TableRow | Rejection], alone: Sequence[tuple[str, str]], *, is_spaced: bool) -> bool:
    """Whether rows with one text are headings: all different, each above two products on average, and either most of
    the blocks between empty lines begin with one, or two have them and no product is in capitals."""
    column = alone[0][0]
    full = [row.cells for row in sample if isinstance(row, TableRow) and _is_full(row)]
    if len({text for _, text in alone}) < len(alone) or len(full) < 2 * len(alone):
        return False
    if not is_spaced:
        titles = [str(cells.get(column) or "") for cells in full]
        return len(alone) > 1 and not any(title.isupper() and not _CODE.fullmatch(title) for title in titles)
    if len(alone) == 1 and any(sum(not is_blank(cell) for cell in cells.values()) < 3 for cells in full):
        return False  # which may be a product without a price
    starts = [row for row, is_start in _blocks(sample) if is_start][1:]
    headed = [row for row in starts if isinstance(row, TableRow) and _alone(row)[0]]
    return bool(headed) and 5 * len(headed) >= 4 * len(starts)


def _with_headings(
    rows: Iterator[TableRow | Rejection] | Sequence[TableRow | Rejection], column: str | None, *, is_spaced: bool
) -> Iterator[tuple[TableRow | Rejection, str]]:
    """Each row, and its text if it is a heading, of this column if one is named: nothing else in it, and a row of
    several cells below."""
    held: tuple[TableRow | Rejection, bool] | None = None
    for row, is_start in _blocks(rows):
        if held is not None:
            yield held[0], _heading(*held, row, column, is_spaced=is_spaced)
        held = (row, is_start)
    if held is not None:
        yield held[0], ""


def _heading(
    row: TableRow | Rejection, is_start: bool, below: TableRow | Rejection, column: str | None, *, is_spaced: bool
) -> str:
    own, text = _alone(row)
    if not text or (column is not None and own != column) or not _is_full(below):
        return ""
    if len(text) > MAX_HEADING_CHARS or _CODE.fullmatch(text) or not any(map(str.isalpha, text)):
        return ""
    is_marked = is_start if is_spaced else text.isupper() or text.endswith(":")
    return text.rstrip(" :") if is_marked else ""


def _blocks(
    rows: Iterator[TableRow | Rejection] | Sequence[TableRow | Rejection],
) -> Iterator[tuple[TableRow | Rejection, bool]]:
    """Each row, and whether it is the first or stands below an empty line."""
    end = -1
    for row in rows:
        found = _LINE.search(row.origin)
        line = int(found[1]) if found else end + 1
        yield row, line != end + 1
        cells: Mapping[str, object] = row.cells if isinstance(row, TableRow) else {}
        end = line + sum(cell.count("\n") for cell in cells.values() if isinstance(cell, str))


def _is_full(row: TableRow | Rejection) -> bool:
    """Whether a row has several cells with something in them, as products have."""
    return isinstance(row, TableRow) and sum(not is_blank(cell) for cell in row.cells.values()) > 1


def _alone(row: TableRow | Rejection) -> tuple[str, str]:
    """The column and the text of a row with one text and nothing else; empty for any other row."""
    cells = row.cells if isinstance(row, TableRow) else {}
    filled = [(column, cell) for column, cell in cells.items() if not is_blank(cell)]
    if len(filled) != 1 or not isinstance(filled[0][1], str):
        return "", ""
    return filled[0][0], filled[0][1].strip()
