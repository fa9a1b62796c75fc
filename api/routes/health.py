"""``/healthz`` and ``/readyz``: whether the service runs, and whether it can answer."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from vitrina.api.errors import ErrorOut, FailureOut
from vitrina.api.metrics import MEDIA_TYPE
from vitrina.api.requests import JsonModel
from vitrina.api.rerankers import RerankerStatus
from vitrina.api.service import Service
from vitrina.search.types.errors import NotReadyError


async def running_service(request: Request) -> Service:  # not async, it would take a thread of its own
    service: Service = request.app.state.service
    return service


RunningService = Annotated[Service, Depends(running_service)]

router = APIRouter(tags=["health"])


class RerankerOut(JsonModel):
    """The reranker: whether it is ready, and what it can do once it is."""

    name: str
    status: Literal["opening", "ready", "failed"]
    scoring: str | None = Field(None, description="logits, or grades if a server gives no logits.")
    writes: bool = Field(False, description="Whether it can write explanations in its own words.")
    boxes: bool = Field(False, description="Whether it can locate things in an image.")
    error: FailureOut | None = Field(None, description="Why it could not be opened.")

    @classmethod
    def of(cls, status: RerankerStatus) -> Self:
        able = status.capabilities
        return cls(
            name=status.name,
            status=status.readiness.value,
            scoring=able.scoring if able else None,
            writes=able.writes if able else False,
            boxes=able.boxes if able else False,
            error=FailureOut.of(status.error) if status.error else None,
        )


class HealthOut(JsonModel):
    status: Literal["ok", "ready"]
    n_items: int | None = None
    n_images: int | None = Field(None, description="How many images the items have; 0 in a catalog of texts alone.")
    encoder: str | None = None
    reranker: RerankerOut | None = Field(None, description="null if the service does not rerank.")
    changes_behind: int | None = Field(None, description="Changes of the catalog that cannot be searched yet.")


@router.get("/healthz")
async def healthz() -> HealthOut:  # not async, it would wait for a thread
    """Whether the process runs. Nothing else is looked at, so a slow disk or a busy machine restarts nothing."""
    return HealthOut(status="ok")


@router.get("/readyz", responses={503: {"model": ErrorOut, "description": "Not ready; details say why"}})
def readyz(service: RunningService) -> HealthOut:
    """Whether the service can answer: the catalog can be read, the encoder is loaded, the index is in step with the
    catalog, and the disk has room; 503 if not. Also shows the status of the reranker, which search does not need."""
    if problems := service.problems():
        raise NotReadyError("The service is not ready.", remedy=" ".join(problems.values()), details=problems)
    reranker = None if service.reranking is None else RerankerOut.of(service.reranking.status)
    return HealthOut(
        status="ready",
        n_items=service.store.catalog.count("items"),
        n_images=service.store.catalog.count("images"),
        encoder=service.encoder.identity.name,
        reranker=reranker,
        changes_behind=service.changes_behind(),
    )


@router.get("/metrics", response_class=Response, responses={200: {"content": {MEDIA_TYPE: {}}}})
def metrics(request: Request) -> Response:
    """The service's metrics in Prometheus's text format: requests, stages of searches, queues, caches and reranking."""
    return Response(request.app.state.metrics.text(), media_type=MEDIA_TYPE)
