"""Items as tiles: a picture that travels inside the page, and a title."""

from __future__ import annotations

import base64
import io
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from evaluation.running import read_picture
from search.errors import ImageError, NotFoundError
from search.home import Home
from search.images.store import media_type

THUMBNAIL_PX = 256
"""Tiles are 112 CSS pixels wide at most; twice that on a sharp screen. A JPEG of it takes about 10 KB."""


@dataclass(frozen=True, slots=True)
class Tile:
    """An item to look at. ``picture`` is a data URI, or empty where there is none."""

    sku: str
    title: str
    picture: str


class Gallery:
    """Tiles of a home's items by sku, each made once. Blocks."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._tiles: dict[str, Tile] = {}

    def tile(self, sku: str) -> Tile:
        """An item's tile; only its sku where the item is gone or has no picture."""
        if sku not in self._tiles:
            self._tiles[sku] = self._made(sku)
        return self._tiles[sku]

    def _made(self, sku: str) -> Tile:
        try:
            stored = self._home.catalog.item(sku)
        except NotFoundError:
            return Tile(sku, "no longer in the catalog", "")
        picture = ""
        with suppress(NotFoundError, ImageError):
            if stored.image_ids:
                picture = data_uri(self._home.images.thumbnail(stored.image_ids[0], THUMBNAIL_PX))
        return Tile(sku, stored.item.title, picture)


def photo(path: Path) -> str:
    """A query's own picture as a data URI, small; empty where it is gone since it was asked."""
    try:
        pixels = read_picture(path)
    except ImageError:
        return ""
    pixels.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    file = io.BytesIO()
    pixels.save(file, "JPEG", quality=85)
    return data_uri(file.getvalue())


def data_uri(data: bytes) -> str:
    """Picture bytes as a ``data:`` URI (RFC 2397)."""
    return f"data:{media_type(data)};base64,{base64.b64encode(data).decode()}"
