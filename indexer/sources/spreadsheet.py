"""Excel workbooks: the sheets in them that hold products, read row by row."""

from __future__ import annotations

import datetime
import io
import re
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import ParseError

from vitrina.indexer.sources.base import Rejection, TableRow
from vitrina.indexer.sources.cells import is_blank, plain
from vitrina.indexer.sources.column_names import folded, n_known_names
from vitrina.indexer.sources.currencies import currency_of
from vitrina.indexer.sources.delimited import DelimitedTable, open_delimited, unique
from vitrina.indexer.sources.headerless import names_by_values
from vitrina.indexer.sources.headers import N_HEADER_LINES, header_at, help_notes, is_help, joined_names, unnamed_notes
from vitrina.indexer.sources.ini import IniTable
from vitrina.indexer.sources.json_ld import page_text
from vitrina.indexer.sources.page_tables import GridTable, find_tables
from vitrina.indexer.sources.spreadsheet_parts import SheetParts, read_parts
from vitrina.search.types.errors import SourceError

if TYPE_CHECKING:
    from openpyxl.worksheet._read_only import ReadOnlyWorksheet

MAX_UNPACKED_BYTES = 1 << 30
"""What a workbook may hold; its texts are kept in memory, about a third of it."""

_CODES_FROM = 10**11
"""Whole numbers of twelve digits are barcodes and their like."""

_DAMAGED = (zipfile.BadZipFile, KeyError, ValueError, TypeError, AttributeError, ParseError, EOFError, OSError)
"""What openpyxl raises on workbooks that are damaged."""

_CURRENCY = re.compile(r"\[\$([^\]-]+)(?:-[0-9A-Fa-f]+)?\]|\"\s*([^\"\d#]+?)\s*\"|\\?([$€£¥₹₽₩₺₴₫฿])")
"""A currency in the format of a number: ``[$€-407]``, ``"zł"``, ``$#,##0``."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """One sheet: its name, the number of its header's row, the columns in their order, and what is beside its cells.

    Without a header, ``n_header`` is that of the row above its first, and ``note`` says how its columns are understood.
    """

    name: str
    n_header: int
    columns: tuple[str, ...]
    first_rows: tuple[list[str], ...] = ()
    note: str = ""
    parts: SheetParts = field(default_factory=SheetParts, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class SpreadsheetTable:
    """The rows of a workbook's sheets that have the same columns."""

    path: Path
    sheets: tuple[Sheet, ...]
    columns: tuple[str, ...]
    n_rows: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def format(self) -> str:
        """Always ``Excel``."""
        return "Excel"

    def rows(self) -> Iterator[TableRow | Rejection]:
        """The rows under the headers, named by their numbers in the sheet; blank ones are left out."""
        book = _opened(self.path)
        try:
            for sheet in self.sheets:
                place = f"{self.path.name}:{f'{sheet.name}!' if len(self.sheets) > 1 else ''}"
                yield from _rows(book[sheet.name], sheet, place)
        except _DAMAGED as error:
            reason = f"The workbook is damaged from here on: {' '.join(str(error).split())[:200]}."
            yield Rejection(self.path.name, reason, "Save it again in Excel; the rows before are read.")
        finally:
            book.close()


def open_spreadsheet(path: Path) -> SpreadsheetTable | DelimitedTable | GridTable | IniTable:
    """Find the sheets with products and their headers; a text under the name of a workbook is read as such.

    Raises ``SourceError`` if it is none that can be read, too large, or has no table.
    """
    with path.open("rb") as file:
        start = file.read(512)
    if not start.startswith(b"PK"):
        return _other_format(path, start)
    _check_size(path)
    book = _opened(path)
    try:
        shown = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
        sheets_found = [each for sheet in shown if (each := _header(sheet, path.name)) is not None]
    except _DAMAGED as error:
        raise _damaged(path, error) from error
    finally:
        book.close()
    found = [(0 if each.note else n_known_names(each.columns), each) for each in sheets_found]
    if not found:
        raise SourceError(f"{path.name} has no sheet with a header and rows.", remedy="Export the catalog again.")
    best = max(found, key=lambda pair: (pair[0], len(pair[1].columns) > 1))[1]
    names = {folded(name) for name in best.columns}
    chosen = [each for _, each in found if {folded(name) for name in each.columns} == names]
    parts = read_parts(path, [each.name for each in chosen])
    sheets = tuple(replace(each, parts=parts[each.name]) for each in chosen)
    has_images = any(sheet.parts.images for sheet in sheets)
    columns = (*best.columns, *(("embedded_image",) if has_images and "embedded_image" not in names else ()))
    return SpreadsheetTable(path, sheets, columns, notes=_notes(path, sheets, [each.name for _, each in found]))


def _notes(path: Path, sheets: Sequence[Sheet], names: Sequence[str]) -> tuple[str, ...]:
    read = [sheet.name for sheet in sheets]
    others = [name for name in names if name not in read]
    above = [sheet for sheet in sheets if sheet.n_header > (not sheet.note)]
    notes = [f"{path.name}: read the sheet {', '.join(read)}, and not {', '.join(others)}."] if others else []
    notes += [
        f"{path.name}: skipped what is above row {each.n_header + bool(each.note)} of the sheet {each.name}."
        for each in above
    ]
    notes += list(dict.fromkeys(each.note for each in sheets if each.note))
    notes += [note for each in sheets for note in help_notes(path, each.first_rows)]
    named = (each for each in sheets if not each.note)
    return (
        *notes,
        *dict.fromkeys(note for each in named for note in unnamed_notes(path, each.columns, each.first_rows)),
    )


