"""Changes to an item that come over HTTP (RFC 7396): what is given replaces, null removes, and the rest stays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, FailFast, Field

from vitrina.api.item_records import check_positions, record_of
from vitrina.api.request_schemas import CATALOG_IMAGES, CURRENCY, URL
from vitrina.api.requests import AttributeIn, CatalogModel, Cents, ItemIn, VariantIn, few_attributes
from vitrina.indexer.sources.attributes import MAX_ATTRIBUTES, MAX_VALUES, attribute_key
from vitrina.indexer.sources.base import Record
from vitrina.indexer.sources.cells import key_text
from vitrina.indexer.sources.rows import MAX_DESCRIPTION_CHARS, MAX_TITLE_CHARS
from vitrina.search.types.errors import InputError, NotFoundError
from vitrina.search.types.identifiers import folded
from vitrina.search.types.item import MAX_VARIANTS, AttributeValue, Item, StoredItem

ATTRIBUTES = AttributeIn | Annotated[list[AttributeIn], Field(max_length=MAX_VALUES)] | None


def list_or_none(value: object) -> object:
    """The same; an empty list for null."""
    return [] if value is None else value


class PatchIn(CatalogModel):
    """Changes to an item: fields that are given are replaced, null removes one, attributes are merged by name."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"price_cents": 3990}, {"attributes": {"colour": "black", "season": None}, "url": None}]
        },
    )

    title: Annotated[str, Field(max_length=MAX_TITLE_CHARS)] | None = None
    description: Annotated[str, Field(max_length=MAX_DESCRIPTION_CHARS)] | None = None
    attributes: (
        Annotated[dict[str, ATTRIBUTES], BeforeValidator(few_attributes), Field(max_length=MAX_ATTRIBUTES)] | None
    ) = Field(None, description="By name: those that are given are replaced, null removes one, others stay.")
    price_cents: Cents | None = None
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$", json_schema_extra=CURRENCY)] | None = None
    url: Annotated[str, Field(json_schema_extra=URL)] | None = None
    variants: Annotated[list[VariantIn], Field(max_length=MAX_VARIANTS)] | None = Field(
        None, description="All of them; they stay if not given."
    )
    images: Annotated[list[str], FailFast(), BeforeValidator(list_or_none, json_schema_input_type=list[str] | None)] = (
        Field(
            default_factory=list,
            description="Data URIs or public http(s) URLs, all of them; they stay if not given.",
            json_schema_extra=CATALOG_IMAGES,
        )
    )


def patched(sku: str, before: StoredItem, changes: PatchIn) -> Record:
    """The item as it is once it is changed, with the images that are given. What is given is read under the same rules
    as a whole item, and what is not stays as it is. Raises InputError, and NotFoundError for the sku of a variant."""
    if folded(before.item.sku) != folded(key_text(sku)):
        raise NotFoundError(
            f"{sku!r:.300} is a variant of the item {before.item.sku!r}.", remedy='Send that item\'s "variants".'
        )
    given, old = changes.model_dump(exclude_unset=True), before.item
    n_images = len(before.image_ids)
    read = record_of(old.sku, item_of(given), 0 if "images" in given else n_images)
    fields: dict[str, Any] = {name: getattr(read.item, name) for name in given if name not in ("attributes", "images")}
    if given.get("title", "-") in (None, ""):
        fields["title"] = ""
    if "price_cents" in given or "variants" in given:
        fields["price_to_cents"] = None
    if "attributes" in given or "variants" in given:
        fields["attributes"] = merged(old, given, read.item)
    item = replace(old, **fields)
    check_whole(item, given, len(read.images) if "images" in given else n_images)
    return replace(read, item=item)


def item_of(given: Mapping[str, Any]) -> ItemIn:
    """What is given as an item, a title in place of none, since any item has something in it."""
    filled = {name: value for name, value in given.items() if value not in (None, "")}
    attributes = {name: value for name, value in filled.pop("attributes", {}).items() if value is not None}
    return ItemIn.model_validate({"title": "untitled", **filled, "attributes": attributes})


def merged(old: Item, given: Mapping[str, Any], read: Item) -> dict[str, AttributeValue]:
    """The attributes of an item: the old ones, without what the options of variants that go brought, and those that are
    given."""
    attributes = dict(old.attributes)
    if "variants" in given:
        for name in {name for variant in old.variants for name in variant.options}:
            options = {str(variant.options.get(name)).strip().casefold() for variant in old.variants}
            value = attributes.pop(name, ())
            values = value if isinstance(value, tuple) else (value,)
            if rest := tuple(each for each in values if str(each).strip().casefold() not in options):
                attributes[name] = rest if len(rest) > 1 else rest[0]
    if "attributes" in given:
        named = attributes if given["attributes"] is None else {attribute_key(name) for name in given["attributes"]}
        attributes = {name: value for name, value in attributes.items() if name not in named}
    return {**attributes, **read.attributes}


def check_whole(item: Item, given: Mapping[str, Any], n_images: int) -> None:
    """Raises InputError for what the changed item cannot be as a whole."""
    if not (item.title or item.description or item.attributes or item.variants or n_images):
        raise InputError(
            "The item has neither an image nor any text then.", remedy="Give it a title, a description or an image."
        )
    if len(item.attributes) > MAX_ATTRIBUTES:
        raise InputError(
            f"The item has {len(item.attributes):,} attributes then; {MAX_ATTRIBUTES} are possible.",
            remedy="Remove some, with null.",
        )
    for variant in item.variants:
        check_positions(variant, n_images)
    if item.variants and "variants" not in given:
        options = {name for variant in item.variants for name in variant.options}
        named = [attribute_key(name) for name in given.get("attributes") or ()]
        own = [name for name in named if name in options]
        if own or ("price_cents" in given and given["price_cents"] != item.price_cents):
            what = f"attribute {own[0]!r}" if own else "price"
            raise InputError(
                f"The {what} of the item comes from its variants.", remedy='Send all of its "variants", changed.'
            )
