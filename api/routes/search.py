"""``POST /v1/search``: text, images, or both; ``POST /v1/explain``: why an item is, or is not, among the hits; and
``GET /v1/suggest``: what a text may become while it is typed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from fastapi import Query as Parameter
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser

from vitrina.api.answers import AnswerOut, SuggestionsOut
from vitrina.api.openapi import FORM_FIELDS
from vitrina.api.rank_explanations import RANK_EXPLANATION, RankExplanationOut
from vitrina.api.request_schemas import TEXT
from vitrina.api.requests import ExplainRequest, SearchRequest, from_json, is_reranked, query_of
from vitrina.api.routes.health import RunningService
from vitrina.api.service import Service
from vitrina.api.streaming import RESPONSES, respond, while_connected
from vitrina.indexer.sources.cells import key_text
from vitrina.search.types.query import MAX_IMAGES, WINDOW, Query

router = APIRouter(tags=["search"])

JSON_FIELDS = frozenset(SearchRequest.model_fields) - {*FORM_FIELDS}
"""Form fields that hold JSON."""

REQUEST_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/SearchRequest"}},
            "multipart/form-data": {"schema": {"type": "object"}},  # openapi.describe_form
        },
    }
}


@router.post("/v1/search", response_model=AnswerOut, responses=RESPONSES, openapi_extra=REQUEST_BODY)
async def search(request: Request, service: RunningService) -> Response:
    """Find items by text, by images, or by both, with filters and with text to avoid; or list those that pass the
    filters. If asked to, a vision-language
    model reranks the best hits and explains them, requirement by requirement."""
    body, uploads = await read_request(request)
    rerank = service.rerank_options(body) if is_reranked(body) else None
    query = await read_query(request, service, body, uploads)
    return await respond(request, service, lambda engine: engine.stream(query, rerank), rerank)


async def read_query(request: Request, service: Service, body: SearchRequest, uploads: list[bytes]) -> Query:
    """The request's query. Its images are decoded in threads of their own, so that large ones hold up no search."""
    if body.images or uploads:
        return await while_connected(request, service.decoding.submit(query_of, body, uploads))
    return query_of(body)


@router.post(
    "/v1/explain",
    responses={200: {"content": {"application/json": {"example": RANK_EXPLANATION}}}},
)
async def explain(request: Request, body: ExplainRequest, service: RunningService) -> RankExplanationOut:
    """Why an item is, or is not, among the hits of a search: its rank by each part of the score, the filters that it
    fails, and whether it meets each requirement, by its listing and by its photo."""
    asked, options = body.query, None
    if is_reranked(asked) or (service.reranking is not None and asked.rerank is not False):
        options = service.rerank_options(asked)
    query = await read_query(request, service, asked, [])
    explain = partial(service.explain, query, key_text(body.sku), options, is_reranked=is_reranked(asked))
    return RankExplanationOut.of(await while_connected(request, service.explaining.submit(explain)))


@router.get("/v1/suggest")
def suggest(
    service: RunningService,
    text: Annotated[
        str,
        Parameter(
            description="What is typed so far. The last word is completed, unless a blank follows it.",
            json_schema_extra=TEXT,
            examples=["navy sh"],
        ),
    ],
    limit: Annotated[int, Parameter(description="How many to return at most.", ge=1, le=WINDOW)] = 8,
) -> SuggestionsOut:
    """What a text may become while it is typed: values, words of titles, and both together, each with how many items
    have all of it, kinds of things first and then what most have; nothing that no item has. Takes milliseconds."""
    return SuggestionsOut.of(service.engine.suggest(text, limit))


async def read_request(request: Request) -> tuple[SearchRequest, list[bytes]]:
    """The request and its uploaded images, from JSON or from a form. Raises RequestValidationError."""
    uploads: list[bytes] = []
    try:
        if request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
            async with received_form(request) as form:
                uploads = [await part.read() for part in form.getlist("image") if isinstance(part, UploadFile)]
                return SearchRequest.model_validate(form_fields(form)), [data for data in uploads if data]
        return SearchRequest.model_validate_json(await request.body()), uploads
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error


class WholeForm(MultiPartParser):
    """Reads a form, and knows whether it is whole: Starlette's own takes one that is cut short for a shorter one."""

    is_whole = False

    def on_end(self) -> None:
        """The form's end mark was read."""
        self.is_whole = True


@asynccontextmanager
async def received_form(request: Request) -> AsyncIterator[FormData]:
    """The request's form, whose files are closed at the end of the context. Raises HTTPException for one that cannot be
    read or has too many parts."""
    reader = WholeForm(request.headers, request.stream(), max_files=MAX_IMAGES + 1)
    try:
        form = await reader.parse()
        if not reader.is_whole:
            raise MultiPartException("The form is cut short.")
        yield form
    except MultiPartException as error:
        raise HTTPException(400, error.message) from error
    finally:
        for file in reader._files_to_close_on_error:
            file.close()


def form_fields(form: FormData) -> dict[str, object]:
    """A form's text fields as the JSON request has them, without empty ones. Raises RequestValidationError for a text
    in place of a file, and the other way round."""
    fields: dict[str, object] = {}
    for name, value in form.multi_items():
        is_file = isinstance(value, UploadFile)
        if is_file is not (name == "image") and (is_file or value):
            wanted = "is a text here; send files, as curl's -F image=@photo.jpg" if name == "image" else NO_FILE
            raise RequestValidationError([{"loc": ("form", name), "msg": wanted, "type": "form"}])
        if isinstance(value, str) and value:
            fields[name] = from_json(value, ("form", name)) if name in JSON_FIELDS else value
    return fields


NO_FILE = 'is a file; images are sent in the field "image", and the other fields as texts'
