"""One consistent read of the catalog: items and facets as of one moment."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Select, func, select

from vitrina.search.store.database import embeddings, identifiers, images, index_versions, items, sequence_of
from vitrina.search.store.facets import FacetReader
from vitrina.search.store.index_versions import dimension_of
from vitrina.search.store.items import changes_since, ids_by_sku, in_version, pieces_of, stored_items
from vitrina.search.store.matching import is_among
from vitrina.search.store.sources import KnownItem, known_items
from vitrina.search.store.twins import (
    FirstImage,
    TwinGroups,
    first_images,
    items_by_first_image,
    skus_by_id,
    twin_groups,
    twins_of,
)
from vitrina.search.types.errors import NotFoundError
from vitrina.search.types.identifiers import asked_identifiers, compact, folded, folded_title, query_keys
from vitrina.search.types.item import PIECES, Changes, StoredItem

MAX_SHARING = 20
"""An attribute's code that more items hold, the model of all cases for one telephone, names none of them."""


def of_variant(code: str) -> Select[tuple[int]]:
    """The items that have a folded code for a sku, their own or a variant's."""
    is_code = (identifiers.c.key == compact(code)) & (identifiers.c.value == code) & identifiers.c.is_sku
    return select(identifiers.c.item_id).where(is_code).limit(MAX_SHARING)


COUNTED: Final = {
    "items": select(func.count()).select_from(items),
    "images": select(func.count()).select_from(images),
    "vectors": select(func.count()).where(
        embeddings.c.version_id == select(index_versions.c.id).where(index_versions.c.active).scalar_subquery(),
        embeddings.c.modality != PIECES,
    ),
}
"""What can be counted; of vectors, those of the active index version."""


