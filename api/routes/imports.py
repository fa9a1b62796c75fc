"""``/v1/imports``: catalogs, sent or fetched, and indexed in the background."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncGenerator, Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Query, Request, Response
from fastapi import Path as PathParameter
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.responses import StreamingResponse

from vitrina.api.imports import (
    EXAMPLE_ROWS,
    OPTIONS_AS_JSON,
    DeadLetterOut,
    DeadLettersOut,
    ImportIn,
    ImportOptions,
    ImportOut,
    ImportPageOut,
    RowsImportIn,
    UrlImportIn,
    hiding,
    request_of,
)
from vitrina.api.requests import from_json
from vitrina.api.routes.health import RunningService
from vitrina.api.service import Service
from vitrina.api.streaming import KEEP_ALIVE_S, LINE_END, event_schema, named
from vitrina.api.uploads import make_folder, receive_form
from vitrina.indexer.imports import (
    PROGRESS,
    REQUEST,
    ImportKind,
    ImportRequest,
    letter_of,
    letters_of,
    read_dead_letters,
    write_rows,
)
from vitrina.indexer.uploads import no_room
from vitrina.search.store.jobs import Job, JobKind

router = APIRouter(tags=["imports"])

POLL_S = 0.5
"""How often a stream of progress looks for news."""

BODY: TypeAdapter[UrlImportIn | RowsImportIn] = TypeAdapter(ImportIn)

N_LINES = 1_000
"""Dead letters that are read and sent together."""

MAX_ID = 2**63 - 1
ImportId = Annotated[int, PathParameter(ge=1, le=MAX_ID, description="The import's id.")]


def form_schema() -> dict[str, Any]:
    """A form: the file, and the options as text fields, those of ``OPTIONS_AS_JSON`` as JSON. Only in JSON is null."""
    options = ImportOptions.model_json_schema()["properties"]
    for name in options.keys() - set(OPTIONS_AS_JSON):
        given = [form for form in options[name].pop("anyOf", ()) if form.get("type") != "null"]
        options[name].update(*given)
    file = {"type": "string", "format": "binary", "description": "Its name's ending tells the format."}
    return {
        "type": "object",
        "required": ["file"],
        "properties": {"file": file, **options},
        "additionalProperties": False,
    }


REQUEST_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": form_schema(),
                "encoding": {name: {"contentType": "application/json"} for name in OPTIONS_AS_JSON},
            },
            "application/json": {
                "schema": {
                    "oneOf": [
                        {"$ref": "#/components/schemas/UrlImportIn"},
                        {"$ref": "#/components/schemas/RowsImportIn"},
                    ]
                },
                "examples": {"rows": {"value": EXAMPLE_ROWS}},
            },
        },
    }
}


@router.post("/v1/imports", status_code=202, openapi_extra=REQUEST_BODY)
async def start_import(request: Request, service: RunningService, response: Response) -> ImportOut:
    """Import a catalog in the background: a file (CSV, TSV, JSON, JSON lines, Parquet, an XML feed, a WebDataset tar,
    or a zip or tar of a folder), an address to fetch it from, or rows. Imports take turns; searches go on meanwhile."""
    content_type = request.headers.get("content-type", "")
    store = service.store
    folder = await asyncio.to_thread(make_folder, store.uploads)
    try:
        if content_type.lower().startswith("multipart/form-data"):
            wanted = await received_form(request, content_type, folder)
        else:
            wanted = await asyncio.to_thread(received_json, await request.body(), folder)
        if wanted.retry is not None:
            await asyncio.to_thread(letters_of, store, wanted.retry)
        job = await asyncio.to_thread(store.jobs.add, JobKind.IMPORT, REQUEST.dump_python(wanted, mode="json"))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    service.jobs.wake()
    response.headers["Location"] = f"/v1/imports/{job.id}"
    return out(service, job)


async def received_form(request: Request, content_type: str, folder: Path) -> ImportRequest:
    """An import of the file in a form, which is written to the disk as it comes."""
    form = await receive_form(request.stream(), content_type, folder)
    fields = {
        name: from_json(text, ("form", name)) if name in OPTIONS_AS_JSON else text
        for name, text in form.fields.items()
        if text
    }
    try:
        options = ImportOptions.model_validate(fields)
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error
    return request_of(options, ImportKind.UPLOAD, folder.name, file_name=form.file_name, source=form.file_name)


def received_json(body: bytes, folder: Path) -> ImportRequest:
    """An import of an address, or of rows, which are written to the disk. Blocks."""
    try:
        options = BODY.validate_json(body)
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error
    if isinstance(options, UrlImportIn):
        source = public_url(options.url)
        return request_of(options, ImportKind.URL, folder.name, file_name=options.file_name, source=source)
    try:
        file_name = write_rows(folder, options.rows)
    except OSError as error:
        raise no_room(error) from error
    return request_of(options, ImportKind.ROWS, folder.name, file_name=file_name, source="rows")


def public_url(url: str) -> str:
    """An address without what may be secret in it: the name and password, and the query."""
    try:
        parts = urlsplit(url)
    except ValueError:  # no address at all, as the import will tell
        return url.partition("?")[0]
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


@router.get("/v1/imports")
def list_imports(
    service: RunningService,
    limit: Annotated[int, Query(description="How many imports to return.", ge=1, le=100)] = 20,
    cursor: Annotated[int | None, Query(description='"next_cursor" of the page before.', ge=1, le=MAX_ID)] = None,
) -> ImportPageOut:
    """The imports that were ever asked for, newest first."""
    return ImportPageOut.of(service.store.jobs.page(JobKind.IMPORT, limit, cursor), str(service.store.uploads))


@router.get("/v1/imports/{import_id}")
def get_import(service: RunningService, import_id: ImportId) -> ImportOut:
    """How far an import is, and at its end what came of it."""
    return out(service, service.store.jobs.find(import_id, JobKind.IMPORT))


@router.post("/v1/imports/{import_id}/cancel")
def cancel_import(service: RunningService, import_id: ImportId) -> ImportOut:
    """Stop an import; what it has committed stays. One that has ended stays as it is."""
    return out(service, service.store.jobs.cancel(import_id, JobKind.IMPORT))


EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "progress (ImportOut) on each change, then done (ImportOut), as server-sent events.",
        "content": {"text/event-stream": {"schema": event_schema(["progress", "done"], "ImportOut")}},
    }
}


@router.get("/v1/imports/{import_id}/events", responses=EVENTS, response_class=EventSourceResponse)
async def stream_import(service: RunningService, import_id: ImportId) -> Response:
    """The progress of an import as it goes on, as server-sent events, until it ends."""
    job = await asyncio.to_thread(service.store.jobs.find, import_id, JobKind.IMPORT)
    return EventSourceResponse(
        progress_events(service, job),
        ping=KEEP_ALIVE_S,
        ping_message_factory=lambda: ServerSentEvent(comment="keep-alive", sep=LINE_END),
        sep=LINE_END,
    )


async def progress_events(service: Service, job: Job) -> AsyncGenerator[ServerSentEvent]:
    """An event for each change of a job, the last one ``done``."""
    told = None
    while not job.has_ended:
        if (now := out(service, job)) != told:
            told = now
            yield named("progress", now)
        await asyncio.sleep(POLL_S)
        job = await asyncio.to_thread(service.store.jobs.find, job.id, job.kind)
    yield named("done", out(service, job))


LETTERS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/json": {}, "application/x-ndjson": {"schema": {"type": "string"}}}}
}


@router.get("/v1/imports/{import_id}/dead-letters", responses=LETTERS, response_model=DeadLettersOut)
def get_dead_letters(
    request: Request,
    service: RunningService,
    import_id: ImportId,
    limit: Annotated[int, Query(description="How many to return.", ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(description="How many to skip.", ge=0, le=MAX_ID)] = 0,
) -> DeadLettersOut | Response:
    """What an import left out, each with its reason and remedy; with ``Accept: application/x-ndjson`` all of it, one a
    line."""
    job = service.store.jobs.find(import_id, JobKind.IMPORT)
    progress = PROGRESS.validate_python(job.progress)
    file = service.store.dead_letters / (progress.dead_letters or "none")
    public = hiding(f"{service.store.uploads}/{REQUEST.validate_python(job.request).folder}/")
    if "application/x-ndjson" in request.headers.get("accept", ""):
        return StreamingResponse(letter_lines(file, public), media_type="application/x-ndjson")
    found, total = read_dead_letters(file, offset, limit)
    letters = [DeadLetterOut.of(each, public) for each in found]
    return DeadLettersOut(dead_letters=letters, total=total)


def letter_lines(file: Path, public: Callable[[str], str]) -> Iterator[str]:
    """All dead letters of a file as JSON lines, ``N_LINES`` at a time. Blocks."""
    if file.is_file():
        with file.open(encoding="utf-8") as lines:
            while part := [DeadLetterOut.of(letter_of(line), public) for line in islice(lines, N_LINES)]:
                yield "".join(f"{each.model_dump_json()}\n" for each in part)


def out(service: Service, job: Job) -> ImportOut:
    return ImportOut.of(job, str(service.store.uploads))
