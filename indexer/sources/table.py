"""A table: any source of rows with named columns, before anyone asks what the columns mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from indexer.record import Rejection

N_PEEKED_ROWS = 100
"""Rows read ahead to learn the columns of a format that does not state them (JSONL, XML, WebDataset)."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row's cells by column name. ``origin`` says where it stands, as ``products.csv:17``."""

    origin: str
    cells: Mapping[str, object]


class Table(Protocol):
    """Rows with named columns. ``rows`` may be called again and starts over; it streams, in bounded memory."""

    @property
    def path(self) -> Path:
        """The file the rows come from; relative picture paths count from its folder."""

    @property
    def format(self) -> str:
        """The file format in words, as ``CSV``."""

    @property
    def columns(self) -> Sequence[str]:
        """The columns' names as the file spells them; of a peeked format, those of its first rows."""

    @property
    def n_rows(self) -> int | None:
        """About how many rows there are, for a progress bar; None where counting would mean reading it all."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the operator should know of how the file was read, one sentence each."""

    def rows(self) -> Iterator[Row | Rejection]:
        """The rows in the file's order; one that cannot be read comes as its rejection."""


def union_of_columns(rows: Iterator[Row | Rejection]) -> tuple[str, ...]:
    """The columns of the first rows, in order of appearance; empty when none of them can be read."""
    columns: dict[str, None] = {}
    for _, row in zip(range(N_PEEKED_ROWS), rows, strict=False):
        if isinstance(row, Row):
            columns.update(dict.fromkeys(row.cells))
    return tuple(columns)