class CatalogReader:
    """Reads the catalog within one transaction; ``Catalog.reading`` opens one. For one thread at a time."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.facets = FacetReader(connection)
        self._sequence: int | None = None

    def sequence(self) -> int:
        """The number of the last committed change; 0 for an empty, new catalog. Costs one row, once."""
        if self._sequence is None:
            self._sequence = sequence_of(self._connection)
        return self._sequence

    def item(self, sku: str) -> StoredItem:
        """One item by its sku, or by that of one of its variants; where none is spelled just so, by one that differs
        in letter case, in the encoding of letters or in blanks alone. Raises NotFoundError."""
        found = ids_by_sku(self._connection, [sku])
        if not found and (alike := self._with_sku(folded(sku))) is not None:
            found = {sku: alike}
        if not found:
            raise NotFoundError(
                f"There is no item with the sku {sku!r:.300}.",
                remedy="Check the sku's spelling, or index the catalog that holds it.",
                details={"sku": sku[:300]},
            )
        return self.items(list(found.values()))[found[sku]]

    def _with_sku(self, code: str) -> int | None:
        """The first item with a sku, its own or a variant's, that is folded to the code."""
        by_own = select(items.c.id).where(items.c.folded_sku == code).order_by(items.c.id).limit(1)
        found = [*self._connection.scalars(by_own), *self._connection.scalars(of_variant(code))]
        return found[0] if found else None

    def items(self, item_ids: Sequence[int]) -> dict[int, StoredItem]:
        """Items by id, without those that are gone."""
        return stored_items(self._connection, item_ids)

    def image_vectors(self, version_id: int, sku: str) -> dict[str, NDArray[np.float32]]:
        """The vectors that an index version has of an item's images, by the images' ids; none if not of all."""
        item_id = ids_by_sku(self._connection, [sku]).get(sku)
        of_item = select(images.c.image_id).where(images.c.item_id == item_id).order_by(images.c.position)
        rows = in_version(version_id) & (embeddings.c.item_id == item_id) & (embeddings.c.modality == "image")
        vectors = select(embeddings.c.vector).where(rows).order_by(embeddings.c.id)
        image_ids, blobs = list(self._connection.scalars(of_item)), list(self._connection.scalars(vectors))
        if len(image_ids) != len(blobs):
            return {}
        return {image_id: np.frombuffer(blob, "<f4") for image_id, blob in zip(image_ids, blobs, strict=True)}

    def pieces(self, version_id: int, item_ids: Sequence[int], width: int) -> dict[int, NDArray[np.int8]]:
        """The vectors that an index version has of the word pieces of items, shape (n pieces, ``width``), by their
        ids; items without any are left out."""
        found = pieces_of(self._connection, version_id, item_ids)
        return {item_id: np.frombuffer(pieces, np.int8).reshape(-1, width) for item_id, pieces in found.items()}

    def some_items(self, n: int) -> list[StoredItem]:
        """Up to ``n`` items, spread evenly over the catalog by id; the same ones on every call."""
        n_items = self.count("items")
        every = max(1, n_items // n)
        ids = select(items.c.id).order_by(items.c.id)
        numbered = ids.add_columns(func.row_number().over(order_by=items.c.id).label("number")).subquery()
        chosen = select(numbered.c.id).where(numbered.c.number % every == 0).limit(n)
        return list(self.items(list(self._connection.scalars(chosen))).values())

    def named(self, query: str, *, limit: int, within: NDArray[np.int64] | None = None) -> dict[int, str]:
        """Items whose sku or whole title is the query, without regard to case: item id to ``sku`` or ``title``."""
        named: dict[int, str] = {}
        by_title = items.c.folded_title == folded_title(query)
        for kind, is_named in (("title", by_title), ("sku", items.c.folded_sku == folded(query))):
            rows = select(items.c.id).where(is_named).order_by(items.c.id)
            found = list(self._connection.scalars(rows if within is not None else rows.limit(limit)))
            if within is not None:
                ids = np.array(found, np.int64)
                found = ids[is_among(ids, within)][:limit].tolist()
            named.update(dict.fromkeys(found, kind))
        return named

    def identified(self, query: str) -> NDArray[np.int64]:
        """The ids of the items that the query names by an identifier, sorted, shape (n,); mostly none.

        Items that hold the code just as it is typed, letter case aside, come alone.
        """
        for code in asked_identifiers(query):
            item_ids = self._with_identifier(code)
            if item_ids:
                return np.array(sorted(item_ids), np.int64)
        return np.empty(0, np.int64)

    def _with_identifier(self, code: str) -> set[int]:
        by_sku = select(items.c.id).where(items.c.folded_sku == code).limit(MAX_SHARING)
        exact = {*self._connection.scalars(by_sku), *self._connection.scalars(of_variant(code))}
        keys = query_keys(code)
        if not keys:
            return exact
        columns = identifiers.c.item_id, identifiers.c.value, identifiers.c.is_sku
        held = select(*columns).where(identifiers.c.key.in_(keys)).limit(2 * MAX_SHARING + 1)
        rows = self._connection.execute(held).all()
        exact |= {row.item_id for row in rows if row.value == code}
        found = exact or {row.item_id for row in rows}
        return found if len(found) <= MAX_SHARING else {row.item_id for row in rows if row.is_sku}

    def changed_since(self, sequence: int) -> list[int]:
        """The ids of the items that changed after a sequence number."""
        return list(self._connection.scalars(select(items.c.id).where(items.c.sequence > sequence)))

    def twin_groups(self) -> TwinGroups:
        """Every group of twins."""
        return twin_groups(self._connection)

    def twins_of(self, skus: Sequence[str]) -> list[list[int]]:
        """The groups of the items of these skus, whole."""
        return twins_of(self._connection, skus)

    def items_by_first_image(self, image_ids: Collection[str] | None = None) -> dict[str, list[int]]:
        """The items that have each image, or each of some, for their first, the oldest first."""
        return items_by_first_image(self._connection, image_ids)

    def first_images(self, item_ids: Collection[int]) -> dict[int, FirstImage]:
        """What twins are told by, of items that have an image."""
        return first_images(self._connection, item_ids)

    def skus(self, item_ids: Sequence[int]) -> dict[int, str]:
        """The skus of items, by their ids."""
        return skus_by_id(self._connection, item_ids)

    def items_with_images(self, image_ids: Sequence[str]) -> NDArray[np.int64]:
        """The ids of the items that have one of the images, sorted, shape (n,)."""
        held = select(images.c.item_id).where(images.c.image_id.in_(image_ids)).distinct()
        return np.array(sorted(self._connection.scalars(held)), np.int64)

    def known_items(self, skus: Sequence[str]) -> dict[str, KnownItem]:
        """The content hash and the source of each sku that is there."""
        return known_items(self._connection, skus)

    def count(self, what: str) -> int:
        """How many there are of one of ``COUNTED``. Vectors are counted by reading them, which takes seconds for a
        million items."""
        n: int = self._connection.execute(COUNTED[what]).scalar_one()
        return n

    def changes(self, version_id: int, since: int) -> Changes:
        """What changed after sequence number ``since`` in one index version; everything in it for ``since`` 0.

        Raises EncoderReplacedError where the version was dropped.
        """
        dimension = dimension_of(self._connection, version_id)
        return changes_since(self._connection, version_id, dimension, since)
