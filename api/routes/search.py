"""``POST /v1/search``: words, pictures, or both."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import StreamingResponse
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile

from api.events import HEADERS, MEDIA_TYPE, stream, takes_events
from api.examples import ANSWER, EVENTS
from api.querying import budget_of, is_reranked, query_of
from api.routes.service import RunningService
from api.service import Service
from api.wire import AnswerOut, SearchRequest
from search.query import MAX_IMAGES
from search.reranking.events import Event, drained

router = APIRouter(tags=["search"])

JSON_FIELDS = ("filters", "weights", "images", "rerank", "explain")
"""Form fields whose text is JSON."""

REQUEST_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/SearchRequest"}},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "description": "The same fields (filters and weights as JSON text), pictures as files.",
                    "properties": {
                        "image": {"type": "array", "items": {"type": "string", "format": "binary"}},
                        "text": {"type": "string"},
                        "without": {"type": "string"},
                        "filters": {"type": "string", "example": '{"colour": "navy blue"}'},
                        "limit": {"type": "integer"},
                        "offset": {"type": "integer"},
                        "min_confidence": {"type": "number"},
                        "rerank": {"type": "string", "example": '{"top": 20, "deadline_ms": 800}'},
                        "explain": {"type": "string", "example": "5"},
                    },
                }
            },
        },
    }
}


RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "One answer; with Accept: text/event-stream, its steps as they come about.",
        "content": {
            "application/json": {"example": ANSWER},
            MEDIA_TYPE: {
                "schema": {
                    "type": "string",
                    "description": "Server-sent events, the data of each a JSON object: retrieved (AnswerOut), "
                    "reranked (AnswerOut), explanation (ExplanationEventOut) for each hit explained, best first, then "
                    "done (DoneOut); error (ErrorOut) where something broke. Lines that begin with a colon keep the "
                    "connection alive.",
                },
                "example": EVENTS,
            },
        },
    }
}


@router.post("/v1/search", response_model=AnswerOut, responses=RESPONSES, openapi_extra=REQUEST_BODY)
async def search(request: Request, service: RunningService) -> AnswerOut | StreamingResponse:
    """Find items by words, by pictures, or by both, less what to avoid, under filters; let a vision-language model look
    at the best again, and explain them requirement by requirement."""
    asked, uploads = await read_request(request)
    events = await run_in_threadpool(begun, service, asked, uploads)
    if takes_events(request.headers.get("accept", "")):
        return StreamingResponse(stream(events, service.threads), media_type=MEDIA_TYPE, headers=HEADERS)
    if not is_reranked(asked):
        return AnswerOut.of(drained(events))
    return AnswerOut.of(await asyncio.get_running_loop().run_in_executor(service.threads, drained, events))


def begun(service: Service, asked: SearchRequest, uploads: list[bytes]) -> Iterator[Event]:
    """The answer's steps, the retrieval done, so that what is wrong with the request raises here. Blocks."""
    rerank = budget_of(asked, service.usual_budget()) if is_reranked(asked) else None
    return service.events(query_of(asked, uploads), rerank)


async def read_request(request: Request) -> tuple[SearchRequest, list[bytes]]:
    """The request and its uploaded pictures, from JSON or a form. Raises RequestValidationError."""
    uploads: list[bytes] = []
    try:
        if request.headers.get("content-type", "").startswith("multipart/form-data"):
            async with request.form(max_files=MAX_IMAGES + 1) as form:
                uploads = [await part.read() for part in form.getlist("image") if isinstance(part, UploadFile)]
                return SearchRequest.model_validate(form_fields(form)), [data for data in uploads if data]
        return SearchRequest.model_validate_json(await request.body()), uploads
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error


def form_fields(form: FormData) -> dict[str, object]:
    """A form's text fields, as JSON would have them; empty ones are left out."""
    fields: dict[str, object] = {}
    for name, value in form.items():
        if isinstance(value, str) and value and name != "image":
            try:
                fields[name] = json.loads(value) if name in JSON_FIELDS else value
            except json.JSONDecodeError as error:
                problem = {"loc": ("form", name), "msg": f"is not JSON: {error}", "type": "json_invalid"}
                raise RequestValidationError([problem]) from error
    return fields
