"""INI files: a section for each product, with its keys and values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from vitrina.indexer.sources.base import TableRow, first_names
from vitrina.indexer.sources.column_names import folded, is_called
from vitrina.indexer.sources.encodings import TextEncoding, open_text
from vitrina.search.types.errors import SourceError

MAX_BYTES = 1 << 28
"""Files are read as a whole, which a larger one is not."""

_HEADING = re.compile(r"\[\s*([^\[\]]+?)\s*\]")
_PAIR = re.compile(r"([^\s=:,;|][^=:,;|\t]{0,100}?)\s*[=:]\s*(.*)")
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")


@dataclass(frozen=True, slots=True)
class _Section:
    """A section's name, its line, and its values by their keys."""

    name: str
    line: int
    cells: dict[str, str]

    def has(self, field: str) -> bool:
        """Whether a key is called as a field is."""
        return any(is_called(field, folded(key)) for key in self.cells)


@dataclass(frozen=True, slots=True)
class IniTable:
    """The sections of a file that are products, each a row, which begins on the line of its heading."""

    path: Path
    columns: tuple[str, ...]
    products: tuple[tuple[int, dict[str, str]], ...]
    notes: tuple[str, ...] = ()

    @property
    def format(self) -> str:
        """Always ``INI``."""
        return "INI"

    @property
    def n_rows(self) -> int:
        """How many products there are."""
        return len(self.products)

    def rows(self) -> Iterator[TableRow]:
        """The products in the file's order."""
        for line, cells in self.products:
            yield TableRow(f"{self.path.name}:{line}", cells)


def open_ini(path: Path, encoding: TextEncoding, sample: Sequence[str]) -> IniTable | None:
    """The products of a file whose first lines, the ``sample``, begin with a section; None of any other file.

    Products are the sections with a title and a price, and those with a title and no other keys than these have; where
    none has a title, their names are that. Raises ``SourceError`` if a file that is called INI has none.
    """
    first = [line.strip() for line in islice(filter(_says, sample), 2)]
    is_ini = len(first) == 2 and _HEADING.fullmatch(first[0]) and _PAIR.fullmatch(first[1])
    if not is_ini or path.stat().st_size > MAX_BYTES:
        return None
    with open_text(path, encoding) as file:
        sections = [*_sections(file)]
    products = _products(sections)
    if not products and path.suffix.lower() == ".ini":
        raise SourceError(
            f"{path.name} has no section with a price.", remedy="Give each product a section with its name and price."
        )
    if not products:
        return None
    key = "key" if any(each.has("title") for each in products) else "title"
    is_named = key == "title" or len({each.name for each in products}) == len(products)
    rows = tuple((each.line, {**({key: each.name} if is_named else {}), **each.cells}) for each in products)
    columns = tuple(dict.fromkeys(name for _, cells in rows for name in cells))
    sold = {each.line for each in products}
    left = [f"[{each.name}]" for each in sections if each.line not in sold]
    note = (f"{path.name}: left out, as they are no products: {first_names(left)}.",) if left else ()
    return IniTable(path, columns, rows, (*encoding.notes, *note))


def _products(sections: Sequence[_Section]) -> list[_Section]:
    priced = [each for each in sections if each.has("price")]
    titled = [each for each in priced if each.has("title")]
    if not titled:
        return priced
    keys = {key for each in titled for key in each.cells}
    return [each for each in sections if each.has("title") and each.cells.keys() <= keys]


def _says(line: str) -> bool:
    """Whether a line is neither empty nor a comment."""
    return line.strip()[:1] not in ("", ";", "#")


def _sections(lines: Iterable[str]) -> Iterator[_Section]:
    """Each section; a line that is neither a heading nor a pair goes on with the value above it."""
    name, start, key, values = "", 0, "", dict[str, list[str]]()
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not _says(line):
            continue
        if heading := _HEADING.fullmatch(text):
            yield from _section(name, start, values)
            name, start, key, values = heading[1], number, "", {}
        elif (pair := _PAIR.fullmatch(text)) and not (key and line[0].isspace()):
            key = pair[1]
            values[key] = [pair[2][1:-1] if _QUOTED.fullmatch(pair[2]) else pair[2]]
        elif key:
            values[key].append(text)
    yield from _section(name, start, values)


def _section(name: str, line: int, values: Mapping[str, Sequence[str]]) -> Iterator[_Section]:
    """The section of these lines by their keys, if there are any."""
    if values:
        yield _Section(name, line, {key: "\n".join(lines) for key, lines in values.items()})
