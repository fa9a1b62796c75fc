"""The line that names the columns of a table: where it stands, and what the lines around it say."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest
from pathlib import Path

from vitrina.indexer.sources.cells import EDGES, is_blank
from vitrina.indexer.sources.column_names import n_known_names
from vitrina.indexer.sources.column_values import is_value
from vitrina.indexer.sources.currencies import currency_of

_DELIMITERS = ",\t;|"
_RARE_DELIMITERS = "^~\x01"
_PARTING_COMMA = re.compile(r"(?<!\d),|,(?!\d)")
"""A comma that is no decimal mark."""

_SEPARATOR = re.compile(r'\ufeff?"?sep=([,;|\t])"?[,;|\t]*\s*', re.IGNORECASE)


N_HEADER_LINES = 30
"""Rows looked through for the header."""

N_PROSE_LINES = 2_000
"""Rows looked through where the first ones are a text."""


@dataclass(frozen=True, slots=True)
class Header:
    """The header's cells, how many lines end with it, and the text of the lines above it; ``told`` says how columns
    without names were understood. If it ``is_labelled``, each cell has its name before its value."""

    delimiter: str
    names: list[str]
    n_lines: int
    above: tuple[str, ...]
    told: tuple[str, ...] = ()
    is_labelled: bool = False

    def notes(self, path: Path) -> tuple[str, ...]:
        """What was skipped."""
        if not self.above:
            return self.told
        lines = "line" if len(self.above) == 1 else "lines"
        return (
            *self.told,
            f"{path.name}: the {len(self.above)} {lines} above the header were skipped ({self.above[0][:60]!r}).",
        )


def find_header(sample: Sequence[str], path: Path) -> Header | None:
    """The header by the delimiter that cuts it into most known names, then the rows below into as many cells, then it
    into most columns; of equals, by the file name's ending, then commas unless all of them stand between digits."""
    separator = _SEPARATOR.fullmatch(sample[0]) if sample else None
    if separator:
        return _header(sample, separator[1], 1)
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    order = "\t" + _DELIMITERS if {".tsv", ".tab"} & set(suffixes) else _DELIMITERS
    if any("," in line for line in sample) and not any(map(_PARTING_COMMA.search, sample)):
        order = order.replace(",", "") + ","
    order += "".join(mark for mark in _RARE_DELIMITERS if any(mark in line for line in sample[:N_HEADER_LINES]))
    found = [header for delimiter in order if (header := _header(sample, delimiter, 0)) is not None]
    return max(found, key=lambda each: (_n_known(each), _is_even(sample, each), len(each.names)), default=None)


def _n_known(header: Header) -> int:
    """How many known names a header has; a single one with delimiters in it is none."""
    is_uncut = len(header.names) == 1 and any(mark in header.names[0] for mark in _DELIMITERS)
    return 0 if is_uncut else n_known_names(header.names)


def _is_even(sample: Sequence[str], header: Header) -> bool:
    """Whether the rows below a header of several columns, with nothing above it, have as many cells."""
    n_columns = len(header.names)
    return (
        n_columns > 1 and not header.above and all(len(row) == n_columns for row in sample_rows_below(sample, header))
    )


def _header(sample: Sequence[str], delimiter: str, n_before: int) -> Header | None:
    """The row that names the columns, if cells are parted so."""
    rows = [(at, row) for at, row in sample_rows(sample, delimiter) if at > n_before and any(map(str.strip, row))]
    rows = _below_prose(rows)[:N_HEADER_LINES]
    if not rows:
        return None
    best = header_at(rows)
    line = rows[best][0]
    names, n_more = joined_names(rows, best)
    above = [text.strip().strip(delimiter) for text in sample[n_before : line - 1]]
    end = line + sum(name.count("\n") for name in rows[best][1]) + n_more
    return Header(delimiter, names, end, tuple(text for text in above if text))


def _below_prose(rows: list[tuple[int, list[str]]]) -> list[tuple[int, list[str]]]:
    """The rows from the header on where a text stands above the table: half the first lines are one cell, and none
    names columns, which a later one does whose rows below are as wide."""
    first = rows[:N_HEADER_LINES]
    is_prose = 2 * sum(len(row) == 1 for _, row in first) >= len(first)
    if len(first) < N_HEADER_LINES or not is_prose or any(n_known_names(row) > 1 for _, row in first):
        return rows
    for at, (_, row) in enumerate(rows[:N_PROSE_LINES]):
        below = [len(each) for _, each in rows[at + 1 : at + 3]]
        if len(row) > 2 and below == [len(row)] * 2 and n_known_names(row) > 2:
            return rows[at:]
    return rows


