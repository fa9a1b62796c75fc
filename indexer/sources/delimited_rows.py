"""The rows of a delimited text: one that is damaged costs itself, not those after it."""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Literal, TextIO

MAX_ROW_CHARS = 1 << 20
"""The longest row read, ten times the longest description allowed; a longer one is skipped without being held."""

MAX_JOINED_LINES = 100
"""Lines that a cell with quotes inside it may go on for."""


@dataclass(frozen=True, slots=True)
class RowFormat:
    """How rows are cut into cells. With ``is_escaped`` a quote inside quotes has a backslash before it, as MySQL writes
    it, in the place of a second quote; ``is_wrapped`` is a file whose lines are quoted once more, each as a whole."""

    delimiter: str
    n_columns: int
    is_quoted: bool = True
    is_escaped: bool = False
    is_wrapped: bool = False
    max_row_chars: int = MAX_ROW_CHARS


class Damage(StrEnum):
    """Why a row cannot be read."""

    OVERLONG = "overlong"
    OPEN_QUOTE = "open quote"

    def explained(self, layout: RowFormat) -> tuple[str, str]:
        """The reason and the remedy."""
        if self is Damage.OVERLONG:
            reason = f"The row is longer than {layout.max_row_chars:,} characters."
            return reason, "Shorten its texts; if they are short, a double quote that opens in this row never closes."
        return "A double quote opens in this row and never closes.", "Close it, or write it twice if it is meant."


class _OverlongRow(Exception):
    """A row of more characters than are read; the reader has moved past it."""


class _OpenQuote(Exception):
    """The file ended inside quotes, or what they enclose are rows."""


def read_cells(file: TextIO, layout: RowFormat, n_before: int = 0) -> Iterator[tuple[int, list[str] | Damage]]:
    """Each row's first line and its cells, or its damage. ``n_before`` lines of the file were read before."""
    csv.field_size_limit(max(csv.field_size_limit(), layout.max_row_chars))  # rows are limited here, a cell by its row
    lines = _Lines(file, layout, n_before)
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if layout.is_quoted else csv.QUOTE_NONE
    reader = csv.reader(lines, delimiter=layout.delimiter, quoting=quoting, strict=True)
    while True:
        lines.begin_row()
        first = lines.number + 1
        try:
            cells: list[str] | Damage = next(reader)
            if lines.holds_rows() or lines.n_held > 1 < layout.n_columns < len(cells):
                raise _OpenQuote
        except StopIteration:
            return
        except _OverlongRow:
            cells = Damage.OVERLONG
        except (_OpenQuote, csv.Error):
            cells = _mended(lines, layout)
        if cells:
            yield first, cells


def _mended(lines: _Lines, layout: RowFormat) -> list[str] | Damage:
    """The cells of a row whose quotes are wrong, where they can be told; the lines after it are given back."""
    held = lines.give_back()
    first = held[0].rstrip("\r\n")
    cells, is_open = lenient_cells(first, layout.delimiter)
    if not is_open:
        return cells
    if layout.delimiter == "\t" or (len(cells) == layout.n_columns and not _opens_only(cells)):
        return cells
    if len(cells) < layout.n_columns and (joined := _joined(lines, held[0], layout)) is not None:
        return joined
    return Damage.OPEN_QUOTE


def _opens_only(cells: Sequence[str]) -> bool:
    """Whether a cell begins with a quote that has no other after it."""
    return any(cell.startswith('"') and '"' not in cell[1:] for cell in cells)


def _joined(lines: _Lines, text: str, layout: RowFormat) -> list[str] | None:
    """The cells of a row that goes on over the next lines, with quotes inside it; None if it does not."""
    for n_lines, line in enumerate(islice(lines.upcoming(), MAX_JOINED_LINES), start=1):
        if _is_row(line, layout):
            return None
        text += line
        cells, is_open = lenient_cells(text.rstrip("\r\n"), layout.delimiter)
        if not is_open and len(cells) == layout.n_columns:
            lines.take(n_lines)
            return cells
    return None


def lenient_cells(text: str, delimiter: str) -> tuple[list[str], bool]:
    """A row's cells where quotes inside quoted cells need not be doubled: a quote closes a cell if the delimiter or the
    end follows. One that never closes is a letter. Also says whether there was such a one.
    """
    cells: list[str] = []
    at, is_open = 0, False
    closing = re.compile(rf'"(?={re.escape(delimiter)}|$)')
    while True:
        if text.startswith('"', at) and (end := _closed_at(text, at + 1, closing)) >= 0:
            cells.append(text[at + 1 : end].replace('""', '"'))
            at = end + 1
        else:
            is_open = is_open or text.startswith('"', at)
            end = text.find(delimiter, at)
            end = len(text) if end < 0 else end
            cells.append(text[at:end])
            at = end
        if at >= len(text):
            return cells, is_open
        at += 1


def are_wrapped(lines: Sequence[str]) -> bool:
    """Whether each line is one quoted cell, as where a program took a file for one of a single column."""
    return len(lines) > 1 and all(_WRAPPED.fullmatch(line) for line in lines if line.strip())


def unwrapped(line: str) -> str:
    """What a line encloses in quotes; any other line as it is."""
    found = _WRAPPED.fullmatch(line)
    return f"{found[1]}\n".replace('""', '"') if found else line


