"""Named arrays, as snapshots hold them, and texts in arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]


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
