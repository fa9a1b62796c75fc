"""Whether the service lives, and whether it can answer."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from vitrina.api.schemas import HealthOut, RerankerOut
from vitrina.api.service import Service


def running_service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


RunningService = Annotated[Service, Depends(running_service)]

router = APIRouter(tags=["health"])


@router.get("/healthz")
def healthz() -> HealthOut:
    """The process answers."""
    return HealthOut(status="ok")


@router.get("/readyz")
def readyz(service: RunningService) -> HealthOut:
    """The catalog can be read and the encoder is loaded; 503 otherwise. Also says how far the reranker is, which the
    search can do without."""
    items = service.store.catalog.counts()["items"]
    reranker = None if service.reranking is None else RerankerOut.of(service.reranking.status)
    return HealthOut(status="ready", items=items, encoder=service.encoder.identity.name, reranker=reranker)
