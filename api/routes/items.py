"""``/v1/items``: one item at a time."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi import Path as PathParameter
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from pydantic import BeforeValidator, ValidationError
from starlette.convertors import PathConvertor, register_url_convertor

from vitrina.api.answers import AnswerOut
from vitrina.api.item_answers import ItemOut, ItemPageOut, position_of, public_name
from vitrina.api.item_batches import BatchIn, BatchOut, BatchWriter, PutIn
from vitrina.api.item_patches import PatchIn, patched
from vitrina.api.item_records import fetches, record_of
from vitrina.api.request_schemas import CURSOR, LIMIT, RANK, SKU
from vitrina.api.requests import ItemIn, SearchRequest, from_json, is_reranked, strict_json
from vitrina.api.routes.health import RunningService
from vitrina.api.service import FETCH_S, Service
from vitrina.api.streaming import RESPONSES, respond, while_connected
from vitrina.indexer.sources.base import Record
from vitrina.indexer.sources.cells import key_text
from vitrina.search.types.errors import FilterError, ItemChangedError
from vitrina.search.types.filters import parse_filters
from vitrina.search.types.item import StoredItem
from vitrina.search.types.query import WINDOW
from vitrina.search.types.query import Query as SearchQuery

router = APIRouter(tags=["items"])


class SkuConvertor(PathConvertor):
    """What is left of a path, with any slashes and line ends in it."""

    regex = r"[\s\S]*"


register_url_convertor("sku", SkuConvertor())


def is_item_itself(request: Request, service: Service, sku: str) -> bool:
    """Whether ``/v1/items/{sku}/similar`` names the item whose sku ends in ``/similar``: where the last slash is
    written ``%2F``, and where there is such an item and none of the shorter sku."""
    if request.scope.get("raw_path", b"").upper().endswith(b"%2FSIMILAR"):
        return True
    whole, part = key_text(f"{sku}/similar"), key_text(sku)
    known = service.store.catalog.content_hashes([whole, part])
    return whole in known and part not in known


@router.get("/v1/items/{sku:sku}/similar", response_model=AnswerOut, responses=RESPONSES)
async def similar_items(
    request: Request,
    service: RunningService,
    sku: str,
    limit: Annotated[int, Query(description="How many hits to return.", json_schema_extra=LIMIT)] = 10,
    offset: Annotated[int, Query(description="How many of the best hits to skip.", json_schema_extra=RANK)] = 0,
    filters: Annotated[str, Query(description="Filters as JSON, as in a search.")] = "{}",
    min_confidence: Annotated[float, Query(description="Leave out hits with a lower confidence.", ge=0, le=1)] = 0.0,
    rerank: Annotated[str, Query(description='As JSON, as in a search: true, or {"top": 20}.')] = "null",
    explain: Annotated[str, Query(description="As JSON, as in a search: true, or 5.")] = "null",
    collapse: Annotated[bool, Query(description="Show a product once; with false its variants one by one.")] = True,
) -> Response:
    """The items most similar to this one. If asked to, a vision-language model reranks the best of them and explains
    them. An item whose sku ends in ``/similar`` is read with that slash as ``%2F``."""
    named, sku, options = sku, key_text(sku), rerank_request(rerank, explain)
    query = SearchQuery(
        skus=(sku,),
        filters=parse_filters(json_object(filters)),
        limit=min(limit, WINDOW - offset) if 0 <= offset < WINDOW and limit <= WINDOW else limit,
        offset=offset,
        min_confidence=min_confidence,
        exclude_skus=(sku,),
        collapse=collapse,
    )
    reranking = service.rerank_options(options) if is_reranked(options) else None
    if await run_in_threadpool(is_item_itself, request, service, named):
        item = await run_in_threadpool(get_item, service, f"{named}/similar")
        return Response(item.model_dump_json(), media_type="application/json")
    return await respond(request, service, lambda engine: engine.stream(query, reranking), reranking)


def no_number(text: object) -> object:
    """A time as it is written. Raises ValueError for a number, which would be taken for seconds since 1970."""
    if isinstance(text, str) and re.fullmatch(r"[-+.0-9eE_\s]*", text) and not re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        raise ValueError("Write it as 2026-01-31T12:00:00Z")
    return text


@router.get("/v1/items")
def list_items(
    service: RunningService,
    limit: Annotated[int, Query(description="How many items to return.", ge=1, le=WINDOW)] = 100,
    cursor: Annotated[str, Query(description='"next_cursor" of the page before.', json_schema_extra=CURSOR)] = "",
    source: Annotated[str | None, Query(description="Only those that come from this source.")] = None,
    since: Annotated[
        datetime | None, BeforeValidator(no_number), Query(description="Only those that changed at this time or later.")
    ] = None,
) -> ItemPageOut:
    """Page through the items of the catalog, the longest unchanged first: what changes meanwhile comes at the end."""
    catalog = service.store.catalog
    seconds = None if since is None else since.replace(tzinfo=since.tzinfo or UTC).timestamp()
    known = catalog.source_names()
    wanted = None if source is None else [name for name in known if source in (name, public_name(name))]
    page = catalog.item_page(limit, position_of(cursor), sources=wanted, since=seconds)
    return ItemPageOut.of(page, known, public_name)


@router.get("/v1/items/{sku:sku}")
def get_item(service: RunningService, sku: str) -> ItemOut:
    """One item by its sku."""
    return ItemOut.of(service.store.catalog.item(key_text(sku)))


@router.put("/v1/items/{sku:sku}", responses={201: {"model": ItemOut}})
async def put_item(
    request: Request,
    service: RunningService,
    sku: Annotated[str, PathParameter(json_schema_extra=SKU)],
    item: ItemIn,
    response: Response,
) -> ItemOut:
    """Add an item, or replace it as a whole. It is searchable when the response arrives."""
    record, cancelled = record_of(sku, item), threading.Event()
    threads = service.fetching if fetches(item.images) else service.writing
    work = threads.submit(put, service, record, cancelled)
    existed, stored = await while_connected(request, work, cancelled.set, time.monotonic() + FETCH_S)
    response.status_code = 200 if existed else 201
    return ItemOut.of(stored)


def put(service: Service, record: Record, cancelled: threading.Event) -> tuple[bool, StoredItem]:
    """Whether the item existed, and how it is stored now. Blocks while its images are fetched, unless ``cancelled``."""
    existed = bool(service.store.catalog.content_hashes([record.item.sku]))
    return existed, service.put(record, cancelled)


@router.patch("/v1/items/{sku:sku}")
async def patch_item(
    request: Request,
    service: RunningService,
    sku: Annotated[str, PathParameter(json_schema_extra=SKU)],
    changes: PatchIn,
) -> ItemOut:
    """Change some fields of an item (RFC 7396): those given are replaced, null removes one, attributes are merged by
    name, and what is not given stays, as images do. It is searchable so when the response arrives."""
    cancelled = threading.Event()
    threads = service.fetching if fetches(changes.images) else service.writing
    work = threads.submit(patch, service, sku, changes, cancelled)
    return ItemOut.of(await while_connected(request, work, cancelled.set, time.monotonic() + FETCH_S))


def patch(service: Service, sku: str, changes: PatchIn, cancelled: threading.Event) -> StoredItem:
    """The item as it is stored once it is changed. Blocks as ``put`` does. Raises NotFoundError and InputError."""
    while True:
        before = service.store.catalog.item(key_text(sku))
        record, gets_images = patched(sku, before, changes), "images" in changes.model_fields_set
        if record.item == before.item and not gets_images:
            return before
        with suppress(ItemChangedError):  # then what was written meanwhile is changed
            return service.put(record, cancelled, replace(before, image_ids=()) if gets_images else before)


@router.post("/v1/items:batch")
async def write_items(request: Request, service: RunningService, batch: BatchIn) -> BatchOut:
    """Put and delete up to 1,000 items, in this order. Each has a result of its own: one that fails keeps no other from
    being written. Those that are written are searchable when the response arrives."""
    cancelled = threading.Event()
    is_slow = any(fetches(each.item.images) for each in batch.operations if isinstance(each, PutIn))
    threads = service.fetching if is_slow else service.writing
    work = threads.submit(BatchWriter(service, cancelled).write, batch.operations)
    return await while_connected(request, work, cancelled.set, time.monotonic() + FETCH_S)


@router.delete("/v1/items/{sku:sku}", status_code=204)
async def delete_item(service: RunningService, sku: str) -> None:
    """Remove an item. No later answer of this service has it."""
    if not await asyncio.get_running_loop().run_in_executor(service.writing, service.delete, [key_text(sku)]):
        service.store.catalog.item(key_text(sku))  # raises NotFoundError


def rerank_request(rerank: str, explain: str) -> SearchRequest:
    """The request for reranking in the parameters of a URL. Raises RequestValidationError."""
    given = {"rerank": rerank, "explain": explain}
    try:
        return SearchRequest.model_validate({name: from_json(text, ("query", name)) for name, text in given.items()})
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error


def json_object(text: str) -> dict[str, object]:
    try:
        value = strict_json(text)
    except ValueError as error:
        value = error
    if not isinstance(value, dict):
        raise FilterError(f"The filters {text[:200]!r} are not a JSON object.", remedy='Write {"colour": "navy blue"}.')
    return value
