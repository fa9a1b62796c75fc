"""An item: one product of the catalog, as it is committed and as it is read back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vitrina.search.types.models import Vectors

Scalar = str | int | float | bool
"""One attribute value; never NaN or infinite."""

AttributeValue = Scalar | tuple[Scalar, ...]
"""An attribute holds one value or several of them (tags, sizes in stock)."""


MAX_VARIANTS = 2_048
"""Variants that an item may have, which is also Shopify's limit."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One form in which a product is sold, such as a size in a colour.

    ``sku`` is the shop's key of the variant; some have none. ``options`` say what it is, in the shop's order, under the
    names that attributes have (``colour``, ``size``). ``identifiers`` are its barcodes and other codes. ``images`` are
    the positions of its images among those of the item. Price and currency are as an item's. ``title`` is its own,
    also where it says the same as the item's, and empty where the shop gives it none.
    """

    sku: str = ""
    options: Mapping[str, Scalar] = field(default_factory=dict)
    price_cents: int | None = None
    currency: str | None = None
    identifiers: tuple[str, ...] = ()
    images: tuple[int, ...] = ()
    url: str | None = None
    title: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """A product as the shop describes it; its images are stored separately.

    ``sku`` is the shop's own key, unique in a catalog. ``price_cents`` counts the currency's smallest unit and
    ``currency`` is its ISO 4217 code.

    An item with ``variants`` has the values of all their options among its attributes, and the lowest of their prices.
    A variant without a price has the item's. ``price_to_cents`` is the highest price of an item without
    variants that is sold at several, as a bundle whose parts are chosen.
    """

    sku: str
    title: str = ""
    description: str = ""
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
    price_cents: int | None = None
    currency: str | None = None
    url: str | None = None
    variants: tuple[Variant, ...] = ()
    price_to_cents: int | None = None

    def __post_init__(self) -> None:
        if self.variants:
            currency = self.currency or next((each.currency for each in self.variants if each.currency), None)
            known = [each.price_cents for each in self.variants if each.price_cents is not None]
            own = min(known, default=None) if self.price_cents is None else self.price_cents
            variants = tuple(priced(variant, own, currency) for variant in self.variants)
            prices = [variant.price_cents for variant in variants if variant.price_cents is not None]
            object.__setattr__(self, "variants", variants)
            object.__setattr__(self, "price_cents", min(prices, default=None))
            object.__setattr__(self, "currency", currency)
            object.__setattr__(self, "attributes", with_options(self.attributes, variants))

    def title_of(self, variant: int | None) -> str:
        """What the variant at a position is called; the item's title for None, and where it has none of its own."""
        return self.title if variant is None else self.variants[variant].title or self.title

    @property
    def max_price_cents(self) -> int | None:
        """The highest price of its variants; its own highest price where it has none."""
        prices = [variant.price_cents for variant in self.variants if variant.price_cents is not None]
        if self.price_cents is None or prices:
            return max(prices, default=None)
        return max(self.price_cents, self.price_to_cents or 0)


def priced(variant: Variant, price_cents: int | None, currency: str | None) -> Variant:
    """A variant with the item's price and currency where it has none of its own."""
    if variant.price_cents is None and price_cents is not None:
        return replace(variant, price_cents=price_cents, currency=currency)
    return replace(variant, currency=currency) if variant.currency is None and currency is not None else variant


def with_options(attributes: Mapping[str, AttributeValue], variants: tuple[Variant, ...]) -> dict[str, AttributeValue]:
    """An item's attributes with every value of its variants' options, each once, in the order in which they come."""
    values: dict[str, dict[str, Scalar]] = {}
    named = {name: None for variant in variants for name in variant.options}
    held = ((name, attributes[name]) for name in named if name in attributes)
    options = ((name, value) for variant in variants for name, value in variant.options.items())
    for name, value in (*held, *options):
        for each in value if isinstance(value, tuple) else (value,):
            values.setdefault(name, {}).setdefault(str(each).strip().casefold(), each)
    merged = {name: tuple(each.values()) for name, each in values.items()}
    return {**attributes, **{name: each[0] if len(each) == 1 else each for name, each in merged.items()}}


INCOMPLETE = ""
"""The content hash of an item some of whose images failed: it matches nothing, so the next run tries them again."""

Modality = Literal["image", "text"]
MODALITIES: tuple[Modality, ...] = ("image", "text")

EmbeddingKind = Literal["image", "text", "pieces"]
PIECES: EmbeddingKind = "pieces"
"""The vectors of the word pieces of an item's text, int8, one after the other in one row."""

ItemVectors = Mapping[EmbeddingKind, NDArray[np.float32] | NDArray[np.int8]]
"""All that an encoder makes of an item."""


@dataclass(frozen=True, slots=True)
class IndexedItem:
    """An item ready to be committed, with everything derived from it.

    ``content_hash`` is what re-indexing compares. ``vectors`` has one unit row per image for ``image``, in the order
    of ``image_ids``, and one row or none for ``text`` and for ``pieces``.
    """

    item: Item
    content_hash: str
    image_ids: tuple[str, ...]
    vectors: ItemVectors


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
