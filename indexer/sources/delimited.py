"""CSV and TSV files as they come: other encodings, lines above the header, and quotes that nobody closed."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress, islice
from pathlib import Path
from typing import TextIO

from vitrina.indexer.sources.base import Rejection, TableRow
from vitrina.indexer.sources.cells import EDGES, clean_text
from vitrina.indexer.sources.currencies import currency_in_name
from vitrina.indexer.sources.delimited_rows import (
    MAX_ROW_CHARS,
    Damage,
    RowFormat,
    are_wrapped,
    has_escapes,
    read_cells,
    unwrapped,
)
from vitrina.indexer.sources.encodings import TextEncoding, detect_encoding, open_bytes, open_text
from vitrina.indexer.sources.headerless import INDEX, names_by_values
from vitrina.indexer.sources.headers import (
    N_HEADER_LINES,
    Header,
    find_header,
    help_notes,
    is_help,
    labelled,
    labels_of,
    names_in_rows,
    sample_rows,
    sample_rows_below,
    unnamed_notes,
)
from vitrina.indexer.sources.ini import IniTable, open_ini
from vitrina.search.types.errors import SourceError

_NAMES = {
    ",": "CSV", "\t": "TSV", ";": "CSV, semicolons", "|": "CSV, bars", "^": "CSV, carets", "~": "CSV, tildes",
    "\x01": "CSV, Hive's signs",
}  # fmt: skip
_END_OF_FILE = "\x1a"
"""What DOS programs write after the last line."""

N_TOLD = 500
"""Rows whose values tell what columns without names are."""


@dataclass(frozen=True, slots=True)
class DelimitedTable:
    """A text file of delimited rows under a header. ``joins_last`` puts cells past the last column back into it.

    ``n_skipped`` is how many lines stand above the rows, the header among them. ``numbered`` are columns that hold one
    value each of a list, as ``tags[0]`` and ``tags/1``, by the list's name, which is a column in their place. If it
    ``is_labelled``, each cell has its name before its value.
    """

    path: Path
    names: tuple[str, ...]
    layout: RowFormat
    encoding: TextEncoding
    n_rows: int | None
    n_skipped: int = 1
    notes: tuple[str, ...] = ()
    joins_last: bool = False
    is_labelled: bool = False
    numbered: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def format(self) -> str:
        """``CSV`` or ``TSV``, with its delimiter if unusual."""
        return _NAMES[self.layout.delimiter]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns' names, each list's once."""
        lists = {member: name for name, members in self.numbered.items() for member in members}
        return tuple(dict.fromkeys(lists.get(name, name) for name in self.names)) if lists else self.names

    def rows(self) -> Iterator[TableRow | Rejection]:
        """The rows under the header; blank ones are left out, damaged ones rejected with the line they begin on."""
        leads = {self.names[0][:1], "-", "=", ":", ""}
        with open_text(self.path, self.encoding) as file:
            _skip(file, self.n_skipped)
            for line, found in read_cells(file, self.layout, self.n_skipped):
                origin = f"{self.path.name}:{line}"
                if isinstance(found, Damage):
                    yield Rejection(origin, *found.explained(self.layout))
                elif any(cell and not cell.isspace() and cell != _END_OF_FILE for cell in found) and not (
                    (found[0][:1] in leads and self._is_header(found))
                    or (line <= self.n_skipped + N_HEADER_LINES and is_help([*compress(found, self.names)]))
                ):
                    yield self._row(origin, found)

    def _is_header(self, cells: list[str]) -> bool:
        """Whether a row repeats the header, as where exports were put together, or is the line of dashes below it."""
        if self.names[0] and cells[0].strip() == self.names[0] and len(cells) > 1:
            return all(cell.strip() in (name, "") for cell, name in zip(cells, self.names, strict=False))
        lead = (cells[0] or cells[1] if len(cells) > 1 else "").lstrip()[:2]
        return lead in ("--", "==", ":-") and all(not cell.strip("-=: ") for cell in cells)

    def _row(self, origin: str, cells: list[str]) -> TableRow | Rejection:
        n_columns = len(self.names)
        if self.is_labelled:
            values = labelled(cells)
            reason, remedy = "A cell of the row has no name before its value.", "Write each as NAME=VALUE."
            return Rejection(origin, reason, remedy) if values is None else TableRow(origin, values)
        if len(cells) > n_columns and self.joins_last:
            cells[n_columns - 1 :] = [self.layout.delimiter.join(cells[n_columns - 1 :])]
        elif (joined := _without_commas_of_prose(cells, n_columns, self.layout.delimiter)) is not None:
            cells = joined
        elif any(cell.strip() for cell in cells[n_columns:]):
            reason = f"The row has {len(cells)} cells, the header {n_columns}."
            return Rejection(origin, reason, f"Put cells that contain {self.layout.delimiter!r} in double quotes.")
        pairs = zip(self.names, cells, strict=False)
        held = {name: cell.strip() if cell.isascii() else cell.strip(EDGES) for name, cell in pairs if name}
        return TableRow(origin, self._with_lists(held) if self.numbered else held)

    def _with_lists(self, cells: dict[str, str]) -> dict[str, object]:
        lists = {name: [cells.pop(each, "") for each in members] for name, members in self.numbered.items()}
        return {**cells, **{name: [*filter(None, values)] for name, values in lists.items()}}


