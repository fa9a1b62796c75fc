"""A folder of catalog files of one kind as one table: a JSON file a product, or a table in several parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from vitrina.indexer.sources.base import Rejection, Table, TableRow
from vitrina.indexer.sources.folder import IMAGE_SUFFIXES
from vitrina.search.plugins import SOURCES, load_plugin, registered
from vitrina.search.types.errors import SourceError

MAX_FILES = 500_000

N_OPENED_FIRST = 100
"""Files whose columns are learnt before the rows are read."""


@dataclass(frozen=True, slots=True)
class PartedTable:
    """Files of one ending, read one after the other. ``path`` stands for all of them in their folder."""

    path: Path
    files: tuple[Path, ...]
    format: str
    columns: tuple[str, ...]
    n_rows: int | None = None
    notes: tuple[str, ...] = ()

    def rows(self) -> Iterator[TableRow | Rejection]:
        """The rows of each file; one rejection for a file that cannot be read."""
        for file in self.files:
            try:
                table = _opened(file)
            except SourceError as error:
                yield Rejection(file.relative_to(self.path.parent).as_posix(), error.message, error.remedy)
            else:
                yield from table.rows()


def open_parts(folder: Path) -> PartedTable | None:
    """The catalog files in a folder as one table; None if it holds images, none of these files, or different ones."""
    found = [path for path in islice(sorted(folder.rglob("*")), MAX_FILES) if _is_shown(path.relative_to(folder))]
    if any(path.suffix.lower() in IMAGE_SUFFIXES for path in found):
        return None
    endings = registered(SOURCES).keys() - {"folder", "tar", "html", "htm", "txt", "yml"}
    files = [path for path in found if path.suffix.lower().removeprefix(".") in endings and path.is_file()]
    counts = Counter(path.suffix.lower() for path in files)
    others = counts.keys() - {".json"}
    if not files or len(others) > 1:
        return None
    ending = next(iter(others or {".json"}))  # a JSON file beside tables is about them
    files = [path for path in files if path.suffix.lower() == ending]
    tables = [table for path in files[:N_OPENED_FIRST] if (table := _opened_or_none(path)) is not None]
    if not tables:
        return None
    columns = tuple(dict.fromkeys(column for table in tables for column in table.columns))
    if ending != ".json" and any(set(table.columns) != set(columns) for table in tables):
        return None
    notes = tuple(note for table in tables for note in table.notes)
    return PartedTable(folder / f"*{ending}", tuple(files), tables[0].format, columns, _n_rows(tables, files), notes)


def _n_rows(tables: Sequence[Table], files: Sequence[Path]) -> int | None:
    counts = [table.n_rows for table in tables if table.n_rows is not None]
    return sum(counts) if len(counts) == len(files) else None


def _opened_or_none(file: Path) -> Table | None:
    try:
        return _opened(file)
    except SourceError:  # told where its rows would be
        return None


def _opened(file: Path) -> Table:
    table = load_plugin(SOURCES, file.suffix.lower().removeprefix("."))(file)
    if not isinstance(table, Table):
        raise SourceError(f"{file.name} is no table.", remedy="Index it by itself.")
    return table


def _is_shown(path: Path) -> bool:
    return not any(part.startswith((".", "__MACOSX")) for part in path.parts)
