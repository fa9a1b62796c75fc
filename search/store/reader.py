"""One consistent read of the catalog: items, facets and full text as of one moment."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from vitrina.search.store.facets import FacetReader
from vitrina.search.store.full_text import FullTextReader
from vitrina.search.store.items import ids_by_sku, stored_items
from vitrina.search.store.schema import clock
from vitrina.search.types.errors import NotFoundError
from vitrina.search.types.item import StoredItem


class CatalogReader:
    """Reads the catalog within one transaction; ``Catalog.reading`` opens one. For one thread at a time."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.facets = FacetReader(connection)
        self.full_text = FullTextReader(connection)

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
