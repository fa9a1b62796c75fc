"""Tables of products in web pages, which shops also save under the name of a workbook, and in Excel's XML of 2003."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from vitrina.indexer.sources.base import TableRow
from vitrina.indexer.sources.cells import without_markup
from vitrina.indexer.sources.column_names import folded, has_word, n_known_names, name_table
from vitrina.indexer.sources.column_values import is_value
from vitrina.indexer.sources.currencies import currency_of
from vitrina.indexer.sources.delimited import unique
from vitrina.indexer.sources.headers import N_HEADER_LINES, header_at, is_help, joined_names

N_HEAD_CHARS = 4_096
"""Where files of a kind say so."""

N_TITLE_CHARS = 2_000
"""Above a table, looked through for its title."""

CATEGORY = "category"
MAX_COLUMNS = 1_000
"""Of a table, and rows that one cell may take."""

_TAG = re.compile(
    r"<(/?)(?:\w+:)?(table|worksheet|tr|row|t[dh]|cell)(?=[\s/>])((?:[^<>\"']|\"[^\"]*\"|'[^']*')*+)>", re.IGNORECASE
)
_HIDDEN = re.compile(r"<!--.*?(?:-->|\Z)|<(script|style)\b.*?(?:</\1\s*>|\Z)|<wbr\s*/?>", re.IGNORECASE | re.DOTALL)
_ATTRIBUTE = re.compile(
    r"(?:\w+:)?(colspan|rowspan|index|mergeacross|mergedown)\s*=\s*[\"']?\s*(\d{1,4})", re.IGNORECASE
)
_TITLE = re.compile(r"<(h[1-6])\b[^<>]*>((?:(?!</?h[1-6]\b).)*)</\1\s*>", re.IGNORECASE | re.DOTALL)
_CAPTION = re.compile(r"\s*<(caption)\b[^<>]*>(.{1,500}?)</caption\s*>", re.IGNORECASE | re.DOTALL)
_BOLD = re.compile(r"<p\b[^<>]*>\s*<(b|strong)\b[^<>]*>([^<>]+)</\1\s*>\s*</p\s*>", re.IGNORECASE)
_AMOUNT = re.compile(r"\d[\d.,]*\s?([^\d\s]{1,5})")
_IMAGE = re.compile(r"<img\b[^<>]*?\s(?:data-)?src\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s<>]+))", re.IGNORECASE)


@dataclass(slots=True)
class _Cell:
    """A cell with the columns and rows that it takes; ``at`` is the column that Excel says it is in, from 0."""

    markup: str = ""
    n_columns: int = 1
    n_rows: int = 1
    at: int | None = None

    @classmethod
    def of(cls, attributes: str) -> _Cell:
        said = {name.lower(): min(int(n), MAX_COLUMNS) for name, n in _ATTRIBUTE.findall(attributes)}
        n_columns = said.get("mergeacross", 0) + 1 if "mergeacross" in said else said.get("colspan") or 1
        n_rows = said.get("mergedown", 0) + 1 if "mergedown" in said else said.get("rowspan") or 1
        return cls("", n_columns, n_rows, said["index"] - 1 if said.get("index") else None)

    @property
    def text(self) -> str:
        """What the cell shows: its text, or else the addresses of its images."""
        shown = " ".join(without_markup(self.markup).split()) if self.markup else ""
        return shown or " ".join("".join(each).strip() for each in _IMAGE.findall(self.markup))


@dataclass(frozen=True, slots=True)
class _Line:
    """A table's row; ``heading`` is its only text where that stands across the table."""

    cells: tuple[str, ...]
    heading: str = ""


@dataclass(frozen=True, slots=True)
class GridTable:
    """The rows of those tables of a page that have the same columns. Headings across a table are put into the column
    ``headed`` of the rows below them."""

    path: Path
    format: str
    names: tuple[str, ...]
    tables: tuple[tuple[_Line, ...], ...]
    headed: str = ""
    notes: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, and of that with the headings."""
        return (*self.names, self.headed) if self.headed else self.names

    @property
    def n_rows(self) -> int:
        """How many rows there are, with headings."""
        return sum(map(len, self.tables))

    def rows(self) -> Iterator[TableRow]:
        """The rows under the headers, numbered from 1."""
        numbers = count(1)
        for lines in self.tables:
            heading = ""
            for line, number in zip(lines, numbers, strict=False):
                heading = line.heading or heading
                pairs = zip(self.names, line.cells, strict=False)
                cells: dict[str, object] = {name: cell for name, cell in pairs if name and cell}
                if cells and not line.heading and not is_help(line.cells):
                    own = {self.headed: heading} if heading else {}
                    yield TableRow(f"{self.path.name}:{number}", {**cells, **own})


def find_tables(path: Path, text: str) -> GridTable | None:
    """The table of products in a page's text, or all that have the columns of the one with most known names and then
    most rows; None where no table's header has a known name and no price."""
    found = [
        (title, *each) for title, lines in _tables(_HIDDEN.sub("", text)) if (each := _with_header(lines)) is not None
    ]
    best = max(found, key=lambda each: (n_known_names(each[1]), len(each[2])), default=None)
    if best is None:
        return None
    names = best[1]
    of_columns = [(title, lines) for title, own, lines in found if list(map(folded, own)) == list(map(folded, names))]
    tables = _under_titles(of_columns)
    first = next((line.heading for lines in tables for line in lines if line.heading), "")
    is_taken = any(kind in folded(name) for name in names for kind in ("categor", "kategori"))
    headed = "" if not first else "section" if is_taken else CATEGORY
    notes = [f"{path.name}: read {len(tables)} of {len(found)} tables."] if len(found) > len(tables) else []
    notes += [f"{path.name}: headings of a table ({first[:60]!r}) are the {headed} of the rows below."] * bool(first)
    form = "Excel 2003 XML" if is_excel_2003(text[:N_HEAD_CHARS]) else "web page"
    return GridTable(path, form, names, tables, headed, tuple(notes))


