"""The looks of items: what a reranker is shown of them in tuning is what a search shows it."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from search.catalog.entry import StoredItem
from search.catalog.words import item_words
from search.images.store import ImageStore
from search.reranking.base import PICTURE_SIDE_PX, Look
from search.reranking.judging.pictures import Pictures

ROOM_BYTES = 512 * 1024 * 1024
"""Decoded pictures kept in memory: 700 of 512 x 512 pixels."""


class Looks:
    """The first pictures of items, decoded in threads as a search decodes them, and kept while there is room.

    With ``listings`` the catalog's text stands beside them. Pictures have a longer side of at most ``side_px``.
    """

    def __init__(
        self,
        items: Mapping[str, StoredItem],
        store: ImageStore,
        *,
        listings: bool,
        side_px: int = PICTURE_SIDE_PX,
        room_bytes: int = ROOM_BYTES,
    ) -> None:
        self._items = items
        self._store = store
        self._listings = listings
        self._side_px = side_px
        self._room_bytes = room_bytes
        self._kept: dict[str, Look | None] = {}
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(os.cpu_count() or 1, "looks")

    def of(self, skus: Sequence[str]) -> list[Look | None]:
        """The look of each item; None where there is nothing to look at. Blocks."""
        return list(self._threads.map(self._look, skus))

    def _look(self, sku: str) -> Look | None:
        if sku in self._kept:
            return self._kept[sku]
        stored = self._items[sku]
        shown = Pictures(self._store, self._side_px).look(stored)
        image = None if shown is None else shown.image
        listing = item_words(stored.item) if self._listings else ""
        key = sku if shown is None or image is None else shown.key
        look = Look(key, image, listing) if image or listing else None
        n_bytes = 3 * image.width * image.height if image else 0
        with self._lock:
            if n_bytes <= self._room_bytes and sku not in self._kept:
                self._room_bytes -= n_bytes
                self._kept[sku] = look
        return look
