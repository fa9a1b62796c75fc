"""An item: one product of the catalog, as it is committed and as it is read back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vitrina.search.types.models import Vectors

Scalar = str | int | float | bool
"""One attribute value; never NaN or infinite."""

AttributeValue = Scalar | tuple[Scalar, ...]
"""An attribute holds one value or several of them (tags, sizes in stock)."""


@dataclass(frozen=True, slots=True)
class Item:
    """A product as the shop describes it; its images are stored separately.

    ``sku`` is the shop's own key, unique in a catalog. ``price_cents`` counts the currency's smallest unit and
    ``currency`` is its ISO 4217 code.
    """

    sku: str
    title: str = ""
    description: str = ""
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
    price_cents: int | None = None
    currency: str | None = None
    url: str | None = None


INCOMPLETE = ""
"""The content hash of an item some of whose images failed: it matches nothing, so the next run tries them again."""

Modality = Literal["image", "text"]
MODALITIES: tuple[Modality, ...] = ("image", "text")


@dataclass(frozen=True, slots=True)
class IndexedItem:
    """An item ready to be committed, with everything derived from it.

    ``content_hash`` is what re-indexing compares. ``vectors`` has one unit row per image for ``image``, in the order
    of ``image_ids``, and one row or none for ``text``.
    """

    item: Item
    content_hash: str
    image_ids: tuple[str, ...]
    vectors: dict[Modality, Vectors]


@dataclass(frozen=True, slots=True)
class StoredItem:
    """An item as the catalog holds it. ``sequence`` is the number of the change that made it so."""

    id: int
    item: Item
    image_ids: tuple[str, ...]
    content_hash: str
    sequence: int


@dataclass(frozen=True, slots=True)
class EmbeddingRows:
    """Embedding rows: ids strictly ascending, shape (n,); the item each belongs to; unit vectors, shape (n, d)."""

    row_ids: NDArray[np.int64]
    item_ids: NDArray[np.int64]
    vectors: Vectors

    def __len__(self) -> int:
        return len(self.row_ids)


@dataclass(frozen=True, slots=True)
class Changes:
    """What brings an index replica from one sequence number to ``sequence``: drop all rows of ``touched_items``, then
    append ``rows``."""

    sequence: int
    touched_items: NDArray[np.int64]
    rows: dict[Modality, EmbeddingRows]
