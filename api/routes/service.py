"""How an endpoint gets at the running service."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from api.service import Service


def running_service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


RunningService = Annotated[Service, Depends(running_service)]