def header_at(rows: Sequence[tuple[int, list[str]]]) -> int:
    """The position of the header among a table's first rows: the one with most known names, the last of equals; without
    any known name, the first that is about as wide as the widest."""
    known = [n_known_names(row) for _, row in rows]
    widths = [sum(bool(cell.strip()) for cell in row) for _, row in rows]
    is_title = widths[0] == 1 and 2 * sum(width > 1 for width in widths) > len(rows)
    most = max(known)
    if most > 1 and (known[0] < most or len(rows) == 1 or known[1] == most):
        first = known.index(most)
        best = first + 1 if known[first + 1 : first + 2] == [most] and _is_second_header(rows, first) else first
    elif known[0] and not is_title:
        best = 0
    else:
        best = 0 if widths[0] > 1 else next(at for at, width in enumerate(widths) if width >= 0.6 * max(widths))
    return best + 1 if _names_for_programs(rows[best + 1 : best + 2], rows[best][1]) else best


def joined_names(rows: Sequence[tuple[int, list[str]]], at: int) -> tuple[list[str], int]:
    """The names of a header in two lines, of which the second says the unit or currency of the first (``Price`` over
    ``EUR``), and the number of its lines below the one at ``at``: 0 or 1. What has no name there, or an amount in its
    place, is called as the line above says."""
    line, names = rows[at]
    if rows[at + 1 : at + 2] and rows[at + 1][0] == line + 1:
        below = [cell.strip() for cell in rows[at + 1][1]]
        named = all(name.strip() for name, unit in zip_longest(names, below, fillvalue="") if unit)
        filled = [cell for cell in below if cell]
        if named and any(map(_is_currency, filled)) and all(_is_currency(each) or _is_unit(each) for each in filled):
            return [_joined(*pair) for pair in zip_longest(names, below, fillvalue="")], 1
    if at and rows[at - 1][0] == line - 1:
        above = [cell.strip() for cell in rows[at - 1][1]]
        pairs = [(first, name.strip()) for first, name in zip_longest(above, names, fillvalue="")]
        if any(_is_currency(name) and n_known_names([first]) for first, name in pairs):
            units = {name for first, name in pairs if _is_currency(name) or _is_unit(name)}
            return [
                _joined(first, name) if name in units else first if first and (not name or is_value(name)) else name
                for first, name in pairs
            ], 0
    return names, 0


def _joined(first: str, second: str) -> str:
    return f"{first.strip()} {second}".strip()


def _is_currency(text: str) -> bool:
    """Whether nothing but a currency is in a cell, and what it is of: ``EUR``, ``(€)``, ``€/kg``."""
    found = _UNIT_OF.fullmatch(text.strip())
    symbol = found[1] if found else ""
    is_letter = len(symbol) == 1 and symbol.isascii() and symbol.isalpha()
    return bool(symbol) and not is_letter and currency_of(symbol, None) is not None


def _is_unit(text: str) -> bool:
    return _UNIT.fullmatch(text.strip()) is not None


_LABELLED = re.compile(r"\s*([^\W\d][\w .-]{0,40}?)\s*[=:](?!//)(.*)", re.DOTALL)
_UNIT_OF = re.compile(r"[(\[]?(?:in |en )?([^\W\d_]{2,5}\.?|[^\w\s()\[\]])(?: ?/ ?[\w²³]{1,8}\.?)?[)\]]?")
_UNIT = re.compile(
    r"[(\[]?(?:mg|g|gr|kg|t|ml|cl|l|mm|cm|m|m²|m³|in|inch|oz|lbs?|%|stk?|stück|pcs?|st|шт|кг|г|л|мл|см|мм)\.?[)\]]?",
    re.IGNORECASE,
)


def sample_rows_below(sample: Sequence[str], header: Header) -> list[list[str]]:
    """The first rows under a header."""
    rows = (row for at, row in sample_rows(sample, header.delimiter) if at > header.n_lines)
    return [*islice(rows, N_HEADER_LINES)]


