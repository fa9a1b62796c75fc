"""``/v1/items``: one product at a time."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import StreamingResponse
from pydantic import ValidationError

from vitrina.api.requests import budget_of, decode_data_uri, is_reranked
from vitrina.api.routes.health import RunningService
from vitrina.api.schemas import AnswerOut, ItemIn, ItemOut, SearchRequest
from vitrina.api.streaming import RESPONSES, answered, from_json
from vitrina.indexer.sources.base import Record, Rejection, TableRow
from vitrina.indexer.sources.rows import Columns, read_row
from vitrina.search.types.errors import FilterError, InputError
from vitrina.search.types.filters import parse_filters
from vitrina.search.types.query import Query as SearchQuery

router = APIRouter(tags=["items"])

FIELDS = ("sku", "title", "description", "price_cents", "currency", "url")
COLUMNS = Columns(fields={name: name for name in FIELDS}, images=("images",), renamed={})
"""``ItemIn`` as a catalog row: its fields go by their own names."""


@router.get("/v1/items/{sku:path}/similar", response_model=AnswerOut, responses=RESPONSES)
async def similar_items(
    request: Request,
    service: RunningService,
    sku: str,
    limit: Annotated[int, Query(description="How many hits.")] = 10,
    offset: Annotated[int, Query(description="How many of the best to skip.")] = 0,
    filters: Annotated[str, Query(description="Filters as JSON, as in a search.")] = "{}",
    min_confidence: Annotated[float, Query(description="Leave out hits whose confidence is lower.", ge=0, le=1)] = 0.0,
    rerank: Annotated[str, Query(description='As JSON, as in a search: true, or {"top": 20}.')] = "null",
    explain: Annotated[str, Query(description="As JSON, as in a search: true, or 5.")] = "null",
) -> AnswerOut | StreamingResponse:
    """The items that look most like this one; a vision-language model looks at the best again, and explains them, where
    that is asked for."""
    asked = asked_of(rerank, explain)
    query = SearchQuery(
        skus=(sku,),
        filters=parse_filters(json_object(filters)),
        limit=limit,
        offset=offset,
        min_confidence=min_confidence,
    )
    budget = budget_of(asked, service.usual_budget()) if is_reranked(asked) else None
    return await answered(request, service, partial(service.events, query, budget, sku), is_reranked=budget is not None)


@router.get("/v1/items/{sku:path}")
def get_item(service: RunningService, sku: str) -> ItemOut:
    """One item by its sku."""
    return ItemOut.of(service.store.catalog.item(sku))


@router.put("/v1/items/{sku:path}", responses={201: {"model": ItemOut}})
def put_item(service: RunningService, sku: str, item: ItemIn, response: Response) -> ItemOut:
    """Add an item, or replace it whole; searchable when the answer arrives."""
    existed = bool(service.store.catalog.content_hashes([sku]))
    stored = service.put(record_of(sku, item))
    response.status_code = 200 if existed else 201
    return ItemOut.of(stored)


@router.delete("/v1/items/{sku:path}", status_code=204)
def delete_item(service: RunningService, sku: str) -> None:
    """Remove an item; it is in no later answer of this service."""
    if not service.delete([sku]):
        service.store.catalog.item(sku)  # raises NotFoundError


def asked_of(rerank: str, explain: str) -> SearchRequest:
    """How an address asks for reranking. Raises RequestValidationError."""
    given = {"rerank": rerank, "explain": explain}
    try:
        return SearchRequest.model_validate({name: from_json(text, ("query", name)) for name, text in given.items()})
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error


def record_of(sku: str, item: ItemIn) -> Record:
    """The item as a record, under the rules that hold for every catalog row. Raises InputError."""
    cells = {"sku": sku, **item.model_dump(exclude={"images"}), "images": [image_cell(i) for i in item.images]}
    record = read_row(TableRow(f"PUT {sku}", cells), COLUMNS, folder=Path())
    if isinstance(record, Rejection):
        raise InputError(record.reason, remedy=record.remedy)
    return record


def image_cell(image: str) -> str | bytes:
    """A URL, or a data URI's bytes: what a stranger sends never names a local file."""
    return image if image.startswith(("http://", "https://")) else decode_data_uri(image)


def json_object(text: str) -> dict[str, object]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        value = error
    if not isinstance(value, dict):
        raise FilterError(f"The filters {text[:200]!r} are no JSON object.", remedy='Write {"colour": "navy blue"}.')
    return value