def _without_commas_of_prose(cells: list[str], n_columns: int, delimiter: str) -> list[str] | None:
    """The cells of a row in which just as many as there are too many begin with a blank, as after a comma in a text
    that nobody quoted, each joined to the one before it; None of any other row."""
    n_more = len(cells) - n_columns
    if n_more <= 0 or delimiter == "\t" or sum(cell[:1] == " " and cell.strip() != "" for cell in cells[1:]) != n_more:
        return None
    joined: list[str] = cells[:1]
    for cell in cells[1:]:
        if cell[:1] == " " and cell.strip():
            joined[-1] += delimiter + cell
        else:
            joined.append(cell)
    return joined


def open_delimited(path: Path, encoding: str | None = None) -> DelimitedTable | IniTable:
    """Find a file's encoding, which ``encoding`` may name, its delimiter, its header and its quoting; or the
    sections of INI.

    Raises ``SourceError`` if it is empty or only a header, or if its encoding cannot be told.
    """
    found = detect_encoding(path, encoding)
    with open_text(path, found) as file:
        sample = list(_first_lines(file))
    if (sections := open_ini(path, found, sample)) is not None:
        return sections
    header = find_header(sample, path)
    is_wrapped = header is not None and len(header.names) == 1 and are_wrapped(sample)
    if is_wrapped:
        sample = [unwrapped(line) for line in sample]
        header = find_header(sample, path)
    if header is None:
        raise SourceError(
            f"The header of {path.name} cannot be read.", remedy="Put each column's name in its first line."
        )
    told = _said_in_rows(sample, header, path) or _told_by_values(sample, header, path)
    header = told or _with_unnamed(sample, header)
    below, n_columns = sample[header.n_lines :], len(header.names)
    is_escaped = has_escapes(below, header.delimiter, n_columns)
    layout = RowFormat(header.delimiter, n_columns, is_quoted=_is_quoted(below, header), is_escaped=is_escaped)
    layout = replace(layout, is_wrapped=is_wrapped)
    n_lines, first_rows = count_lines(path), sample_rows_below(sample, header)
    names = tuple(told.names) if told else unique(header.names)
    named_rows = [[*compress(row, names)] for row in first_rows]
    unnamed = () if told else unnamed_notes(path, names, first_rows)
    table = DelimitedTable(
        path,
        names,
        layout,
        found,
        n_lines and max(1, n_lines - header.n_lines),
        header.n_lines,
        (*found.notes, *header.notes(path), *help_notes(path, named_rows), *unnamed),
        is_labelled=header.is_labelled,
        numbered=_numbered(names),
    )
    if next(table.rows(), None) is None:
        raise SourceError(f"{path.name} has a header and no rows.", remedy="Export the catalog again.")
    return table


def _said_in_rows(sample: Sequence[str], header: Header, path: Path) -> Header | None:
    """A header of the names that each row has before its values; None where rows have none."""
    rows = [row for _, row in islice(sample_rows(sample, header.delimiter), N_TOLD)]
    labels = labels_of(rows)
    names = labels or names_in_rows(rows)
    if names is None:
        return None
    note = f"{path.name}: each row has names before its values: {', '.join(filter(None, names))}."
    return replace(header, names=names, n_lines=0, above=(), told=(note,), is_labelled=labels is not None)


def _told_by_values(sample: Sequence[str], header: Header, path: Path) -> Header | None:
    """A header that is not in the file, above its first row, or above the heading of its first section; None where the
    file has one of its own. A price is of the currency that stands alone above it."""
    n_before = header.n_lines - 1 - sum(name.count("\n") for name in header.names)
    if any(header.delimiter in text for text in header.above):
        return None
    found = [(line, [*map(str.strip, row)]) for line, row in sample_rows(sample, header.delimiter)]
    above, rows = ([row for row in found if (row[0] > n_before) == is_below] for is_below in (False, True))
    told = names_by_values([row for _, row in rows[:N_TOLD]], path.name) if rows else None
    if told is None:
        return None
    names, skipped = [*told[0]], header.above
    if "price" in names and (code := _currency_above([row for _, row in above], at := names.index("price"))):
        names[at] = f"price ({code})"
    if above and above[-1][0] == n_before and _place(above[-1][1]) in {_place(row) for _, row in rows} - {None}:
        n_before, skipped = n_before - 1, skipped[:-1]
    return replace(header, names=names, n_lines=n_before, above=skipped, told=(told[1],))


