"""CSV and TSV files in any encoding."""

from __future__ import annotations

import codecs
import csv
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from vitrina.indexer.sources.base import Rejection, TableRow
from vitrina.indexer.sources.cells import clean_text
from vitrina.search.types.errors import SourceError

FALLBACK = "vitrina-cp1252"
"""A decoding error handler: bytes that are no UTF-8 are read one by one as Windows-1252, the usual other encoding of
spreadsheets in the West. Text in it hardly ever forms valid UTF-8, so files that mix both come out right too."""

N_SAMPLE_BYTES = 1 << 20


def _as_cp1252(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("cp1252", errors="replace"), error.end


codecs.register_error(FALLBACK, _as_cp1252)


def detect_encoding(path: Path) -> tuple[str, tuple[str, ...]]:
    """The encoding to open a text file with, and a note if it is not UTF-8. Open it with ``errors=FALLBACK``.

    Judges the first MiB. Raises ``SourceError`` if the file is empty or not a text.
    """
    with path.open("rb") as file:
        sample = file.read(N_SAMPLE_BYTES)
    if not sample.strip():
        raise SourceError(
            f"{path.name} is empty.", remedy="Export the catalog again; its first line names the columns."
        )
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16", (f"{path.name} was read as UTF-16.",)
    if b"\0" in sample:
        raise SourceError(f"{path.name} is not a text file: it holds NUL bytes.", remedy="Save it as text in UTF-8.")
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError as error:
        note = f"{path.name} is not UTF-8 (byte {error.start:,}): such bytes were read as Windows-1252."
        return "utf-8-sig", (f"{note} If letters look wrong, save it as UTF-8.",)
    return "utf-8-sig", ()


def count_lines(path: Path, max_bytes: int = 1 << 28) -> int | None:
    """The lines that end in the file; None for one larger than ``max_bytes``, 256 MiB or about a quarter second."""
    if path.stat().st_size > max_bytes:
        return None
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))


MAX_ROW_CHARS = 1 << 20
"""The longest row read, ten times the longest description allowed; a longer one is skipped without being held."""

_DELIMITERS = ",\t;|"
_NAMES = {",": "CSV", "\t": "TSV", ";": "CSV, semicolons", "|": "CSV, bars"}


_HELD = frozenset('"' + _DELIMITERS)


class _OverlongRow(Exception):
    """A row of more characters than are read; the reader has moved past it."""


class _OpenQuote(Exception):
    """The file ended inside quotes."""


@dataclass(frozen=True, slots=True)
class DelimitedTable:
    """A text file of delimited rows under a header. ``joins_last`` puts cells past the last column back into it."""

    path: Path
    columns: tuple[str, ...]
    delimiter: str
    encoding: str
    n_rows: int | None
    notes: tuple[str, ...] = ()
    joins_last: bool = False
    max_row_chars: int = MAX_ROW_CHARS

    @property
    def format(self) -> str:
        """``CSV`` or ``TSV``, with its delimiter if unusual."""
        return _NAMES[self.delimiter]

    def rows(self) -> Iterator[TableRow | Rejection]:
        """The rows under the header; blank ones are left out, damaged ones rejected with the line they begin on."""
        with _open(self.path, self.encoding) as file:
            cells = _read_cells(file, self.delimiter, self.max_row_chars)
            next(cells, None)
            for line, found in cells:
                origin = f"{self.path.name}:{line}"
                if isinstance(found, str):
                    yield Rejection(origin, *_damage(found, self.max_row_chars))
                elif any(cell and not cell.isspace() for cell in found):
                    yield self._row(origin, found)

    def _row(self, origin: str, cells: list[str]) -> TableRow | Rejection:
        n_columns = len(self.columns)
        if len(cells) > n_columns and self.joins_last:
            cells[n_columns - 1 :] = [self.delimiter.join(cells[n_columns - 1 :])]
        elif any(cell.strip() for cell in cells[n_columns:]):
            reason = f"The row has {len(cells)} cells, the header {n_columns}."
            return Rejection(origin, reason, f"Put cells that contain {self.delimiter!r} in double quotes.")
        return TableRow(origin, {column: cell for column, cell in zip(self.columns, cells, strict=False) if column})


def open_delimited(path: Path) -> DelimitedTable:
    """Find a file's encoding, delimiter and columns. Raises ``SourceError`` if it is empty or only a header."""
    encoding, notes = detect_encoding(path)
    with _open(path, encoding) as file:
        header = file.readline(MAX_ROW_CHARS)
        while header and not header.strip():
            header = file.readline(MAX_ROW_CHARS)
    delimiter = _sniff(header, path)
    with _open(path, encoding) as file:
        cells = _read_cells(file, delimiter, MAX_ROW_CHARS)
        _, names = next(cells, (0, ""))
        has_rows = next(cells, None) is not None
    if isinstance(names, str):
        raise SourceError(f"The header of {path.name} cannot be read.", remedy=_damage(names, MAX_ROW_CHARS)[1])
    if not has_rows:
        raise SourceError(f"{path.name} has a header and no rows.", remedy="Export the catalog again.")
    n_lines = count_lines(path)
    return DelimitedTable(path, _unique(names), delimiter, encoding, n_lines and max(1, n_lines - 1), notes)


