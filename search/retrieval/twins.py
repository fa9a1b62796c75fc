"""Showing one of several twins: items with the same product photo under several skus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vitrina.search.store.twins import TwinGroups

Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Collapsed:
    """Which of the ranked items are shown: their positions, ``kept``, in order; and the ids of the twins that each
    stands for, by the id of the item that is shown, in order."""

    kept: Ids
    twins: Mapping[int, Sequence[int]] = field(default_factory=dict)

    @property
    def n_hidden(self) -> int:
        """How many items are not shown, since a twin of theirs is."""
        return sum(map(len, self.twins.values()))


def collapsed(ranked: Ids, groups: TwinGroups, shown: Ids) -> Collapsed:
    """The best of each group of twins among ``ranked`` items, ids in their order; of those that are ``shown`` already,
    such as an item that others are to resemble, none."""
    positions = np.arange(len(ranked))
    if not len(groups):
        return Collapsed(positions)
    of_ranked = groups.of(ranked)
    outside = ~np.isin(of_ranked, groups.of(shown)) if len(shown) else np.ones(len(ranked), np.bool_)
    _, first, group = np.unique(of_ranked, return_index=True, return_inverse=True)
    best = first[group]
    twins: dict[int, list[int]] = {}
    for at in np.flatnonzero(outside & (best != positions)).tolist():
        twins.setdefault(int(ranked[best[at]]), []).append(int(ranked[at]))
    return Collapsed(np.flatnonzero(outside & (best == positions)), twins)
