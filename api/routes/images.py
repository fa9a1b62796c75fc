"""``GET /v1/images/{id}``: images of the catalog."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Header, Query, Response

from vitrina.api.illustrations import MAX_DRAWN_STATEMENTS, MAX_SIDE_PX, SIDE_PX, etag_of, parse_statements
from vitrina.api.request_schemas import STATEMENT
from vitrina.api.routes.health import RunningService
from vitrina.api.service import Service
from vitrina.search.store.images import media_type

router = APIRouter(tags=["images"])

FOREVER = "public, max-age=31536000, immutable"
"""An image's id is the hash of its content, so the image of an id never changes."""

AN_HOUR = "public, max-age=3600"
"""What is drawn on an image changes with the models; its ETag shows when."""

NEVER = "no-store"
"""If the reranker failed to give a box, it may give one the next time."""

SAFE = {"X-Content-Type-Options": "nosniff"}


@router.get(
    "/v1/images/{image_id}",
    responses={
        200: {"content": {"image/jpeg": {}, "image/png": {}, "image/webp": {}}},
        304: {"description": "Not modified"},
    },
    response_class=Response,
)
async def get_image(
    service: RunningService,
    image_id: str,
    size: Annotated[int | None, Query(ge=1, le=4096, description="The longer side in pixels, at most.")] = None,
    explain: Annotated[
        list[str] | None,
        Query(
            description=f"What to show in the image, up to {MAX_DRAWN_STATEMENTS} texts, such as striped, or hood. One "
            "panel for each text, side by side, with a box if the reranker gives one and otherwise a heatmap.",
            json_schema_extra={"maxItems": MAX_DRAWN_STATEMENTS, "items": STATEMENT},
        ),
    ] = None,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """An image as it was indexed, or reduced to ``size``, or with what ``explain`` names shown in it."""
    run = asyncio.get_running_loop().run_in_executor
    if explain:
        statements, side_px = parse_statements(explain), min(size or SIDE_PX, MAX_SIDE_PX)
        return await run(service.drawing, explained, service, image_id, statements, side_px, if_none_match or "")
    return await run(service.drawing, shown, service, image_id, size)


def shown(service: Service, image_id: str, size: int | None) -> Response:
    """The image, reduced to ``size`` where that is given."""
    store = service.store.images
    data = store.read(image_id) if size is None else store.thumbnail(image_id, size)
    return Response(data, media_type=media_type(data), headers={"Cache-Control": FOREVER, **SAFE})


def explained(service: Service, image_id: str, statements: tuple[str, ...], side_px: int, known_etags: str) -> Response:
    """The drawing, or 304 if its ETag is among those in ``known_etags``."""
    encoder, reranker = service.encoder, service.reranking.reranker if service.reranking else None
    etag = etag_of(image_id, statements, side_px, encoder, reranker)
    headers = {"Cache-Control": AN_HOUR, "ETag": etag, **SAFE}
    if etag in known_etags:
        return Response(status_code=304, headers=headers)
    drawing = service.illustrations.draw(service.store.images, image_id, statements, side_px, encoder, reranker)
    if drawing.is_fallback:
        headers = {"Cache-Control": NEVER, **SAFE}
    return Response(drawing.jpeg, media_type="image/jpeg", headers=headers)
