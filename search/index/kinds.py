"""Kinds of vector index, and which of them is chosen for how many rows."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum


class IndexKind(StrEnum):
    """How the rows of a vector index are searched. All but ``FLAT`` are approximate, and score what they find again by
    the rows themselves, in int16."""

    FLAT = "flat"
    """Every row is compared: exact."""
    HNSW = "hnsw"
    """A graph of neighbours (Malkov and Yashunin, 2016), over rows of a byte for each dimension."""
    IVF_SQ8 = "ivf-sq8"
    """Lists by the nearest of many centroids, of rows of a byte for each dimension."""
    IVF_PQ = "ivf-pq"
    """The same lists, of product-quantised rows: a byte for four dimensions (Jegou et al., 2011)."""


FLAT_ROWS = 60_000
"""Up to so many rows of one modality all are compared. On one core a query for the best 1,000 of 100,000 rows of 256
dimensions takes 10 ms flat, 1.0 by lists and 2.0 by a graph, at the same recall; at 38,000 rows flat takes 3."""

MEMORY_SHARE = 0.25
"""The codes of an index may take this share of the machine's memory; otherwise a smaller kind is chosen."""

ROW_OVERHEAD_BYTES = 25
"""Ids of a row, of its item, and in its list, and its tombstone."""

HNSW_NEIGHBOURS = 24


@dataclass(frozen=True, slots=True)
class KindChoice:
    """The kind of an index, and why."""

    kind: IndexKind
    reason: str


def code_bytes(kind: IndexKind, dimension: int) -> int:
    """The memory that one row takes in an index of a kind."""
    of_kind = {
        IndexKind.FLAT: 4 * dimension,
        IndexKind.HNSW: dimension + 4 * (2 * HNSW_NEIGHBOURS + HNSW_NEIGHBOURS // 4),
        IndexKind.IVF_SQ8: dimension,
        IndexKind.IVF_PQ: n_subquantizers(dimension),
    }
    return of_kind[kind] + ROW_OVERHEAD_BYTES


def n_subquantizers(dimension: int) -> int:
    """How many parts a vector is quantised in: of four dimensions each, where that divides it."""
    return next(dimension // width for width in (4, 3, 2, 1) if dimension % width == 0)


def chosen_kind(n_rows: int, dimension: int, asked: IndexKind | None = None, memory: int | None = None) -> KindChoice:
    """The kind for so many rows: the one that was ``asked`` for, or by size and ``memory`` in bytes (None: the
    machine's). Lists come before a graph, which takes twice as long for the best 1,000 rows and to build."""
    if asked is not None and (asked is IndexKind.FLAT or n_rows > 1):
        return KindChoice(asked, "chosen by VITRINA_VECTOR_INDEX")
    if n_rows <= FLAT_ROWS:
        return KindChoice(IndexKind.FLAT, f"exact, since there are at most {FLAT_ROWS:,} rows")
    available = memory_bytes() if memory is None else memory
    needed = n_rows * code_bytes(IndexKind.IVF_SQ8, dimension)
    if needed <= MEMORY_SHARE * available:
        return KindChoice(IndexKind.IVF_SQ8, f"more than {FLAT_ROWS:,} rows; takes {megabytes(needed)} of memory")
    reason = f"{megabytes(needed)} for a byte a dimension is over a quarter of the machine's {megabytes(available)}"
    return KindChoice(IndexKind.IVF_PQ, reason)


def memory_bytes() -> int:
    """The machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def megabytes(n_bytes: int) -> str:
    return f"{n_bytes / 2**20:,.0f} MB"
