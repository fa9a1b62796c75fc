"""A source: where a catalog's records come from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from indexer.record import Record, Rejection


class Source(Protocol):
    """One catalog file or folder, opened and understood. ``rows`` may be called again and starts over."""

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
        """About how many records there are, for a progress bar; None where counting would mean reading it all."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the operator should know of how the source was read, one sentence each."""

    def rows(self) -> Iterator[Record | Rejection]:
        """Every row as a record or as its rejection, in the source's order. Streams in bounded memory; blocks.

        Skus are not checked against each other. Raises ``SourceError`` if the file vanished since it was opened.
        """