def _other_format(path: Path, start: bytes) -> DelimitedTable | GridTable | IniTable:
    """A file that is named as a workbook and is none: a text or a web page, which shops' own scripts often write."""
    remedy = "Open it in Excel or LibreOffice and save it as .xlsx, or as CSV (UTF-8)."
    if start.startswith(b"\xd0\xcf\x11\xe0"):
        raise SourceError(f"{path.name} is a workbook of Excel 97 to 2003, or has a password.", remedy=remedy)
    if start.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<":
        if (table := find_tables(path, page_text(path))) is not None:
            return table
        raise SourceError(
            f"{path.name} is a web page or XML under the name of a workbook, without a table of products.",
            remedy=remedy,
        )
    return open_delimited(path)


def _named_so(path: Path) -> Path | io.BytesIO:
    """The workbook, in memory if it has another ending, since openpyxl goes by that."""
    return path if path.suffix.lower() in (".xlsx", ".xlsm") else io.BytesIO(path.read_bytes())


def _check_size(path: Path) -> None:
    """Read through all parts, so that none can be larger than it says."""
    n_bytes = 0
    try:
        with zipfile.ZipFile(path) as packed:
            for info in packed.infolist():
                if info.filename.endswith((".xml", ".rels")):
                    with packed.open(info) as file:
                        while n_bytes <= MAX_UNPACKED_BYTES and (chunk := file.read(1 << 20)):
                            n_bytes += len(chunk)
    except (*_DAMAGED, NotImplementedError, RuntimeError) as error:
        raise _damaged(path, error) from error
    if n_bytes > MAX_UNPACKED_BYTES:
        raise SourceError(
            f"{path.name} holds more than {MAX_UNPACKED_BYTES:,} bytes when it is unpacked.",
            remedy="Save the sheet as CSV (UTF-8).",
        )


def _opened(path: Path) -> Any:
    from openpyxl import load_workbook

    warnings.filterwarnings("ignore", category=UserWarning, module="openpyxl")  # of styles and rules that are not read
    try:
        return load_workbook(_named_so(path), read_only=True, data_only=True, keep_links=False)
    except _DAMAGED as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> SourceError:
    return SourceError(
        f"{path.name} is no Excel workbook that can be read: {' '.join(str(error).split())[:200]}.",
        remedy="Save it again in Excel as .xlsx, or as CSV (UTF-8).",
    )


def _header(sheet: ReadOnlyWorksheet, source: str) -> Sheet | None:
    """A sheet by its header, or by its values where it has none; None if it has no two rows."""
    sheet.reset_dimensions()
    rows = ((number, [_text(cell) for cell in row]) for number, row in enumerate(sheet.iter_rows(), start=1))
    filled = list(islice(((number, row) for number, row in rows if any(row)), N_HEADER_LINES))
    if len(filled) < 2:
        return None
    at = header_at(filled)
    number, names = filled[at]
    while names and not names[-1]:
        names.pop()
    if all(sum(map(bool, row)) < 2 for _, row in filled[:at]) and (
        told := names_by_values([row for _, row in filled[at:]], source)
    ):
        return Sheet(sheet.title, number - 1, told[0], note=told[1])
    names, n_more = joined_names(filled, at)
    number, first_rows = number + n_more, tuple(row for _, row in filled[at + 1 + n_more :])
    return Sheet(sheet.title, number, unique(names), first_rows) if first_rows else None


def _rows(worksheet: ReadOnlyWorksheet, sheet: Sheet, place: str) -> Iterator[TableRow]:
    worksheet.reset_dimensions()
    held: dict[str, object] = {}
    for number, row in enumerate(worksheet.iter_rows(min_row=sheet.n_header + 1), start=sheet.n_header + 1):
        cells = {
            name: value
            for name, cell in zip(sheet.columns, row, strict=False)
            if name and (value := _value(cell)) is not None
        }
        own = [name for name, value in cells.items() if not is_blank(value)]
        images = sheet.parts.images.get(number, ())
        if not own and not images:
            continue
        if number < sheet.n_header + N_HEADER_LINES and is_help([str(cells[name]) for name in own]):
            continue
        held = {
            name: cells[name] if name in own else held.get(name)
            for name in sheet.parts.merged_at(number, sheet.columns)
        }
        cells |= {name: value for name, value in held.items() if value is not None}
        yield TableRow(f"{place}{number}", {**cells, "embedded_image": list(images)} if images else cells)


def _text(cell: Any) -> str:
    value = _value(cell)
    return "" if value is None else plain(value).strip()


def _value(cell: Any) -> Any:
    """What a cell shows: a code with its zeros, an amount with its currency, a day without a time."""
    value = cell.value
    if isinstance(value, float):
        value = float(f"{value:.15g}")
        value = int(value) if value.is_integer() and abs(value) < 1e15 else value
    if isinstance(value, datetime.datetime):
        return value.date() if value.time() == datetime.time() else value
    if isinstance(value, datetime.timedelta):
        return str(value)
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return value
    form = cell.number_format
    if isinstance(value, int) and abs(value) >= _CODES_FROM:
        value = str(value)
    if form == "General" or isinstance(value, str):
        return value
    if isinstance(value, int) and (n_digits := _n_digits(form)):
        return f"{value:0{n_digits}}"
    if form.rstrip().endswith("%"):
        return f"{value * 100:.10g}%"
    symbol = _symbol(form)
    return value if symbol is None else f"{value} {symbol}"


@lru_cache(maxsize=256)
def _n_digits(form: str) -> int:
    """The digits of a code that is written with leading zeros."""
    return len(form) if re.fullmatch(r"0{2,20}", form) else 0


@lru_cache(maxsize=256)
def _symbol(form: str) -> str | None:
    """The currency in the format of a number."""
    found = (next(filter(None, match.groups())).strip() for match in _CURRENCY.finditer(form))
    return next((symbol for symbol in found if symbol and currency_of(symbol, None)), None)
