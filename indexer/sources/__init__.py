"""Opening a catalog: the reader for a location, built in or a plug-in, and what its columns mean."""

from __future__ import annotations

import gzip
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial
from itertools import islice
from pathlib import Path

from vitrina.indexer.sources.base import Record, Rejection, Source, Table, TableRow, WrappedTable
from vitrina.indexer.sources.cells import is_blank
from vitrina.indexer.sources.column_names import folded, has_word
from vitrina.indexer.sources.column_values import Sample, cell_at
from vitrina.indexer.sources.columns import Columns, choose_columns
from vitrina.indexer.sources.delimited import DelimitedTable, open_delimited
from vitrina.indexer.sources.dialects.dialect import GENERIC, CatalogDialect, built_in, open_dialect, recognise_dialect
from vitrina.indexer.sources.dialects.grouping import grouped_dialect
from vitrina.indexer.sources.dialects.layout import Layout
from vitrina.indexer.sources.dialects.positions import WOOCOMMERCE, told_by_position
from vitrina.indexer.sources.dialects.translation import translate
from vitrina.indexer.sources.dialects.visibility import HiddenCounts, hides_all, may_hide, with_hidden
from vitrina.indexer.sources.encodings import open_bytes
from vitrina.indexer.sources.feed import open_feed
from vitrina.indexer.sources.image_files import ImageFiles
from vitrina.indexer.sources.json_ld import open_page
from vitrina.indexer.sources.jsonl import open_jsonl
from vitrina.indexer.sources.keys import keyed_note
from vitrina.indexer.sources.money import DecimalMark, usual_decimal_mark
from vitrina.indexer.sources.parquet import ParquetTable
from vitrina.indexer.sources.parts import open_parts
from vitrina.indexer.sources.rows import read_row
from vitrina.indexer.sources.sections import with_sections
from vitrina.indexer.sources.size_columns import SizedTable, with_sizes
from vitrina.indexer.sources.webdataset import open_samples
from vitrina.search.plugins import SOURCES, load_plugin, registered
from vitrina.search.types.errors import SourceError

FOLDER = "folder"
"""The name that the reader of folders is registered under; readers of files have the file name's ending, as ``csv``."""

N_SAMPLED = 500
"""Rows from whose prices the decimal mark of a file is told, and its key where no column's name says it."""

MAX_SAMPLED_CHARS = 16 << 20
"""Images in their rows are large."""

COMPRESSED = ("csv", "tsv", "tab", "txt", "tar", "jsonl", "jl", "ndjson", "json", "jsonld", "xml", "rss", "atom", "yml")
"""The formats that are also read when compressed, as ``products.csv.gz``."""

_NAMED_AT_WILL = frozenset(COMPRESSED) - {"tar"} | {"xls", "xlsx"}
"""The endings that files of another of these formats have now and then, as where a shop calls every download CSV."""

_BEGINNINGS = (
    ("xlsx", re.compile(rb"PK\x03\x04(?s:.{26,60})(?:\[Content_Types\]|_rels/|docProps/|xl/)")),
    ("xls", re.compile(rb"\xd0\xcf\x11\xe0")),
    ("parquet", re.compile(rb"PAR1")),
    ("html", re.compile(rb"\s*<(?:!doctype\s+html|html)\b", re.IGNORECASE)),
    ("xml", re.compile(rb"\s*<(?:\?xml|rss|feed|\w+(?:\s[^<>]*)?>\s*<\w)", re.IGNORECASE)),
    ("jsonl", re.compile(rb'\s*(?:\[\s*)?\{\s*"(?:[^"\\]|\\.)*"\s*:')),
)
"""How files of a format begin; JSON that is one document is told from lines by its reader."""

_SAME = (
    {"xml", "rss", "atom", "yml"},
    {"json", "jsonl", "jsonld", "ndjson"},
    {"xls", "xlsx"},
    *({each, page} for each in ("xls", "xlsx") for page in ("html", "xml")),
)
"""Endings whose files one reader takes, or refuses with its own words."""

SourceReader = Callable[[Path], Table | Source]
"""A plug-in of ``vitrina.sources``: opens a file or folder as a table, whose columns Vitrina maps to fields, or as a
source of finished records. Raises SourceError for what it cannot read, and OSError."""


TEXT_READERS = (open_delimited, open_jsonl, open_feed, open_page)
"""The readers of text files, which may be told the encoding."""


_OF_VARIANTS = ("sale_price", "currency")
"""The fields that a row may have from its only variant, and that are only told of where the file has such a column."""


