"""``/healthz`` and ``/readyz``: whether the service runs, and whether it can answer."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from fastapi import APIRouter, Depends, Request
from pydantic import Field

from vitrina.api.requests import JsonModel
from vitrina.api.rerankers import RerankerStatus
from vitrina.api.service import Service


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
    problem: str | None = Field(None, description="Why it could not be opened.")
    remedy: str | None = None

    @classmethod
    def of(cls, status: RerankerStatus) -> Self:
        able, problem = status.capabilities, status.problem
        return cls(
            name=status.name,
            status=status.readiness.value,
            scoring=able.scoring if able else None,
            writes=able.writes if able else False,
            boxes=able.boxes if able else False,
            problem=problem.message if problem else None,
            remedy=problem.remedy if problem else None,
        )


class HealthOut(JsonModel):
    status: Literal["ok", "ready"]
    items: int | None = None
    encoder: str | None = None
    reranker: RerankerOut | None = Field(None, description="null if the service does not rerank.")


@router.get("/healthz")
async def healthz() -> HealthOut:  # not async, it would wait for a thread
    """Whether the process runs."""
    return HealthOut(status="ok")


@router.get("/readyz")
def readyz(service: RunningService) -> HealthOut:
    """Whether the catalog can be read and the encoder is loaded; 503 if not. Also shows the status of the reranker,
    which search does not need."""
    items = service.store.catalog.counts()["items"]
    reranker = None if service.reranking is None else RerankerOut.of(service.reranking.status)
    return HealthOut(status="ready", items=items, encoder=service.encoder.identity.name, reranker=reranker)