def _open(path: Path, encoding: str) -> TextIO:
    return path.open(encoding=encoding, errors=FALLBACK, newline="")


def _sniff(header: str, path: Path) -> str:
    """The delimiter that cuts the header into most columns; a tie goes to the file name's ending, then to commas."""
    order = "\t" + _DELIMITERS if path.suffix.lower() in (".tsv", ".tab") else _DELIMITERS
    return max(order, key=lambda delimiter: len(next(csv.reader([header[:100_000]], delimiter=delimiter), [])))


def _unique(names: list[str]) -> tuple[str, ...]:
    """Column names trimmed; a repeated one gets its number, a missing one stays empty and its cells are dropped."""
    counts: dict[str, int] = {}
    unique = []
    for name in map(clean_text, names):
        counts[name] = counts.get(name, 0) + 1
        unique.append(f"{name}_{counts[name]}" if name and counts[name] > 1 else name)
    return tuple(unique)


def _read_cells(file: TextIO, delimiter: str, max_row_chars: int) -> Iterator[tuple[int, list[str] | str]]:
    """Each row's first line and its cells, or the name of its damage."""
    csv.field_size_limit(max(csv.field_size_limit(), max_row_chars))  # rows are limited here, a cell by its row
    lines = _Lines(file, delimiter, max_row_chars)
    reader = csv.reader(lines, delimiter=delimiter)
    while True:
        lines.begin_row()
        first = lines.number + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except _OverlongRow:
            yield first, "overlong"
        except _OpenQuote:
            yield first, "open quote"
        except csv.Error:
            yield first, "malformed"
        else:
            if cells:
                yield first, cells


def _damage(kind: str, max_row_chars: int) -> tuple[str, str]:
    if kind == "overlong":
        reason = f"The row is longer than {max_row_chars:,} characters."
        return reason, "Shorten its texts; if they are short, a double quote that opens in this row never closes."
    if kind == "open quote":
        return "A double quote opens in this row and never closes.", "Close it, or write it twice if it is meant."
    return "The row is no valid CSV.", "Put its cells in double quotes, and double the quotes inside them."


class _Lines:
    """The file's lines, fed to ``csv.reader`` so that no row holds more than ``max_chars``.

    The reader asks for another line in the middle of a row only inside quotes, which tells the state. If a
    quote is still open at the end of the file, the lines after the row's first are given out again as rows.
    """

    def __init__(self, file: TextIO, delimiter: str, max_chars: int) -> None:
        self.number = 0
        self._file = file
        self._max_chars = max_chars
        self._row: list[str] = []
        self._again: deque[str] = deque()
        self._room = max_chars
        self._opening = re.compile(rf'\n|\r|{re.escape(delimiter)}"')

    def begin_row(self) -> None:
        """Forget the row before: the next line starts one."""
        self._row.clear()
        self._room = self._max_chars

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else self._file.readline(self._room + 1)
        if not line:
            self._end()
        if len(line) > self._room:
            self._skip(line)
            raise _OverlongRow
        self.number += 1
        self._room -= len(line)
        self._row.append(line)
        return line

    def _end(self) -> None:
        if not self._row:
            raise StopIteration
        self._again.extend(self._row[1:])
        self.number -= len(self._row) - 1
        raise _OpenQuote

    def _skip(self, text: str) -> None:
        """Move past the row that ``text`` belongs to, in pieces, following its quotes."""
        quoted = bool(self._row) or text.startswith('"')
        position = 0 if self._row else 1
        while text:
            # A doubled quote, or a delimiter and an opening quote, must not fall between two pieces.
            held = text[-1] if text[-1] in _HELD else ""
            quoted, ended = self._follow(text[:-1] if held else text, position, quoted)
            self.number += text.count("\n")
            if ended:
                return
            more = self._file.readline(self._max_chars)
            text, position = held + more if more else "", 0

    def _follow(self, text: str, position: int, quoted: bool) -> tuple[bool, bool]:
        """Whether quotes are open at the end of ``text``, and whether the row ended there."""
        while True:
            if quoted:
                position = text.find('"', position) + 1
                if not position:
                    return True, False
                quoted = text.startswith('"', position)
                position += quoted
            else:
                found = self._opening.search(text, position)
                if found is None:
                    return False, False
                if found.group()[-1] != '"':
                    return False, True
                quoted, position = True, found.end()
