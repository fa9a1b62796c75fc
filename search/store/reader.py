"""One consistent read of the catalog: items and facets as of one moment."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, func, select

from vitrina.search.store.database import chunks, clock, embeddings, images, index_versions, items
from vitrina.search.store.facets import FacetReader, ids_as_table
from vitrina.search.store.index_versions import dimension_of
from vitrina.search.store.items import changes_since, ids_by_sku, stored_items
from vitrina.search.types.errors import NotFoundError
from vitrina.search.types.item import Changes, StoredItem


class CatalogReader:
    """Reads the catalog within one transaction; ``Catalog.reading`` opens one. For one thread at a time."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.facets = FacetReader(connection)

    def sequence(self) -> int:
        """The number of the last committed change; 0 for an empty, new catalog. Costs one row."""
        return int(self._connection.execute(select(clock.c.sequence)).scalar_one())

    def item(self, sku: str) -> StoredItem:
        """One item by its sku. Raises NotFoundError."""
        found = ids_by_sku(self._connection, [sku])
        if not found:
            raise NotFoundError(
                f"There is no item with the sku {sku!r:.300}.",
                remedy="Check the sku's spelling, or index the catalog that holds it.",
                details={"sku": sku[:300]},
            )
        return self.items(list(found.values()))[found[sku]]

    def items(self, item_ids: Sequence[int]) -> dict[int, StoredItem]:
        """Items by id, without those that are gone."""
        return stored_items(self._connection, item_ids)

    def named(self, query: str, *, limit: int, within: NDArray[np.int64] | None = None) -> dict[int, str]:
        """Items whose sku or whole title is the query, without regard to case: item id to ``sku`` or ``title``."""
        folded = " ".join(query.split()).casefold()
        named: dict[int, str] = {}
        for kind, key in (("title", items.c.folded_title), ("sku", items.c.folded_sku)):
            rows = select(items.c.id).where(key == folded).order_by(items.c.id).limit(limit)
            if within is not None:  # the addition makes SQLite use the name's index, not go through every id
                rows = rows.where((items.c.id + 0).in_(ids_as_table(within.tolist())))
            named.update(dict.fromkeys(self._connection.scalars(rows), kind))
        return named

    def content_hashes(self, skus: Sequence[str]) -> dict[str, str]:
        """The content hash of each sku that is there."""
        return {
            sku: content_hash
            for chunk in chunks(skus)
            for sku, content_hash in self._connection.execute(
                select(items.c.sku, items.c.content_hash).where(items.c.sku.in_(chunk))
            )
        }

    def counts(self) -> dict[str, int]:
        """How many items, images and vectors of the active index version there are."""
        active = select(index_versions.c.id).where(index_versions.c.active).scalar_subquery()
        counted = {
            "items": select(func.count()).select_from(items),
            "images": select(func.count()).select_from(images),
            "vectors": select(func.count()).where(embeddings.c.version_id == active),
        }
        return {name: self._connection.execute(count).scalar_one() for name, count in counted.items()}

    def changes(self, version_id: int, since: int) -> Changes:
        """What changed after sequence number ``since`` in one index version; everything in it for ``since`` 0.

        Raises EncoderReplacedError where the version was dropped.
        """
        dimension = dimension_of(self._connection, version_id)
        return changes_since(self._connection, version_id, dimension, since)