@dataclass(frozen=True, slots=True)
class TableSource:
    """A table read as records, under one dialect and one choice of columns.

    ``headers`` says which of the file's columns a name stands for, ``container`` in which one the objects of a row are.
    Of the file's own columns, ``ignored`` are those that the dialect leaves out, and ``empty_columns``, once all rows
    are read, those in which no row has anything; ``hidden`` then counts what the shop does not show, and ``n_further``
    the rows that are further images of products.
    """

    table: Table
    layout: CatalogDialect
    columns: Columns
    files: ImageFiles
    kept: frozenset[str] = frozenset()
    headers: Mapping[str, str] = field(default_factory=dict)
    container: str | None = None
    ignored: frozenset[str] = frozenset()
    empty_columns: set[str] = field(default_factory=set, compare=False)
    hidden: HiddenCounts = field(default_factory=HiddenCounts, compare=False)
    n_further: Counter[str] = field(default_factory=Counter, compare=False)

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.table.path.name

    @property
    def dialect(self) -> str:
        """The layout and the format, as ``Shopify product export (CSV)``."""
        return f"{self.layout.name} ({self.table.format})"

    @property
    def fields(self) -> Mapping[str, str]:
        """Which column each field is read from, as the file spells it."""
        named = {
            name: self._spelled(columns[0])
            for name, columns in self.columns.fields.items()
            if name not in _OF_VARIANTS or self._is_own(columns[0])
        }
        images = dict.fromkeys(map(self._spelled, self.columns.images))
        return {**named, "image": ",".join(images)} if images else named

    def _spelled(self, column: str) -> str:
        """A column as the file has it; one that stands in objects, behind theirs."""
        own = self.headers.get(column, column)
        return own if self._is_own(column) or self.container is None else f"{self.container}.{own}"

    def _is_own(self, column: str) -> bool:
        return column in self.headers or column in self.table.columns or "." in column

    @property
    def used_columns(self) -> frozenset[str]:
        """The file's columns that become fields."""
        fields = {column for columns in self.columns.fields.values() for column in columns}
        return frozenset(self.headers.get(column, column) for column in (*fields, *self.columns.images))

    @property
    def n_rows(self) -> int | None:
        """About how many records there are; None where items take several rows."""
        return None if self.layout.merges_rows else self.table.n_rows

    @property
    def notes(self) -> tuple[str, ...]:
        """What the operator should know about how the file was read."""
        notes = [*self.table.notes]
        if self.columns.keyed_by != "key":
            column = self._spelled(self.columns.fields["sku"][-1])
            notes.append(keyed_note(self.name, column, self.columns.keyed_by, self.n_further.total()))
        if (no_price := self.columns.no_price) is not None:
            column = self._spelled(self.columns.fields["price"][0])
            told = f"nothing in {self._spelled(no_price)} is a price as it stands, and it is left out"
            notes.append(f"{self.name}: {told}; prices are read from {column}.")
        if hidden := self.hidden.told(self._spelled):
            notes.append(f"{self.name}: {hidden}")
        return tuple(notes)

    def rows(self) -> Iterator[Record | Rejection]:
        """Every row as a record or as its rejection, in the file's order."""
        self.hidden.clear()
        self.n_further.clear()
        try:
            rows = self._noted(self.table.rows())
            for row in translate(rows, self.layout, self.columns, self.kept, self.hidden):
                if self.columns.keyed_by == "image":
                    self.n_further["rows"] += row.n_rows - 1
                yield row if isinstance(row, Rejection) else read_row(row, self.columns, self.files)
        except (OSError, EOFError, zlib.error) as error:
            raise _unreadable(self.table.path, error) from error

    def _noted(self, rows: Iterator[TableRow | Rejection]) -> Iterator[TableRow | Rejection]:
        """The same rows; notes the columns in which one has something."""
        self.empty_columns.update(column for column in self.table.columns if column)
        for row in rows:
            if self.empty_columns and isinstance(row, TableRow):
                cells = row.cells
                self.empty_columns.difference_update(
                    [column for column in self.empty_columns if not is_blank(cells.get(column))]
                )
            yield row


