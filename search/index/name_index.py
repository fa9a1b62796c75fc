"""The name index: whether a query may be the title, the sku or another code of an item, without asking the database.

It holds a checksum of each, so it may say yes where there is none, once in thousands of queries, and never no where
there is one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from vitrina.search.store.catalog import Catalog
from vitrina.search.types.arrays import Arrays, joined
from vitrina.search.types.identifiers import asked_identifiers, compact, folded, folded_title, query_keys

Checksums = NDArray[np.uint32]

MERGED_ROWS = 4096
"""So many checksums are added one by one before all are sorted again."""


class NameIndex:
    """The titles, skus and codes of a catalog's items, as of change ``sequence``; those of items that are gone stay.
    Safe to read from several threads while one catches up."""

    def __init__(self, catalog: Catalog, arrays: Arrays | None = None) -> None:
        """Read the catalog's names, those aside that ``arrays`` of an earlier state hold. Blocks for as long as that
        takes: two seconds for a million items. Raises KeyError where ``arrays`` are not whole."""
        self.catalog = catalog
        self.sequence = 0 if arrays is None else int(arrays["sequence"])
        self._catching_up = threading.Lock()
        self._sorted: Checksums = np.empty(0, np.uint32) if arrays is None else arrays["checksums"]
        self._added: frozenset[int] = frozenset()
        self.catch_up()

    def may_name(self, query: str, sequence: int) -> bool:
        """Whether a query may be the title, the sku or a code of an item, as of a state of the catalog."""
        if sequence > self.sequence:
            return True
        asked = {crc32(name.encode()) for name in asked_names(query)}
        return not asked.isdisjoint(self._added) or self._is_among(asked)

    def _is_among(self, asked: set[int]) -> bool:
        held = self._sorted
        wanted = np.fromiter(asked, np.uint32, len(asked))
        at = np.searchsorted(held, wanted)
        at = np.minimum(at, len(held) - 1)
        return bool(len(held) and np.any(held[at] == wanted))

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """The names as of ``sequence``, for a later index; nothing may catch up meanwhile."""
        return {"sequence": np.array(self.sequence), "checksums": merged(self._sorted, self._added)}

    def catch_up(self) -> bool:
        """Apply what was committed since; returns whether anything was. Cheap if nothing was. Raises StorageError."""
        with self._catching_up:
            newest = self.catalog.sequence()
            if newest == self.sequence:
                return False
            names = self.catalog.names_since(self.sequence if newest > self.sequence else 0)
            added = self._added | {crc32(name.encode()) for name in names.names}
            if len(added) > MERGED_ROWS:
                self._sorted, added = merged(self._sorted, added), frozenset()
            self._added = added
            self.sequence = names.sequence
            return True


def merged(held: Checksums, added: frozenset[int]) -> Checksums:
    return joined(held, np.fromiter(added, np.uint32, len(added)))


def asked_names(query: str) -> Iterator[str]:
    """Everything under which ``CatalogReader.named`` and ``identified`` search for a query."""
    yield from (folded_title(query), folded(query))
    for code in asked_identifiers(query):
        yield from (code, compact(code), *query_keys(code))
