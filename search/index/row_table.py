"""The rows of a vector index: which item each belongs to, which of them were deleted, and where an item's rows are."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Positions = NDArray[np.int64]
Flags = NDArray[np.bool_]

NO_IDS: Ids = np.empty(0, np.int64)

MAX_FLAGGED_ID = 1 << 28
"""Up to this item id a filter is applied by one flag for each id, 1 ms for a million rows; above it by sorting."""

MASKS_KEPT = 8
"""A filter's rows are found once and kept for the next queries that have it; each takes a byte for each row."""

SORTED_SHARE = 8
"""What was added since the rows were last sorted is sorted by itself, up to this part of the others."""


class RowTable:
    """Row ids (ascending), item ids and tombstones of rows by position. Readers may share it while nothing changes it,
    which its owner sees to."""

    def __init__(self, row_ids: Ids = NO_IDS, item_ids: Ids = NO_IDS, alive: Flags | None = None) -> None:
        self.row_ids = row_ids
        self.item_ids = item_ids
        self.alive: Flags = np.ones(len(row_ids), np.bool_) if alive is None else alive
        self.n_alive = int(np.count_nonzero(self.alive))
        self._sorted: list[tuple[Ids, Positions]] = [by_item(item_ids, 0)]
        self._masks: OrderedDict[int, tuple[Ids, Flags]] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self.row_ids)

    def append(self, row_ids: Ids, item_ids: Ids) -> None:
        """Add rows. Raises ValueError where their ids do not grow."""
        newest = self.row_ids[-1] if len(self) else -1
        if row_ids[0] <= newest or np.any(np.diff(row_ids) <= 0):
            raise ValueError("row ids must grow: rows are found by bisection")
        self._masks.clear()
        first = len(self)
        self.row_ids = np.concatenate([self.row_ids, row_ids])
        self.item_ids = np.concatenate([self.item_ids, item_ids])
        self.alive = np.concatenate([self.alive, np.ones(len(row_ids), np.bool_)])
        self.n_alive += len(row_ids)
        n_sorted = len(self._sorted[0][0])
        if (len(self) - n_sorted) * SORTED_SHARE > n_sorted:
            self._sorted = [by_item(self.item_ids, 0)]
        elif len(self._sorted) > 1:
            self._sorted[1] = by_item(self.item_ids[n_sorted:], n_sorted)
        else:
            self._sorted.append(by_item(item_ids, first))

    def remove(self, item_ids: Ids) -> None:
        """Mark all rows of items as deleted."""
        positions = self.positions_of(item_ids)
        if len(positions):
            self._masks.clear()
            self.alive[positions] = False
            self.n_alive -= len(positions)

    def positions_of(self, item_ids: Ids) -> Positions:
        """The positions of the rows of items that are there, ascending."""
        found = [positions_among(*each, item_ids) for each in self._sorted]
        positions = np.concatenate(found) if len(found) > 1 else found[0]
        positions.sort()
        return positions[self.alive[positions]]

    def allowed(self, item_ids: Ids) -> Flags:
        """Which rows are there and belong to one of the items (sorted); shape (n,), not to be changed. Kept for the
        array's next uses."""
        key = id(item_ids)
        with self._lock:
            kept = self._masks.get(key)
            if kept is not None and kept[0] is item_ids:
                self._masks.move_to_end(key)
                return kept[1]
        mask = self.alive & self._held(item_ids)
        with self._lock:
            self._masks[key] = (item_ids, mask)
            while len(self._masks) > MASKS_KEPT:
                self._masks.popitem(last=False)
        return mask

    def _held(self, item_ids: Ids) -> Flags:
        largest = int(self.item_ids.max(initial=0))
        if largest > MAX_FLAGGED_ID:
            return np.isin(self.item_ids, item_ids)
        flags = np.zeros(largest + 1, np.bool_)
        flags[item_ids[: int(np.searchsorted(item_ids, largest, side="right"))]] = True
        return flags[self.item_ids]

    def kept(self, mask: Flags) -> RowTable:
        """The table of some of the rows; ``mask`` has shape (n,)."""
        return RowTable(self.row_ids[mask], self.item_ids[mask], self.alive[mask])


def by_item(item_ids: Ids, first: int) -> tuple[Ids, Positions]:
    """Item ids, ascending, and the positions of their rows, which are counted from ``first``."""
    if not len(item_ids) or np.all(item_ids[1:] >= item_ids[:-1]):
        return item_ids, np.arange(first, first + len(item_ids))
    order = np.argsort(item_ids, kind="stable")
    return item_ids[order], order + first


def positions_among(sorted_ids: Ids, positions: Positions, item_ids: Ids) -> Positions:
    """The positions of the rows of items among those of ``sorted_ids``, in no order."""
    first = np.searchsorted(sorted_ids, item_ids, side="left")
    n_rows = np.searchsorted(sorted_ids, item_ids, side="right") - first
    ends = np.cumsum(n_rows)
    if not len(ends) or not ends[-1]:
        return NO_IDS.copy()
    at = np.repeat(first - (ends - n_rows), n_rows) + np.arange(ends[-1])
    return np.asarray(positions[at])