def open_source(
    location: str,
    mapping: Mapping[str, str] | None = None,
    *,
    image_folder: Path | None = None,
    dialect: str | None = None,
    encoding: str | None = None,
    shown_only: bool = False,
) -> Source:
    """Open a catalog: a folder of images, CSV/TSV, Excel, JSONL, Parquet, an XML product feed, a WebDataset tar, or a
    format that an installed plug-in reads.

    ``mapping`` says which column feeds which field (``{"sku": "Artikelnummer"}``); a field's name that is none of
    ``columns.FIELDS`` names an attribute, and ``image`` takes several columns separated by commas. ``dialect`` is a
    built-in one's name or a TOML file; without it, the columns tell. Images named by path must lie inside
    ``image_folder``, the catalog file's own folder, or the dialect's folders in it. ``encoding`` names that of a text
    file, which is found out otherwise. With ``shown_only`` what the shop does not show is left out. Reads the file's
    beginning; blocks. Raises ``SourceError`` for what is missing, empty, of no known format, or has no column for the
    sku, for a dialect that cannot be used, and ``PluginError`` for a plug-in that cannot be imported.
    """
    path = _existing(location)
    chosen = open_dialect(dialect) if dialect else None
    opened = _open(path, encoding)
    if not isinstance(opened, Table):
        if mapping:
            raise SourceError(f"{path} has no columns to map.", remedy="Index it without --map, in a run of its own.")
        return opened
    table = opened
    layout = chosen or _recognised(table)
    if layout.joins_last and isinstance(table, DelimitedTable):
        table = replace(table, joins_last=True)
    kept_names = frozenset((mapping or {}).values())
    is_generic = layout is built_in()[GENERIC]
    if is_generic:
        table = with_sizes(with_sections(table), kept_names)
    bound = Layout(layout, table.columns, kept_names)
    sample = cache(partial(_first_cells, table, bound))
    columns = choose_columns(
        bound.columns_after,
        mapping or {},
        preferred=layout.fields,
        ignored=bound.ignored,
        source=path.name,
        sample=sample,
    )
    if is_generic and bound.nested is None and not isinstance(table, ParquetTable):
        layout = grouped_dialect(layout, columns, sample())
        bound = Layout(layout, table.columns, kept_names)
        columns = replace(columns, ignored=columns.ignored | bound.ignored)
    if is_generic and (not isinstance(table, ParquetTable) or may_hide(table.columns)):  # images lie in its rows
        layout = with_hidden(layout, sample(), frozenset(columns.renamed))
    elif layout.hidden and hides_all(bound, sample(), columns.fields.get("title", ())):
        layout = layout.model_copy(update={"hidden": ()})
    if (code := layout.currency(table.columns)) is not None:
        columns = replace(columns, currencies=dict.fromkeys(columns.fields.get("price", ()), code))
    kept = frozenset((*columns.renamed, *(each for name in mapping or {} for each in columns.fields.get(name, ()))))
    headers = bound.sources
    columns = replace(columns, decimal_mark=_decimal_mark(table, columns, sample))
    given = () if image_folder is None else (image_folder,)
    usual = tuple(folder / name for folder in (*given, table.path.parent) for name in layout.image_folders)
    ignored = frozenset(column for column, name in bound.names.items() if name in bound.ignored)
    files = ImageFiles(table.path.parent, given, usual)
    hidden = HiddenCounts(shown_only)
    return TableSource(table, layout, columns, files, kept, headers, bound.container, ignored, hidden=hidden)


def _recognised(table: Table) -> CatalogDialect:
    """The dialect that a table's columns tell, or where they do not, its values."""
    found = recognise_dialect(table.columns)
    if found is not built_in()[GENERIC] or not isinstance(table, DelimitedTable):
        return found
    rows = [row.cells for row in islice(table.rows(), N_SAMPLED) if isinstance(row, TableRow)]
    return told_by_position(built_in()[WOOCOMMERCE], table.columns, rows) or found


def _first_cells(table: Table, layout: Layout) -> list[dict[str, object]]:
    """The cells of the first rows, under the dialect's names, of no more than about ``MAX_SAMPLED_CHARS``."""
    found, n_chars = [], 0
    for row in islice(table.rows(), N_SAMPLED):
        if isinstance(row, TableRow):
            found.append(layout.normal(row.cells))
            n_chars += sum(len(cell) for cell in row.cells.values() if isinstance(cell, (str, bytes)))
        if n_chars > MAX_SAMPLED_CHARS:
            break
    return found


def _decimal_mark(table: Table, columns: Columns, sample: Sample) -> DecimalMark | None:
    """The decimal mark of the prices in the first rows, or else of all that are called prices there; None where they
    do not tell, or numbers are not texts."""
    prices = [name for field in ("price", "sale_price") for name in columns.fields.get(field, ())]
    if isinstance(table, SizedTable):
        rows = islice(table.table.rows(), N_SAMPLED)
        sizes = [row.cells.get(size.price) for row in rows if isinstance(row, TableRow) for size in table.sizes]
        return usual_decimal_mark(sizes, is_continental=_is_continental(table.table))
    if isinstance(table, ParquetTable) or not prices:
        return None
    others = [name for name in table.columns if name not in prices and has_word(folded(name), "words", "price")]
    found = (
        usual_decimal_mark(
            [cell_at(row, name) for row in sample() for name in names], is_continental=_is_continental(table)
        )
        for names in (prices, [*prices, *others])
    )
    return next((mark for mark in found if mark), None)


