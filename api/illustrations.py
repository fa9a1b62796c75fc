"""Pictures of the catalog with what claims are about drawn on them."""

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
"""A panel's longer side; drawing one of 640 x 640 takes some 30 MB."""

N_AT_ONCE = 4
WAIT_S = 2.0
"""So many are drawn at the same time, and who waits longer is sent away: what strangers ask for takes neither all of
the memory nor the threads that answer everyone."""

LOCATE_S = 2.0
"""What a reranker has not located by then is found by the encoder."""

_JPEG_QUALITY = 90
_CANDIDATE = 1
"""Goes up when drawings of the same regions come to look otherwise, so that nobody keeps an old one."""


@dataclass(frozen=True, slots=True)
class Illustration:
    """A JPEG; ``is_makeshift`` where a reranker that gives boxes failed or was late, so that another may come of the
    same models."""

    jpeg: bytes
    is_makeshift: bool


class Illustrations:
    """Draws regions on pictures. May be asked from several threads."""

    def __init__(self, *, n_at_once: int = N_AT_ONCE, wait_s: float = WAIT_S) -> None:
        self._places = threading.BoundedSemaphore(n_at_once)
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
        """A picture with one panel a claim, its longer side ``side_px``. Blocks.

        Raises NotFoundError for an unknown id, and StateError where too many are being drawn.
        """
        data = store.thumbnail(image_id, side_px)
        with self._place():
            image = decode_image(data, max_bytes=len(data) + 1, max_side_px=side_px).pixels
            found = regions(RerankCandidate(image_id, image), statements, encoder, reranker, Deadline.within(LOCATE_S))
            out = io.BytesIO()
            illustrated(image, found, side_px).save(out, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
        return Illustration(out.getvalue(), any(region.is_makeshift for region in found))

    @contextmanager
    def _place(self) -> Iterator[None]:
        if not self._places.acquire(timeout=self._wait_s):
            raise StateError("Too many pictures are being drawn on.", remedy="Ask again in a moment.")
        try:
            yield
        finally:
            self._places.release()


def parse_statements(texts: Sequence[str]) -> tuple[str, ...]:
    """What is to be shown, each once. Raises QueryError for too many, for an empty one and for one too long."""
    statements = tuple(dict.fromkeys(" ".join(UNWRITABLE.sub(" ", text).split()) for text in texts))
    if len(statements) > MAX_DRAWN_STATEMENTS:
        raise QueryError(
            f"{len(statements)} texts are to be shown in the picture; the limit is {MAX_DRAWN_STATEMENTS}.",
            remedy="Ask for several pictures.",
        )
    for statement in statements:
        if not 0 < len(statement) <= MAX_STATEMENT_CHARACTERS:
            raise QueryError(
                f"A text to be shown in the picture has {len(statement)} characters; 1 to "
                f"{MAX_STATEMENT_CHARACTERS} are "
                "possible.",
                remedy="Name one thing that can be seen: explain=striped.",
            )
    return statements


def etag_of(image_id: str, statements: Sequence[str], side_px: int, encoder: Encoder, reranker: Reranker | None) -> str:
    """A validator of what is drawn: the same while the picture, the claims, the size and the models are."""
    models = [encoder.identity.fingerprint, reranker.identity.fingerprint if reranker else None]
    known = json.dumps([_CANDIDATE, image_id, list(statements), side_px, models])
    return f'"{hashlib.sha256(known.encode()).hexdigest()[:32]}"'
