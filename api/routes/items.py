"""``/v1/items``: one product at a time."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.data_uri import decode_data_uri
from api.routes.service import RunningService
from api.wire import AnswerOut, ItemIn, ItemOut
from indexer.record import ImageReference, Record
from search.errors import FilterError
from search.filters import parse_filters
from search.item import Item
from search.query import Query as SearchQuery

router = APIRouter(tags=["items"])


@router.get("/v1/items/{sku:path}/similar")
def similar_items(
    service: RunningService,
    sku: str,
    limit: Annotated[int, Query(description="How many hits.")] = 10,
    offset: Annotated[int, Query(description="How many of the best to skip.")] = 0,
    filters: Annotated[str, Query(description="Filters as JSON, as in a search.")] = "{}",
) -> AnswerOut:
    """The items that look most like this one."""
    query = SearchQuery(skus=(sku,), filters=parse_filters(json_object(filters)), limit=limit, offset=offset)
    return AnswerOut.of(service.engine.similar(sku, query))


@router.get("/v1/items/{sku:path}")
def get_item(service: RunningService, sku: str) -> ItemOut:
    """One item by its sku."""
    return ItemOut.of(service.home.catalog.item(sku))


@router.put("/v1/items/{sku:path}", responses={201: {"model": ItemOut}})
def put_item(service: RunningService, sku: str, item: ItemIn, response: Response) -> ItemOut:
    """Add an item, or replace it whole; searchable when the answer arrives."""
    existed = bool(service.home.catalog.content_hashes([sku]))
    stored = service.indexer.put(record_of(sku, item))
    service.view.catch_up()
    response.status_code = 200 if existed else 201
    return ItemOut.of(stored)


@router.delete("/v1/items/{sku:path}", status_code=204)
def delete_item(service: RunningService, sku: str) -> None:
    """Remove an item; it is in no later answer of this service."""
    if not service.home.catalog.delete([sku]):
        service.home.catalog.item(sku)  # raises NotFoundError
    service.view.catch_up()


def record_of(sku: str, item: ItemIn) -> Record:
    attributes = {k: tuple(v) if isinstance(v, list) else v for k, v in item.attributes.items()}
    return Record(
        origin=f"PUT {sku}",
        item=Item(sku, item.title, item.description, attributes, item.price_cents, item.currency, item.url),
        images=tuple(image_reference(image) for image in item.images),
    )


def image_reference(image: str) -> ImageReference:
    if image.startswith(("http://", "https://")):
        return ImageReference(url=image)
    return ImageReference(data=decode_data_uri(image))


def json_object(text: str) -> dict[str, object]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        value = error
    if not isinstance(value, dict):
        raise FilterError(f"The filters {text[:200]!r} are no JSON object.", remedy='Write {"colour": "navy blue"}.')
    return value