def _currency_above(rows: Sequence[Sequence[str]], at: int) -> str | None:
    """The currency that a row says above a column."""
    found = (currency_in_name(row[at]) for row in rows if _place(row) == at)
    return next((code for code in found if code), None)


def _place(row: Sequence[str]) -> int | None:
    """Where the only text of a row stands; None where there are several or none."""
    filled = [at for at, cell in enumerate(row) if cell]
    return filled[0] if len(filled) == 1 else None


def _with_unnamed(sample: Sequence[str], header: Header) -> Header:
    """The header with an empty name where each row below has one cell more, which is no text with an unquoted comma: at
    the end, or in front where those cells count the rows, as R writes its tables."""
    rows = sample_rows_below(sample, header)
    n_columns = len(header.names)
    if header.delimiter == "," or len(rows) < 2 or any(len(row) != n_columns + 1 for row in rows):
        return header
    is_counted = [row[0].strip() for row in rows] == [str(n) for n in range(1, len(rows) + 1)]
    return replace(header, names=["", *header.names] if is_counted else [*header.names, ""])


def _first_lines(file: TextIO) -> Iterator[str]:
    n_chars = 0
    while n_chars < MAX_ROW_CHARS and (line := file.readline(MAX_ROW_CHARS)):
        yield line
        n_chars += len(line)


def count_lines(path: Path, max_bytes: int = 1 << 28) -> int | None:
    """The lines that end in the file; None for one larger than ``max_bytes``, 256 MiB or about a quarter second, and
    for a compressed one."""
    if path.stat().st_size > max_bytes or path.suffix.lower() == ".gz":
        return None
    with open_bytes(path) as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))


def _is_quoted(lines: Sequence[str], header: Header) -> bool:
    """Whether double quotes enclose cells. They do not in a file that nobody quoted: every line has the header's
    number of cells if quotes are letters, and some quote that opens a cell does not close it.
    """
    filled = [line.rstrip("\r\n") for line in lines if line.strip()]
    quoting = [line for line in filled if re.search(rf'(?:^|{re.escape(header.delimiter)})"', line)]
    if not quoting or any(line.count(header.delimiter) != len(header.names) - 1 for line in filled):
        return True
    if header.delimiter != "\t":
        return True
    cells = re.compile(rf'(?:^|{header.delimiter})"(?:[^"]|"")*"(?={header.delimiter}|$)')
    opening = re.compile(rf'(?:^|{header.delimiter})"')
    return all(len(opening.findall(line)) == len(cells.findall(line)) for line in quoting)


def _without_number_of_pandas(name: str, known: Collection[str]) -> str:
    """``image`` for the ``image.1`` that pandas makes of its second column of that name."""
    bare, _, number = name.rpartition(".")
    return bare if number.isdecimal() and bare in known else name


def _numbered(columns: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The columns of one value each of a list, by its name: two at least, numbered from 0 or 1, or one ``[0]``."""
    found: dict[str, dict[int, str]] = {}
    for column in columns:
        if match := _NUMBERED.fullmatch(column):
            found.setdefault(match[1], {})[int(match[2] or match[3])] = column
    return {
        name: tuple(each for _, each in sorted(members.items()))
        for name, members in found.items()
        if (len(members) > 1 or members.get(0, "").endswith("[0]")) and min(members) <= 1 and name not in columns
    }


_NUMBERED = re.compile(r"(?!(?i:.*option.?(?:name|value|type|choice)))(.*[^\W\d]) ?(?:\[(\d{1,3})\]|[/.](\d{1,3}))")
_QUOTED = re.compile(r'"[^"]+"')


def _skip(file: TextIO, n_lines: int) -> None:
    for _ in range(n_lines):
        file.readline()


def unique(names: Sequence[str]) -> tuple[str, ...]:
    """Column names trimmed, and without quotes that stand around each of them; a repeated one, in whatever letter case,
    gets its number, a missing one stays empty and its cells are dropped, but for the first one, of row numbers."""
    counts: dict[str, int] = {}
    unique = []
    names = [clean_text(name) for name in names]
    if all(map(_QUOTED.fullmatch, filter(None, names))):
        names = [name[1:-1] for name in names]
    first, *others = (_without_number_of_pandas(name, {*names}) for name in names)
    for name in (first or (INDEX if all(others) else ""), *others):
        n = counts[name.casefold()] = counts.get(name.casefold(), 0) + 1
        unique.append(f"{name}_{n}" if name and n > 1 else name)
    return tuple(unique)
