"""The catalog as a whole: its facets, its duplicates, what an audit found, and the last evaluation."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool

from vitrina.api.audits import REQUEST, AuditRequest
from vitrina.api.catalog_answers import (
    AuditIn,
    AuditJobOut,
    AuditOut,
    DuplicatesOut,
    EvaluationOut,
    FacetsOut,
    FacetsRequest,
    RunOut,
)
from vitrina.api.routes.health import RunningService
from vitrina.api.routes.search import read_query
from vitrina.api.streaming import while_connected
from vitrina.search.store.duplicates import duplicate_groups
from vitrina.search.store.jobs import JobKind, JobStatus
from vitrina.search.types.errors import NotFoundError, StorageError

router = APIRouter(tags=["catalog"])

MAX_OFFSET = 2**31

Limit = Annotated[int, Query(description="How many to return.", ge=1, le=1000)]
Offset = Annotated[int, Query(description="How many to skip.", ge=0, le=MAX_OFFSET)]


@router.post("/v1/facets")
async def count_facets(request: Request, body: FacetsRequest, service: RunningService) -> FacetsOut:
    """How many of the items that a search finds, or of the whole catalog, have which values. Of a search by words or
    images those items count that are as sure as a good match."""
    query = await read_query(request, service, body.query, [])
    work = service.searching.submit(service.engine.facets, query, body.fields, body.limit)
    return FacetsOut.of(await while_connected(request, work))


@router.get("/v1/duplicates")
def list_duplicates(service: RunningService, limit: Limit = 20, offset: Offset = 0) -> DuplicatesOut:
    """Items that show the same product photo under several skus, as indexing found them."""
    with service.store.catalog.reading() as reader:
        groups = duplicate_groups(reader)
    return DuplicatesOut.of(groups[offset : offset + limit], groups)


@router.get("/v1/audit")
def get_audit(
    service: RunningService,
    field: Annotated[str | None, Query(description="Those of this field alone.")] = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> AuditOut:
    """What the last audit found: listings that contradict their photos."""
    jobs = service.store.jobs
    done = jobs.newest(JobKind.AUDIT, [JobStatus.DONE])
    return AuditOut.of(done, jobs.newest(JobKind.AUDIT, list(JobStatus)), field, offset, limit)


@router.post("/v1/audit", status_code=202)
async def start_audit(service: RunningService, request: AuditIn) -> AuditJobOut:
    """Compare every listing with its photo, in the background; it needs a reranker, and minutes to hours."""
    wanted = REQUEST.dump_python(AuditRequest(tuple(request.fields), request.limit), mode="json")
    job = await run_in_threadpool(service.store.jobs.add, JobKind.AUDIT, wanted)
    service.jobs.wake()
    return AuditJobOut.of(job)


@router.post("/v1/audit/cancel")
def cancel_audit(service: RunningService) -> AuditJobOut:
    """Stop the newest audit that waits or runs."""
    job = service.store.jobs.newest(JobKind.AUDIT, [JobStatus.WAITING, JobStatus.RUNNING])
    if job is None:
        raise NotFoundError("No audit is under way.", remedy="Start one with POST /v1/audit.")
    return AuditJobOut.of(service.store.jobs.cancel(job.id, JobKind.AUDIT))


@router.get("/v1/evaluation")
def get_evaluation(service: RunningService) -> EvaluationOut:
    """What ``vitrina eval`` measured last over this store."""
    file = service.store.last_run
    try:
        return EvaluationOut(run=RunOut.of(json.loads(file.read_bytes())) if file.is_file() else None)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StorageError(f"{file.name} of the store cannot be read.", remedy="Run vitrina eval again.") from error