def names_in_rows(rows: Sequence[Sequence[str]]) -> list[str] | None:
    """The names of columns where each of several rows says them itself, before each value, as in
    ``name|Mug|price|4.50``: at least two known ones. The columns with the names have none. None of other rows."""
    filled = [cells for row in rows if any(cells := [cell.strip() for cell in row])]
    if len(filled) < 2:
        return None
    n_cells = max(at for row in filled for at, cell in enumerate(row, start=1) if cell)
    width = n_cells + n_cells % 2  # the last value may be empty everywhere
    names = filled[0][:width:2]
    if any(row[:width:2] != names for row in filled) or all(row == filled[0] for row in filled):
        return None
    bare = [name.rstrip(" :=") for name in names]
    is_told = len({*map(str.casefold, filter(None, bare))}) == len(bare) and n_known_names(bare) > 1
    return [name for each in bare for name in ("", each)] if is_told else None


def labelled(cells: Sequence[str]) -> dict[str, str] | None:
    """The values of a row by the names that each of its cells has before its value, as in ``name=Mug|price=4.50``; None
    of a row of which a cell has none, or of which two have the same."""
    found = [_LABELLED.fullmatch(cell) for cell in cells if cell.strip()]
    values = {each[1]: each[2].strip() for each in found if each is not None}
    return values if values and len(values) == len(found) else None


def labels_of(rows: Sequence[Sequence[str]]) -> list[str] | None:
    """The names of columns where nearly all rows, several, have one in each cell before its value, at least two known
    ones; None of other rows."""
    filled = [row for row in rows if any(map(str.strip, row))]
    found = [values for row in filled if (values := labelled(row)) is not None and n_known_names([*values]) > 1]
    if len(found) < 2 or 10 * len(found) < 9 * len(filled):
        return None
    return list(dict.fromkeys(name for values in found for name in values))


def help_notes(path: Path, rows: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """What was skipped of the first rows, as it is no product."""
    n_help = sum(map(is_help, rows))
    return (
        (f"{path.name}: rows skipped below the header since they only explain the columns: {n_help}.",)
        if n_help
        else ()
    )


def unnamed_notes(path: Path, names: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Which columns are left out though the first rows have something in them, as nothing says what they are."""
    unnamed = [at for at, name in enumerate(names) if not name.strip()]
    filled = [at + 1 for at in unnamed if any(len(row) > at and not is_blank(row[at].strip()) for row in rows)]
    numbers = ", ".join(map(str, filled))
    return (
        (f"{path.name}: columns without a name were left out: {numbers}. A name above keeps them.",) if filled else ()
    )


def is_help(cells: Sequence[str]) -> bool:
    """Whether a row below the header says which columns must be filled, or names them once more, as in the templates of
    marketplaces."""
    filled = [cell.strip(" *()").casefold() for cell in cells if cell.strip()]
    n_help = sum(cell in _HELP for cell in filled)
    return 2 * n_help >= len(filled) > 1 or (len(filled) > 2 and n_known_names(filled) >= max(3, 0.6 * len(filled)))


_HELP = frozenset(
    str.split(
        "mandatory optional required recommended conditional conditionally preferred obligatorio opcional requerido "
        "recomendado obligatoire facultatif optionnel requis obbligatorio facoltativo opzionale pflicht pflichtfeld "
        "erforderlich empfohlen obrigatório verplicht optioneel wymagane opcjonalne обязательно необязательно "
        "必填 选填 非必填 必須 任意 필수 선택"
    )
) | {"conditional mandatory", "conditionally required", "mandatory field", "optional field"}


def _is_second_header(rows: Sequence[tuple[int, list[str]]], first: int) -> bool:
    """Whether the row after a header is another, as in Amazon's files: names for people, then for programs."""
    return all(re.fullmatch(r"[\w .:*-]*", cell) for cell in rows[first + 1][1])


def _names_for_programs(below: Sequence[tuple[int, list[str]]], header: Sequence[str]) -> bool:
    """Whether the row below a header for people names the same columns for programs, as ``item_sku``."""
    names = [cell.strip(EDGES) for cell in below[0][1]] if below else []
    held = [name for name in names if name and not name.isdecimal()]
    n_joined = sum("_" in name for name in held)
    is_for_people = sum(re.fullmatch(r"[a-z0-9_.]*", cell.strip()) is None for cell in header) > len(header) / 2
    keys = all(re.fullmatch(r"[a-z][a-z0-9_.]*(?:[\[#][\w\[\]=#.]*)?", name) for name in held)
    return keys and is_for_people and len(held) >= 3 and n_joined > len(held) / 3


def sample_rows(sample: Sequence[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The sample's rows with the number of the line that each begins on, quotes read leniently."""
    reader = csv.reader(sample, delimiter=delimiter)
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            continue
        yield line, [*row]
