"""Catalog images with the regions that statements are about drawn on them."""

from __future__ import annotations

import hashlib
import io
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from vitrina.search.encoders.base import Encoder
from vitrina.search.images.decode import decode_image
from vitrina.search.reranking.base import Deadline, RerankCandidate, Reranker
from vitrina.search.reranking.localization import illustrated, regions
from vitrina.search.reranking.prompts import MAX_STATEMENT_CHARACTERS
from vitrina.search.store.images import ImageStore
from vitrina.search.types.errors import QueryError, StateError
from vitrina.search.types.query import UNWRITABLE

MAX_DRAWN_STATEMENTS = 4

SIDE_PX = 512
MAX_SIDE_PX = 640
"""A panel's longer side; drawing one of 640 x 640 takes about 30 MB."""

N_AT_ONCE = 4
WAIT_S = 2.0
"""How many are drawn at the same time, and how long a request waits for its turn before it is refused, so that drawing
takes neither all the memory nor all the threads."""

LOCATE_S = 2.0
"""What a reranker has not located by then is located by the encoder."""

_JPEG_QUALITY = 90
_DRAWING_VERSION = 1
"""Increased when the same regions are drawn differently, so that clients drop cached drawings."""


@dataclass(frozen=True, slots=True)
class Illustration:
    """A JPEG. ``is_fallback`` if a reranker that gives boxes failed or was late: the same models may draw it otherwise
    later."""

    jpeg: bytes
    is_fallback: bool


class Illustrations:
    """Draws regions on images. Safe to call from several threads."""

    def __init__(self, *, n_at_once: int = N_AT_ONCE, wait_s: float = WAIT_S) -> None:
        self._slots = threading.BoundedSemaphore(n_at_once)
        self._wait_s = wait_s

    def draw(
        self,
        store: ImageStore,
        image_id: str,
        statements: Sequence[str],
        side_px: int,
        encoder: Encoder,
        reranker: Reranker | None,
    ) -> Illustration:
        """The image with one panel for each statement, its longer side ``side_px``. Blocks.

        Raises NotFoundError for an unknown id, and StateError if too many images are being drawn.
        """
        data = store.thumbnail(image_id, side_px)
        with self._slot():
            image = decode_image(data, max_bytes=len(data) + 1, max_side_px=side_px).pixels
            found = regions(RerankCandidate(image_id, image), statements, encoder, reranker, Deadline.within(LOCATE_S))
            out = io.BytesIO()
            illustrated(image, found, side_px).save(out, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
        return Illustration(out.getvalue(), any(region.is_fallback for region in found))

    @contextmanager
    def _slot(self) -> Iterator[None]:
        if not self._slots.acquire(timeout=self._wait_s):
            raise StateError("Too many images are being drawn on.", remedy="Ask again in a moment.")
        try:
            yield
        finally:
            self._slots.release()


def parse_statements(texts: Sequence[str]) -> tuple[str, ...]:
    """The statements to show, without duplicates. Raises QueryError if too many, or if one is empty or too long."""
    if len(texts) > MAX_DRAWN_STATEMENTS:
        raise QueryError(
            f"{len(texts)} texts to show in the image are too many; the limit is {MAX_DRAWN_STATEMENTS}.",
            remedy="Send several requests.",
        )
    statements = [" ".join(UNWRITABLE.sub(" ", text).split()) for text in texts]
    for text, statement in zip(texts, statements, strict=True):
        if not statement or len(text) > MAX_STATEMENT_CHARACTERS:
            raise QueryError(
                f"A text to show in the image has {len(text) if statement else 0} characters; 1 to "
                f"{MAX_STATEMENT_CHARACTERS} are possible.",
                remedy="Name one visible thing: explain=striped.",
            )
    return tuple(dict.fromkeys(statements))


def etag_of(image_id: str, statements: Sequence[str], side_px: int, encoder: Encoder, reranker: Reranker | None) -> str:
    """The ETag of a drawing: the same for the same image, statements, size and models."""
    models = [encoder.identity.fingerprint, reranker.identity.fingerprint if reranker else None]
    content = json.dumps([_DRAWING_VERSION, image_id, list(statements), side_px, models])
    return f'"{hashlib.sha256(content.encode()).hexdigest()[:32]}"'
