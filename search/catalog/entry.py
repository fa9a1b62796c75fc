"""What is committed for one item, and what is read back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from search.encoders.base import Vectors
from search.item import Item

INCOMPLETE = ""
"""The content hash of an item some of whose pictures failed: it matches nothing, so the next run tries them again."""

Modality = Literal["image", "text"]
MODALITIES: tuple[Modality, ...] = ("image", "text")


@dataclass(frozen=True, slots=True)
class Entry:
    """An item ready to be committed, with everything derived from it.

    ``content_hash`` is what re-indexing compares. ``vectors`` has one unit row a picture for ``image``, in the order
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
class Rows:
    """Embedding rows: ids strictly ascending, shape (n,); the item each belongs to; unit vectors, shape (n, d)."""

    row_ids: NDArray[np.int64]
    item_ids: NDArray[np.int64]
    vectors: Vectors

    def __len__(self) -> int:
        return len(self.row_ids)


@dataclass(frozen=True, slots=True)
class Changes:
    """What a view must do to come from one sequence number to ``sequence``: drop all rows of ``touched_items``, then
    append ``rows``."""

    sequence: int
    touched_items: NDArray[np.int64]
    rows: dict[Modality, Rows]
