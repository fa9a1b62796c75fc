"""The page: its document at each of its addresses, and its files."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fastapi import FastAPI
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from starlette.responses import Response
from starlette.types import Scope

PAGE: Final = Path(__file__).parents[1] / "page"

ADDRESSES: Final = ("/", "/items/{sku:path}", "/catalog", "/catalog/{section}")
"""Addresses at which the page shows the search, an item, and the catalog."""

REVALIDATED: Final = {"Cache-Control": "no-cache"}
"""Browsers ask whether a file has changed, so that those of two versions never mix."""


class PageFiles(StaticFiles):
    """The page's files, revalidated by browsers."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The response for a file."""
        response = await super().get_response(path, scope)
        response.headers.update(REVALIDATED)
        return response


async def document() -> FileResponse:
    """The page's document, the same at each of its addresses."""
    return FileResponse(PAGE / "index.html", headers=REVALIDATED)


def add_page(app: FastAPI) -> None:
    """Serve the page, outside the OpenAPI document."""
    app.mount("/page", PageFiles(directory=PAGE), name="page")
    for path in ADDRESSES:
        app.add_api_route(path, document, include_in_schema=False)
