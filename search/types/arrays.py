"""Named arrays, as snapshots hold them, and texts in arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]

SPREAD = 4
"""Ids that leave out fewer than three in four are looked up in a table, at 16 bytes each at most."""


class IdPositions:
    """Where each of n distinct ids, ascending, stands among them. A table tells for ids that lie close together, as a
    catalog's do: bisection misses the processor's caches 20 times for each of a million."""

    def __init__(self, ids: NDArray[np.int64]) -> None:
        self._ids = ids
        self._first = int(ids[0]) if len(ids) else 0
        span = int(ids[-1]) - self._first + 1 if len(ids) else 0
        self._table: NDArray[np.int32] | None = None
        if span <= SPREAD * len(ids):
            self._table = np.full(span + 1, -1, np.int32)  # the last is of ids outside
            self._table[ids - self._first] = np.arange(len(ids), dtype=np.int32)

    @property
    def nbytes(self) -> int:
        """The memory that the table takes."""
        return 0 if self._table is None else self._table.nbytes

    def of(self, wanted: NDArray[np.int64]) -> NDArray[np.int64]:
        """The positions of some ids, shape (n,); -1 for one that is not there."""
        if self._table is not None:
            offsets = wanted - self._first
            outside = len(self._table) - 1
            return self._table[np.where((offsets >= 0) & (offsets < outside), offsets, outside)].astype(np.int64)
        at = np.minimum(np.searchsorted(self._ids, wanted), len(self._ids) - 1)
        return np.where(self._ids[at] == wanted, at, -1)


def part_of(arrays: Arrays, prefix: str) -> dict[str, NDArray[Any]]:
    """The arrays whose names begin so, without that."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def packed(texts: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Texts as two arrays: their letters, and how many each has."""
    letters = np.frombuffer("".join(texts).encode(), np.uint8)
    return {"letters": letters, "lengths": np.fromiter(map(len, texts), np.int32, len(texts))}


def unpacked(arrays: Arrays) -> list[str]:
    """The texts that were ``packed``."""
    letters = arrays["letters"].tobytes().decode()
    ends = np.cumsum(arrays["lengths"], dtype=np.int64).tolist()
    return [letters[first:last] for first, last in zip([0, *ends[:-1]], ends, strict=True)] if ends else []
