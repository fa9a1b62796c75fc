"""JSON: one object per line, or one document with a list of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from vitrina.indexer.sources.base import Rejection, TableRow, union_of_columns
from vitrina.indexer.sources.cells import parse_literal
from vitrina.indexer.sources.delimited import count_lines
from vitrina.indexer.sources.encodings import UTF8, TextEncoding, detect_encoding, open_bytes
from vitrina.indexer.sources.json_documents import JsonColumnsTable, JsonDocumentTable, open_document
from vitrina.indexer.sources.json_envelopes import bulk_action, plain_cells
from vitrina.search.types.errors import SourceError

MAX_ROW_BYTES = 1 << 24
"""The longest line read: room for a few images as data URIs. A longer one is skipped without being held."""


@dataclass(frozen=True, slots=True)
class JsonLinesTable:
    """A file with one JSON object per line; blank lines and empty objects are skipped."""

    path: Path
    columns: tuple[str, ...]
    n_rows: int | None
    notes: tuple[str, ...] = ()
    encoding: TextEncoding = field(default_factory=lambda: TextEncoding(UTF8))
    max_row_bytes: int = MAX_ROW_BYTES

    @property
    def format(self) -> str:
        """Always ``JSON lines``."""
        return "JSON lines"

    def rows(self) -> Iterator[TableRow | Rejection]:
        """One row per line; a line that is not a JSON object is rejected with its number."""
        key: dict[str, object] = {}
        with open_bytes(self.path) as file:
            for number, line in _lines(file, self.max_row_bytes):
                origin = f"{self.path.name}:{number}"
                if line is None:
                    reason = f"The line is longer than {self.max_row_bytes:,} bytes."
                    yield Rejection(origin, reason, "Shorten its texts, and give images by path or URL.")
                elif line.strip() not in (b"", b"{}"):
                    row = _parse(origin, line.decode(self.encoding.name, errors=self.encoding.errors))
                    if isinstance(row, TableRow) and (action := bulk_action(row.cells)) is not None:
                        key = action
                        continue
                    yield replace(row, cells={**key, **row.cells}) if key and isinstance(row, TableRow) else row
                    key = {}


def open_jsonl(path: Path, encoding: str | None = None) -> JsonLinesTable | JsonDocumentTable | JsonColumnsTable:
    """Learn the columns from the first rows, of a document or of lines. Raises ``SourceError`` if the first lines hold
    no JSON objects, or if the file is in an encoding that cannot be told."""
    found = detect_encoding(path, encoding)
    if found.name.startswith("utf-16"):
        raise SourceError(f"{path.name} is UTF-16; JSON is written in UTF-8.", remedy="Save it as UTF-8.")
    if (document := open_document(path, found)) is not None:
        return document
    table = JsonLinesTable(path, (), count_lines(path), found.notes, found)
    columns = union_of_columns(table.rows())
    if not columns:
        raise SourceError(
            f"The first lines of {path.name} hold no JSON objects.", remedy="Write one JSON object a line."
        )
    return replace(table, columns=columns)


def _lines(file: BinaryIO, max_bytes: int) -> Iterator[tuple[int, bytes | None]]:
    """Each line's number and bytes, None for one past the limit."""
    number = 0
    while line := file.readline(max_bytes + 1):
        number += 1
        if len(line) <= max_bytes:
            yield number, line
            continue
        while line and not line.endswith(b"\n"):
            line = file.readline(max_bytes)
        yield number, None


def _parse(origin: str, text: str) -> TableRow | Rejection:
    try:
        cells = json.loads(text.strip().removesuffix(","), parse_constant=lambda name: None)
    except (ValueError, RecursionError) as error:
        if isinstance(cells := parse_literal(text.strip()), dict):  # the Amazon data of 2014 are Python, not JSON
            return TableRow(origin, cells)
        return Rejection(origin, f"The line is not JSON: {str(error)[:200]}.", "Write one JSON object a line.")
    if not isinstance(cells, dict):
        return Rejection(origin, f"The line is a JSON {type(cells).__name__}.", "Write one JSON object a line.")
    return TableRow(origin, plain_cells(cells, text))