_WRAPPED = re.compile(r'"((?:[^"]|"")*)"\s*')


def has_escapes(lines: Sequence[str], delimiter: str, n_columns: int) -> bool:
    """Whether backslashes before quotes escape them: more lines have all their cells if they do, or as many and more
    of them by the rules of CSV."""
    odd = [line.rstrip("\r\n") for line in lines if '\\"' in line]
    escaped, plain = (
        (
            sum(
                not is_open and len(cells) == n_columns
                for cells, is_open in (lenient_cells(each, delimiter) for each in part)
            ),
            sum(_is_strict(each, delimiter) for each in part),
        )
        for part in ([each.replace('\\"', '""') for each in odd], odd)
    )
    return escaped > plain


def _is_strict(line: str, delimiter: str) -> bool:
    """Whether a line's quotes are as CSV has them."""
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True), None) is not None
    except csv.Error:
        return False


def _closed_at(text: str, start: int, closing: re.Pattern[str]) -> int:
    """Where a quoted cell ends: at the first quote before a delimiter that is not the second of a pair."""
    for found in closing.finditer(text, start):
        n_quotes = len(text[start : found.end()]) - len(text[start : found.end()].rstrip('"'))
        if n_quotes % 2:
            return found.start()
    return -1


def _is_row(line: str, layout: RowFormat) -> bool:
    """Whether a line alone is a whole row: all its cells, or all but one empty."""
    cells, is_open = lenient_cells(line.rstrip("\r\n"), layout.delimiter)
    n_filled = sum(bool(cell.strip()) for cell in cells)
    return not is_open and len(cells) == layout.n_columns and bool(cells[0].strip()) and n_filled > 1


class _Lines:
    """The file's lines, fed to ``csv.reader`` so that no row holds more than ``max_row_chars``.

    The reader asks for another line in the middle of a row only inside quotes, which tells the state. Lines can be
    given back, to be read as rows of their own.
    """

    def __init__(self, file: TextIO, layout: RowFormat, n_before: int) -> None:
        self.number = n_before
        self._file = file
        self._layout = layout
        self._row: list[str] = []
        self._again: deque[str] = deque()
        self._room = layout.max_row_chars
        self._opening = re.compile(rf'\n|\r|{re.escape(layout.delimiter)}"')

    @property
    def n_held(self) -> int:
        """How many lines the row has so far."""
        return len(self._row)

    def begin_row(self) -> None:
        """Forget the row before: the next line starts one."""
        self._row.clear()
        self._room = self._layout.max_row_chars

    def __iter__(self) -> Iterator[str]:
        return self

    def _read(self, n_chars: int) -> str:
        line = self._file.readline(n_chars)
        line = unwrapped(line) if self._layout.is_wrapped else line
        return line.replace('\\"', '""') if self._layout.is_escaped else line

    def __next__(self) -> str:
        is_again = bool(self._again)
        line = self._again.popleft() if is_again else self._read(self._room + 1)
        if not line:
            if self._row:
                raise _OpenQuote
            raise StopIteration
        if len(line) > self._room:
            if self.holds_rows():
                rest = "" if is_again or line.endswith("\n") else self._file.readline(self._layout.max_row_chars)
                self._again.appendleft(line + rest)
                raise _OpenQuote
            self._skip(line)
            raise _OverlongRow
        self.number += 1
        self._room -= len(line)
        self._row.append(line)
        return line

    def holds_rows(self) -> bool:
        """Whether the row goes on over lines that are rows themselves: then its quote was never meant to close there.

        A text of several lines has the header's number of cells in each of them by chance only.
        """
        n_columns = self._layout.n_columns
        if len(self._row) < 3 and not (len(self._row) == 2 and n_columns > 2):
            return False
        literal = self._row[0].count(self._layout.delimiter) + 1
        whole = self._row[1:-1] or self._row[1:]
        return literal >= n_columns > 1 and all(_is_row(line, self._layout) for line in whole)

    def give_back(self) -> list[str]:
        """All lines of the row; those after the first will be read again."""
        self._again.extendleft(reversed(self._row[1:]))
        self.number -= len(self._row) - 1
        return list(self._row)

    def upcoming(self) -> Iterator[str]:
        """The lines after the row, which stay to be read."""
        at = 0
        while True:
            if at == len(self._again):
                line = self._read(self._layout.max_row_chars)
                if not line:
                    return
                self._again.append(line)
            yield self._again[at]
            at += 1

    def take(self, n_lines: int) -> None:
        """Move past lines that were given back."""
        for _ in range(n_lines):
            self._again.popleft()
        self.number += n_lines

    def _skip(self, text: str) -> None:
        """Move past the row that ``text`` belongs to, in pieces, following its quotes."""
        quoted = bool(self._row) or text.startswith('"')
        position = 0 if self._row else 1
        while text:
            # Doubled quotes, or a delimiter and an opening quote, must not fall between two pieces.
            known = text.rstrip(f'"{self._layout.delimiter}')
            if len(text) - len(known) > self._layout.max_row_chars:
                known = text
            held = text[len(known) :]
            quoted, ended = self._follow(known, position, quoted)
            self.number += text.count("\n")
            if ended:
                return
            more = self._file.readline(self._layout.max_row_chars)
            text, position = held + more if more else "", max(0, position - len(known))

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
