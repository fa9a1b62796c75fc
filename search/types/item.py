"""An item: one product of the catalog, as it is committed and as it is read back."""

from __future__ import annotations

import re
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


WORD = re.compile(r"\w+")

MAX_EMBEDDED_CHARS = 1000
"""Far more than any text tower's context; keeps a 100,000-character description from being tokenised whole."""


def attribute_text(attributes: Mapping[str, AttributeValue]) -> str:
    """The values of attributes as text, without those that are true or false."""
    values = (value if isinstance(value, tuple) else (value,) for value in attributes.values())
    return "; ".join(str(part) for value in values for part in value if not isinstance(part, bool))


def has_words(item: Item) -> bool:
    """Whether an item has a title, a description or a value that says something."""
    return bool(item.title or item.description or attribute_text(item.attributes))


def embedding_text(item: Item) -> str:
    """The text of an item to embed: title, attribute values that the title does not name, and description, cut to
    ``MAX_EMBEDDED_CHARS``."""
    title = f" {' '.join(WORD.findall(item.title.casefold()))} "
    values = attribute_text(item.attributes).split("; ")
    named = [value for value in values if f" {' '.join(WORD.findall(value.casefold()))} " not in title]
    said = [item.title, " ".join(named), item.description]
    return ". ".join(part for part in said if part)[:MAX_EMBEDDED_CHARS]
