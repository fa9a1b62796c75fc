"""``GET /v1/images/{id}``: pictures of the catalog."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.routes.service import RunningService
from search.images.store import media_type

router = APIRouter(tags=["images"])

FOREVER = "public, max-age=31536000, immutable"
"""A picture's id is the hash of its content, so what an id shows never changes."""


@router.get("/v1/images/{image_id}", responses={200: {"content": {"image/jpeg": {}}}}, response_class=Response)
def get_image(
    service: RunningService,
    image_id: str,
    size: Annotated[int | None, Query(ge=1, le=4096, description="The longer side, in pixels, at most.")] = None,
) -> Response:
    """A picture as it was indexed, or no larger than ``size``."""
    store = service.home.images
    data = store.read(image_id) if size is None else store.thumbnail(image_id, size)
    headers = {"Cache-Control": FOREVER, "X-Content-Type-Options": "nosniff"}
    return Response(data, media_type=media_type(data), headers=headers)
