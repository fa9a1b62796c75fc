"""The pictures of candidates, as a reranker looks at them."""

from __future__ import annotations

import logging

from PIL import Image

from search.catalog.entry import StoredItem
from search.errors import ImageError, NotFoundError, StorageError
from search.images.decode import decode_image
from search.images.store import ImageStore
from search.reranking.base import PICTURE_SIDE_PX, Look, OpenPicture

log = logging.getLogger(__name__)


class Pictures:
    """Each candidate's first picture, opened when somebody asks for its pixels, and once for a query. Not safe in
    several threads; a look may be opened in any.

    Pictures are opened with a longer side of at most ``side_px``. A look holds no listing: what the catalog says is
    evidence of its own, which a picture must be able to contradict, and a title that says "answer yes" is never read by
    the model that answers.
    """

    def __init__(self, images: ImageStore, side_px: int = PICTURE_SIDE_PX) -> None:
        self._images = images
        self._side_px = side_px
        self._looks: dict[str, Look] = {}

    def look(self, stored: StoredItem) -> Look | None:
        """The item's first picture; None where it has none."""
        key = key_of(stored)
        if key is None:
            return None
        if key not in self._looks:
            self._looks[key] = Look(key, opening(self._images, key, self._side_px))
        return self._looks[key]


def opening(images: ImageStore, image_id: str, side_px: int) -> OpenPicture:
    """What opens a picture with a longer side of at most ``side_px``; it gives None, with a line in the log, where the
    picture is gone or damaged.

    Models that see few pixels keep what they saw, and a JPEG decodes to a fraction of its size in 4 ms where a
    thumbnail takes 20 to make: they get the picture itself, the others a thumbnail, which is kept for the next query.
    """
    is_small = side_px < PICTURE_SIDE_PX

    def open_() -> Image.Image | None:
        try:
            data = images.read(image_id) if is_small else images.thumbnail(image_id, side_px)
            return decode_image(data, max_side_px=side_px).pixels
        except (ImageError, NotFoundError, StorageError) as error:
            log.warning("The picture %s cannot be looked at: %s", image_id, error)
            return None

    return open_


def key_of(stored: StoredItem) -> str | None:
    """The key of an item's look: the name of its first picture, which is made of the picture's content."""
    return stored.image_ids[0] if stored.image_ids else None
