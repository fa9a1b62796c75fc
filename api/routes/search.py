"""``POST /v1/search``: words, pictures, or both."""

from __future__ import annotations

from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import StreamingResponse
from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile

from vitrina.api.requests import budget_of, is_reranked, query_of
from vitrina.api.routes.health import RunningService
from vitrina.api.schemas import AnswerOut, SearchRequest
from vitrina.api.service import Service
from vitrina.api.streaming import RESPONSES, answered, from_json
from vitrina.search.types.answer import AnswerStream
from vitrina.search.types.query import MAX_IMAGES

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


@router.post("/v1/search", response_model=AnswerOut, responses=RESPONSES, openapi_extra=REQUEST_BODY)
async def search(request: Request, service: RunningService) -> AnswerOut | StreamingResponse:
    """Find items by words, by pictures, or by both, less what to avoid, under filters; let a vision-language model look
    at the best again, and explain them requirement by requirement."""
    asked, uploads = await read_request(request)
    begin = partial(begun, service, asked, uploads)
    return await answered(request, service, begin, is_reranked=is_reranked(asked))


def begun(service: Service, asked: SearchRequest, uploads: list[bytes]) -> AnswerStream:
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
            fields[name] = from_json(value, ("form", name)) if name in JSON_FIELDS else value
    return fields
