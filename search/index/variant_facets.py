"""Which single variants have which values, in memory, of items that have several variants."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitrina.search.store.matching import items_of
from vitrina.search.types.arrays import distinct

Ids = NDArray[np.int64]
NONE: Ids = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class VariantFacets:
    """The keys of variants by the codes of values (``FacetIndex``): ``codes``, ascending, and ``keys``, both of shape
    (n,). Immutable."""

    codes: Ids
    keys: Ids

    def __len__(self) -> int:
        return len(self.keys)

    def having(self, codes: Iterable[int], item_ids: Ids) -> Ids:
        """The keys of the variants of ``item_ids`` (sorted) that have one of the values, sorted."""
        bounds = [np.searchsorted(self.codes, (code, code + 1)) for code in codes]
        found = np.concatenate([NONE, *(self.keys[first:last] for first, last in bounds)])
        return distinct(found[np.isin(items_of(found), item_ids)])

    def updated(self, touched_items: Ids, codes: Sequence[int], keys: Sequence[Ids]) -> VariantFacets:
        """These without the variants of ``touched_items``, and with others: the ``keys`` of each of the ``codes``."""
        if not (len(self) or keys):
            return self
        kept = ~np.isin(items_of(self.keys), touched_items)
        added = np.repeat(np.array(codes, np.int64), [len(each) for each in keys])
        all_codes = np.concatenate([self.codes[kept], added])
        order = np.argsort(all_codes, kind="stable")
        return VariantFacets(all_codes[order], np.concatenate([self.keys[kept], *keys])[order])


NO_VARIANTS = VariantFacets(NONE, NONE)
