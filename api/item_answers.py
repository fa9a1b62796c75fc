"""Items as they go out over HTTP and from ``vitrina items --json``: alone, and in pages of all."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import PurePosixPath, PureWindowsPath
from typing import Self
from urllib.parse import quote

from pydantic import Field

from vitrina.api.requests import JsonModel
from vitrina.indexer.sync import file_name
from vitrina.search.store.sources import ItemPage, PageItem
from vitrina.search.types.errors import QueryError
from vitrina.search.types.item import AttributeValue, StoredItem, Variant

HIT_IMAGE_PX = 512
"""The size in the image URLs of answers."""


class VariantOut(JsonModel):
    """One form in which a product is sold, such as a size in a colour."""

    sku: str = Field(description="The shop's key of the variant; empty if it has none.")
    options: dict[str, str | int | float | bool]
    price_cents: int | None
    currency: str | None
    identifiers: list[str] = Field(description="Barcodes and other codes.")
    url: str | None
    title: str = Field(description="Its own title, as it was given; empty if it has none.")
    image_url: str | None = Field(description="Its own main image, null if it has none of its own.")

    @classmethod
    def of(cls, variant: Variant, image_urls: Sequence[str]) -> Self:
        own = [image_urls[at] for at in variant.images if at < len(image_urls)]
        return cls(
            sku=variant.sku,
            options=dict(variant.options),
            price_cents=variant.price_cents,
            currency=variant.currency,
            identifiers=list(variant.identifiers),
            url=variant.url,
            title=variant.title,
            image_url=own[0] if own else None,
        )


class ItemOut(JsonModel):
    """An item as it is in the catalog."""

    sku: str
    title: str
    description: str
    attributes: dict[str, AttributeValue]
    price_cents: int | None = Field(description="The lowest price of its variants.")
    max_price_cents: int | None = Field(description="The highest price of its variants.")
    currency: str | None
    url: str | None
    image_url: str | None
    image_urls: list[str]
    variants: list[VariantOut] = Field(description="The forms in which it is sold; empty if there is only one.")

    @classmethod
    def of(cls, stored: StoredItem) -> Self:
        return cls.model_validate(item_fields(stored))


def image_urls_of(stored: StoredItem) -> list[str]:
    return [f"/v1/images/{quote(image_id)}?size={HIT_IMAGE_PX}" for image_id in stored.image_ids]


def variants_out(stored: StoredItem) -> list[VariantOut]:
    image_urls = image_urls_of(stored)
    return [VariantOut.of(variant, image_urls) for variant in stored.item.variants]


def item_fields(stored: StoredItem) -> dict[str, object]:
    item, image_urls = stored.item, image_urls_of(stored)
    return {
        "sku": item.sku,
        "title": item.title,
        "description": item.description,
        "attributes": dict(item.attributes),
        "price_cents": item.price_cents,
        "max_price_cents": item.max_price_cents,
        "currency": item.currency,
        "url": item.url,
        "image_url": image_urls[0] if image_urls else None,
        "image_urls": image_urls,
        "variants": variants_out(stored),
    }


class PageItemOut(ItemOut):
    """An item in a list of all."""

    source: str | None = Field(
        description="Where it comes from, a file by its name alone; null if it was put over HTTP."
    )
    changed_at: datetime | None = Field(description="When it changed last; null if an older version wrote it.")

    @classmethod
    def of_row(cls, row: PageItem, named: Callable[[str], str] = str) -> Self:
        source = None if row.source is None else named(row.source)
        changed_at = None if row.changed_at is None else datetime.fromtimestamp(row.changed_at, UTC)
        return cls.model_validate({**item_fields(row.stored), "source": source, "changed_at": changed_at})


class ItemPageOut(JsonModel):
    """A page of the catalog's items, the longest unchanged first."""

    items: list[PageItemOut]
    total: int = Field(description="How many items there are on all pages.")
    next_cursor: str | None = Field(description="The cursor of the next page; null on the last.")
    sources: dict[str, int] = Field(description="How many items each source has.")

    @classmethod
    def of(cls, page: ItemPage, sources: Mapping[str, int], named: Callable[[str], str] = str) -> Self:
        """The page, with ``sources`` by name and how many items each has, as they are ``named`` to who asks."""
        n_items: Counter[str] = Counter()
        for name, n in sources.items():
            n_items[named(name)] += n
        return cls(
            items=[PageItemOut.of_row(each, named) for each in page.items],
            total=page.total,
            next_cursor=None if page.last is None else "-".join(map(str, page.last)),
            sources=dict(n_items),
        )


def public_name(source: str) -> str:
    """The name of a source as it goes out over HTTP: of a file, without its folders on this machine."""
    is_path = PurePosixPath(source).is_absolute() or PureWindowsPath(source).is_absolute()
    return file_name(source) or source if is_path else source


def position_of(cursor: str) -> tuple[int, int]:
    """The position that a cursor stands for; the beginning for an empty one. Raises QueryError."""
    found = re.fullmatch(r"([0-9]{1,18})-([0-9]{1,18})", cursor or "0-0")
    if found is None:
        raise QueryError(f"There is no page {cursor!r:.60}.", remedy='Take "next_cursor" of the page before.')
    return int(found[1]), int(found[2])
