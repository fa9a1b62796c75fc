"""The interfaces of catalog sources, and the records, rejections and rows that they yield."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from vitrina.search.types.item import Item

N_SHOWN = 10
"""Names that a note shows of a long list."""


@dataclass(frozen=True, slots=True)
class ImageReference:
    """Where one image is: exactly one of its bytes, a local path or an http(s) URL."""

    data: bytes | None = None
    path: Path | None = None
    url: str | None = None

    def __post_init__(self) -> None:
        if sum(place is not None for place in (self.data, self.path, self.url)) != 1:
            raise ValueError("an image reference holds exactly one of data, path and url")


@dataclass(frozen=True, slots=True)
class CellProblem:
    """A cell that could not be read, or not wholly, and what to do; its item is indexed without it."""

    column: str
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Record:
    """One item with its images in the shop's order, those of its variants among them (``Variant.images`` are positions
    in ``images``). ``origin`` says where it comes from, as ``products.csv:17``.

    ``problems`` are the cells that it is indexed without; ``n_rows`` is how many rows of the source it was read from.
    """

    origin: str
    item: Item
    images: tuple[ImageReference, ...] = ()
    problems: tuple[CellProblem, ...] = ()
    n_rows: int = 1


@dataclass(frozen=True, slots=True)
class Rejection:
    """Rows that could not become an item: where they come from, why, and what to do. One dead-letter line.

    ``n_rows`` is how many rows of the source it stands for.
    """

    origin: str
    reason: str
    remedy: str
    sku: str | None = None
    n_rows: int = 1


class Source(Protocol):
    """One catalog file or folder, opened and recognised. ``rows`` may be called again and starts over."""

    @property
    def name(self) -> str:
        """The file's or folder's own name, as ``products.csv``."""

    @property
    def dialect(self) -> str:
        """What it was recognised as, as ``Shopify product export (CSV)``."""

    @property
    def fields(self) -> Mapping[str, str]:
        """Which column each field is read from, as ``{"sku": "Handle"}``; columns not named become attributes."""

    @property
    def n_rows(self) -> int | None:
        """About how many records there are, for a progress bar; None if counting would mean reading it all."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the operator should know about how the source was read, one sentence each."""

    def rows(self) -> Iterator[Record | Rejection]:
        """Every row as a record or as its rejection, in the source's order. Streams in bounded memory; blocks.

        Skus are not checked against each other. Raises ``SourceError`` if the file vanished since it was opened.
        """


N_PEEKED_ROWS = 100
"""Rows read to learn the columns of a format that does not declare them (JSONL, XML, WebDataset)."""


@dataclass(frozen=True, slots=True)
class VariantRow:
    """What a row says of one variant: cells by role (``sku``, ``price``, ``sale_price``, ``currency``, ``identifiers``,
    ``image``, ``url``, its own ``title``, or a ``name`` that may be none), and its options by name."""

    origin: str
    cells: Mapping[str, object]
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PartRow:
    """One of the products that another is sold as, or of which it consists: its name, its cells of price and sale
    price, and how many of it. Those of one ``choice`` are alternatives; with an ``is_optional`` one it may be sold
    without."""

    name: str
    cells: Mapping[str, object] = field(default_factory=dict)
    choice: str = ""
    quantity: int = 1
    is_optional: bool = False


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row's cells by column name. ``origin`` says where it comes from, as ``products.csv:17``.

    ``n_rows`` is how many rows of the source were merged into it. ``attributes`` are those that columns hold by name
    and value. ``problems`` are what of the row could not be read. ``parts`` say what a product without a price costs.
    """

    origin: str
    cells: Mapping[str, object]
    n_rows: int = 1
    variants: tuple[VariantRow, ...] = ()
    attributes: Mapping[str, object] = field(default_factory=dict)
    problems: tuple[CellProblem, ...] = ()
    parts: tuple[PartRow, ...] = ()


@runtime_checkable
class Table(Protocol):
    """Rows with named columns. ``rows`` may be called again and starts over; it streams, in bounded memory."""

    @property
    def path(self) -> Path:
        """The file the rows come from; relative image paths count from its folder."""

    @property
    def format(self) -> str:
        """The file format in words, as ``CSV``."""

    @property
    def columns(self) -> Sequence[str]:
        """The columns' names as the file spells them; of a peeked format, those of its first rows."""

    @property
    def n_rows(self) -> int | None:
        """About how many rows there are, for a progress bar; None if counting would mean reading it all."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the operator should know about how the file was read, one sentence each."""

    def rows(self) -> Iterator[TableRow | Rejection]:
        """The rows in the file's order; one that cannot be read comes as its rejection."""


@dataclass(frozen=True)
class WrappedTable:
    """A ``table`` that is read in another way: what this does not say itself is the table's own."""

    table: Table

    @property
    def path(self) -> Path:
        """The file of the table."""
        return self.table.path

    @property
    def format(self) -> str:
        """The table's own."""
        return self.table.format

    @property
    def n_rows(self) -> int | None:
        """The table's own, of which some may be left out."""
        return self.table.n_rows


def first_names(names: Sequence[str]) -> str:
    """The first names of a list as a note shows them, and how many more there are."""
    more = f" and {len(names) - N_SHOWN:,} more" if len(names) > N_SHOWN else ""
    return ", ".join(names[:N_SHOWN]) + more


def union_of_columns(rows: Iterator[TableRow | Rejection]) -> tuple[str, ...]:
    """The columns of the first rows, in order of appearance; empty if none can be read."""
    columns: dict[str, None] = {}
    for _, row in zip(range(N_PEEKED_ROWS), rows, strict=False):
        if isinstance(row, TableRow):
            columns.update(dict.fromkeys(row.cells))
    return tuple(columns)
