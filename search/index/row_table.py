"""The rows of a vector index: which item each belongs to, which of them were deleted, and where an item's rows are."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from vitrina.search.types.arrays import IdPositions

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


class RowsByItem:
    """Item ids, ascending, and the positions of their rows, which are counted from ``first``."""

    def __init__(self, item_ids: Ids, first: int) -> None:
        steps = np.diff(item_ids)
        if np.all(steps >= 0):
            self._ids, self._positions = item_ids, np.arange(first, first + len(item_ids))
        else:
            order = np.argsort(item_ids, kind="stable")
            self._ids, self._positions = item_ids[order], order + first
            steps = np.diff(self._ids)
        self._at_once = IdPositions(self._ids) if np.all(steps > 0) else None  # where each item has one row

    def __len__(self) -> int:
        return len(self._ids)

    def positions_of(self, item_ids: Ids) -> Positions:
        """The positions of the rows of items, in no order."""
        if not len(self) or not len(item_ids):
            return NO_IDS.copy()
        if self._at_once is not None:
            at = self._at_once.of(item_ids)
            return np.asarray(self._positions[at[at >= 0]])
        first = np.searchsorted(self._ids, item_ids)
        n_rows = np.searchsorted(self._ids, item_ids, side="right") - first
        ends = np.cumsum(n_rows)
        at = np.repeat(first - (ends - n_rows), n_rows) + np.arange(ends[-1])
        return np.asarray(self._positions[at])


class RowTable:
    """Row ids (ascending), item ids and tombstones of rows by position. Readers may share it while nothing changes it,
    which its owner sees to."""

    def __init__(self, row_ids: Ids = NO_IDS, item_ids: Ids = NO_IDS, alive: Flags | None = None) -> None:
        self.row_ids = row_ids
        self.item_ids = item_ids
        self.alive: Flags = np.ones(len(row_ids), np.bool_) if alive is None else alive
        self.n_alive = int(np.count_nonzero(self.alive))
        self._sorted = [RowsByItem(item_ids, 0)]
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
        n_sorted = len(self._sorted[0])
        if (len(self) - n_sorted) * SORTED_SHARE > n_sorted:
            self._sorted = [RowsByItem(self.item_ids, 0)]
        elif len(self._sorted) > 1:
            self._sorted[1] = RowsByItem(self.item_ids[n_sorted:], n_sorted)
        else:
            self._sorted.append(RowsByItem(item_ids, first))

    def remove(self, item_ids: Ids) -> None:
        """Mark all rows of items as deleted."""
        positions = self.positions_of(item_ids)
        if len(positions):
            self._masks.clear()
            self.alive[positions] = False
            self.n_alive -= len(positions)

    def positions_of(self, item_ids: Ids) -> Positions:
        """The positions of the rows of items that are there, ascending."""
        found = [each.positions_of(item_ids) for each in self._sorted]
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