def _under_titles(tables: Sequence[tuple[str, tuple[_Line, ...]]]) -> tuple[tuple[_Line, ...], ...]:
    """The rows of tables, below the titles above them where there are several and each has another."""
    titles = {title for title, _ in tables}
    if len(tables) == 1 or len(titles) < len(tables) or "" in titles:
        return tuple(lines for _, lines in tables)
    return tuple((_Line((), title), *lines) for title, lines in tables)


def is_excel_2003(start: str) -> bool:
    """Whether a file that begins so is the XML that Excel 2003 and many programs write."""
    return "urn:schemas-microsoft-com:office:spreadsheet" in start and "<html" not in start.lower()


def _with_header(lines: Sequence[_Line]) -> tuple[tuple[str, ...], tuple[_Line, ...]] | None:
    """A table's names and the rows below them; None if it has no line of names with a known one, or none of a price."""
    rows = [(number, [*line.cells]) for number, line in enumerate(lines) if any(line.cells) and not line.heading]
    if len(rows) < 2:
        return None
    at = header_at(rows[:N_HEADER_LINES])
    names, n_more = joined_names(rows, at)
    named = [name for name in names if name]
    prices = name_table("names")["price"]
    is_priced = any(folded(name) in prices or has_word(folded(name), "words", "price") for name in named)
    if (
        len(named) < 2
        or any(is_value(name) or _is_amount(name) for name in named)
        or n_known_names(named) < (1 if is_priced else 2)
    ):
        return None
    return unique(names), tuple(lines[rows[at][0] + n_more + 1 :])


def _is_amount(name: str) -> bool:
    found = _AMOUNT.fullmatch(name)
    return found is not None and currency_of(found[1], None) is not None


def _tables(text: str) -> Iterator[tuple[str, list[_Line]]]:
    """The tables of a page, those inside of others first, each with the last title between it and the one before."""
    open_tables: list[list[list[_Cell]]] = []
    titles: list[str] = []
    end, after, cell = 0, 0, None
    for tag in _TAG.finditer(text):
        is_end, name = bool(tag[1]), tag[2].lower()
        if cell is not None:
            cell.markup += text[end : tag.start()]
        end = tag.end()
        if name in ("table", "worksheet"):
            cell = None
            if not is_end:
                open_tables.append([])
                titles.append(_title(text[max(after, tag.start() - N_TITLE_CHARS) : tag.start()], text, end))
            elif open_tables:
                yield titles.pop(), _lines(open_tables.pop())
            after = end
        elif not open_tables:
            continue
        elif name in ("tr", "row"):
            cell = None
            if not is_end:
                open_tables[-1].append([])
        elif is_end:
            cell = None
        elif open_tables[-1]:
            cell = _Cell.of(tag[3])
            open_tables[-1][-1].append(cell)
            cell = None if tag[3].endswith("/") else cell
    yield from ((title, _lines(rows)) for title, rows in zip(reversed(titles), reversed(open_tables), strict=True))


def _title(above: str, text: str, start: int) -> str:
    """A table's caption, or the last title above it, or else the last bold paragraph."""
    caption = _CAPTION.match(text, start)
    found = [(caption[1], caption[2])] if caption else _TITLE.findall(above) or _BOLD.findall(above)
    return " ".join(without_markup(found[-1][1]).split()) if found else ""


def _lines(rows: Sequence[Sequence[_Cell]]) -> list[_Line]:
    """A table's rows in columns: a cell of several rows stands in each, one of several columns in the first."""
    lines: list[_Line] = []
    spanning: dict[int, tuple[int, str]] = {}
    for row in rows:
        cells = {at: text for at, (_, text) in spanning.items()}
        held = {at: (n - 1, text) for at, (n, text) in spanning.items() if n > 1}
        at = 0
        for cell in row:
            at = next((free for free in range(max(at, cell.at or 0), MAX_COLUMNS) if free not in spanning), MAX_COLUMNS)
            if at == MAX_COLUMNS:
                break
            cells[at] = cell.text
            if cell.n_rows > 1:
                held |= {at + n: (cell.n_rows - 1, cell.text if n == 0 else "") for n in range(cell.n_columns)}
            at += cell.n_columns
        spanning = held
        width = max(cells, default=-1) + 1
        lines.append(_Line(tuple(cells.get(n, "") for n in range(width)), _heading(row)))
    return lines


def _heading(row: Sequence[_Cell]) -> str:
    """The only text of a row, if it takes several columns and most of the table's."""
    filled = [cell for cell in row if cell.text]
    is_across = len(filled) == 1 and filled[0].n_columns > max(1, sum(cell.n_columns for cell in row) // 2)
    return filled[0].text if is_across else ""
