"""Named arrays, as snapshots hold them, and texts in arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]

IntegerT = TypeVar("IntegerT", bound=np.integer[Any])


def distinct(ids: NDArray[IntegerT]) -> NDArray[IntegerT]:
    """Ids, each once and ascending. NumPy's ``unique`` hashes them, which takes a hundred times as long for half a
    million, and so do its operations on sets that are not told that theirs are unique."""
    ordered = np.sort(ids, kind="stable")  # quick where parts are in order already
    is_new = np.ones(len(ordered), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=is_new[1:])
    return ordered[is_new]


def joined(ids: NDArray[IntegerT], others: NDArray[IntegerT]) -> NDArray[IntegerT]:
    """Distinct ids, ascending, and others, each once and ascending."""
    return distinct(np.concatenate([ids, others])) if len(others) else ids


SPREAD = 64
"""Ids of which at least one in so many is there are looked up in a bitmap, at 16 bytes each at most."""


class IdPositions:
    """Where each of n distinct ids, ascending, stands among them. For ids that lie close together a bitmap tells, with
    how many ids precede each 64 bits (Jacobson 1989, rank): bisection misses the processor's caches 20 times for each
    of a million."""

    def __init__(self, ids: NDArray[np.int64]) -> None:
        self._ids = ids
        self._first = int(ids[0]) if len(ids) else 0
        span = int(ids[-1]) - self._first + 1 if len(ids) else 0
        self._bits = np.empty(0, np.uint64)
        if span <= SPREAD * len(ids):
            flags = np.zeros((span // 64 + 2) * 64, np.bool_)  # the last 64 are of ids outside
            flags[ids - self._first] = True
            self._bits = np.packbits(flags, bitorder="little").view("<u8")
        n_bits = np.bitwise_count(self._bits)
        self._before = np.cumsum(n_bits, dtype=np.int64) - n_bits

    @property
    def nbytes(self) -> int:
        """The memory that the bitmap takes."""
        return self._bits.nbytes + self._before.nbytes

    def of(self, wanted: NDArray[np.int64]) -> NDArray[np.int64]:
        """The positions of some ids, shape (n,); -1 for one that is not there."""
        if not len(self._ids):
            return np.full(len(wanted), -1)
        if not len(self._bits):
            at = np.minimum(np.searchsorted(self._ids, wanted), len(self._ids) - 1)
            return np.where(self._ids[at] == wanted, at, -1)
        offsets = wanted - self._first
        at = np.clip(offsets >> 6, -1, len(self._bits) - 1)
        bits = self._bits[at]
        bit = np.uint64(1) << (offsets & 63).astype(np.uint64)
        positions = self._before[at] + np.bitwise_count(bits & (bit - np.uint64(1)))
        return np.where(bits & bit, positions, -1)


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
