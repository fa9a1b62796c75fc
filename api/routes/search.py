"""``POST /v1/search``: words, pictures, or both."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile

from api.querying import query_of
from api.routes.service import RunningService
from api.wire import AnswerOut, SearchRequest
from search.query import MAX_IMAGES

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
                    },
                }
            },
        },
    }
}


@router.post("/v1/search", response_model=AnswerOut, openapi_extra=REQUEST_BODY)
async def search(request: Request, service: RunningService) -> AnswerOut:
    """Find items by words, by pictures, or by both, less what to avoid, under filters."""
    asked, uploads = await read_request(request)
    answer = await run_in_threadpool(lambda: service.engine.search(query_of(asked, uploads)))
    return AnswerOut.of(answer)


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