def _is_continental(table: Table) -> bool:
    table = table.table if isinstance(table, WrappedTable) else table
    return isinstance(table, DelimitedTable) and table.layout.delimiter == ";"


def _existing(location: str) -> Path:
    if location.lower().startswith(("http://", "https://")):
        raise SourceError(
            f"{location[:200]} is an address, and catalogs are read from files.",
            remedy="Download it first, for example with: curl -LO, and index the file.",
        )
    path = Path(location).expanduser()
    try:
        found = path.is_file() or path.is_dir()
    except (OSError, ValueError):
        found = False
    if not found:
        raise SourceError(f"There is no file or folder {location[:500]}.", remedy="Check the path.")
    if path.is_file() and not path.stat().st_size:
        raise SourceError(f"{path.name} is empty: 0 bytes.", remedy="Export the catalog again.")
    return path


def _open(path: Path, encoding: str | None) -> Table | Source:
    if path.is_dir() and encoding is None and (parts := open_parts(path)) is not None:
        return parts
    if path.is_dir() and encoding is None and (table := _open_described(path)) is not None:
        return table
    name = FOLDER if path.is_dir() else _ending(path)
    name = {"jl": "jsonl", "ini": "txt"}.get(name, name)  # as Scrapy calls it, and a text
    known = registered(SOURCES)
    if name not in known:
        endings = ", ".join(f".{ending}" for ending in known if ending != FOLDER)
        remedy = f"Give a folder of images or a file ending in {endings}."
        if name in ("gz", "zip", "bz2", "zst", "xz", "tgz"):
            remedy = "Decompress it first."
        elif name in ("ods", "xlsb", "numbers"):
            remedy = "Save the sheet as .xlsx, or as CSV (UTF-8), first."
        elif name in ("sql", "dump", "mdb", "accdb", "db", "sqlite", "sqlite3"):
            remedy = "Export the table of products as CSV (UTF-8) or JSON, which every database's own tools can."
        raise SourceError(f"{path.name} ends in no catalog format that can be read.", remedy=remedy)
    name = _told_by_content(path, name)
    reader: SourceReader = load_plugin(SOURCES, name)
    if encoding is not None:
        text_reader = next((each for each in TEXT_READERS if each is reader), None)
        if text_reader is None:
            raise SourceError(
                f"{path.name} is no text file, whose encoding may be given.", remedy="Leave --encoding out."
            )
        reader = partial(text_reader, encoding=encoding)
    try:
        return reader(path)
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, error) from error


def _open_described(folder: Path) -> Table | Source | None:
    """A folder of images with what is said of them: in one ``metadata.csv`` or ``metadata.jsonl``, as Hugging Face has
    it, or in a file beside each; None of any other folder."""
    said = [*islice((each for each in folder.rglob("metadata.*") if each.name in _METADATA and each.is_file()), 2)]
    return _open(said[0], None) if len(said) == 1 else open_samples(folder)


_METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")


def _ending(path: Path) -> str:
    """The ending that names a file's format: that of ``products.csv.gz`` is ``csv``."""
    endings = [ending.lower().removeprefix(".") for ending in path.suffixes[-2:]]
    if endings[-1:] == ["tgz"]:
        return "tar"
    return (
        endings[0] if len(endings) == 2 and endings[1] == "gz" and endings[0] in COMPRESSED else "".join(endings[-1:])
    )


def _told_by_content(path: Path, name: str) -> str:
    """The format that a file's beginning shows where that is sure, whatever the file is called; else its ending's."""
    if name not in _NAMED_AT_WILL or not path.is_file():
        return name
    try:
        with open_bytes(path) as file:
            start = file.read(2_000).removeprefix(b"\xef\xbb\xbf")
    except (OSError, EOFError, zlib.error):
        return name
    if start.startswith(rb"{\rtf"):
        raise SourceError(f"{path.name} is RTF, as word processors write it.", remedy="Save it as plain text first.")
    told = next((each for each, pattern in _BEGINNINGS if pattern.match(start)), name)
    return name if any({name, told} <= same for same in _SAME) else told


def _unreadable(path: Path, error: Exception) -> SourceError:
    if isinstance(error, EOFError | zlib.error | gzip.BadGzipFile):
        return SourceError(
            f"{path.name} is cut short or damaged: {error}.", remedy="Export, copy or download it again."
        )
    assert isinstance(error, OSError)
    return SourceError(
        f"{path} cannot be read: {error.strerror or error}.", remedy="Check the file and its permissions."
    )
