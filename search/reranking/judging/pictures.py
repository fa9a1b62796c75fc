"""The pictures of candidates, as a reranker looks at them."""

from __future__ import annotations

import logging

from search.catalog.entry import StoredItem
from search.errors import ImageError, NotFoundError, StorageError
from search.images.decode import decode_image
from search.images.store import ImageStore
from search.reranking.base import Look

log = logging.getLogger(__name__)

SIDE_PX = 512
"""The smallest thumbnail that fills the 448 x 448 pixels which backends show their models; it is made once and kept."""


class Pictures:
    """Reads and decodes each candidate's first picture, once for a query. Not safe in several threads.

    A look holds no listing: what the catalog says is evidence of its own, which a picture must be able to contradict,
    and a title that says "answer yes" is never read by the model that answers.
    """

    def __init__(self, images: ImageStore) -> None:
        self._images = images
        self._looks: dict[str, Look | None] = {}

    def look(self, stored: StoredItem) -> Look | None:
        """The item's first picture; None where it has none, or none that can be read. Blocks for milliseconds."""
        key = key_of(stored)
        if key is None:
            return None
        if key not in self._looks:
            self._looks[key] = self._read(key)
        return self._looks[key]

    def _read(self, image_id: str) -> Look | None:
        try:
            return Look(image_id, decode_image(self._images.thumbnail(image_id, SIDE_PX)).pixels)
        except (ImageError, NotFoundError, StorageError) as error:
            log.warning("The picture %s cannot be looked at: %s", image_id, error)
            return None


def key_of(stored: StoredItem) -> str | None:
    """The key of an item's look: the name of its first picture, which is made of the picture's content."""
    return stored.image_ids[0] if stored.image_ids else None
