"""From a request as it came over HTTP to a query and its reranking options."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

from vitrina.api.schemas import RerankIn, SearchRequest, SkuReference
from vitrina.search.images.decode import decode_image
from vitrina.search.types.errors import ImageError, QueryError
from vitrina.search.types.filters import parse_filters
from vitrina.search.types.query import Query, RerankOptions, Weights


def decode_data_uri(uri: str) -> bytes:
    """The bytes of a ``data:...;base64,...`` URI (RFC 2397). Raises ImageError for anything else."""
    head, comma, payload = uri.partition(",")
    if not (comma and head.startswith("data:") and head.endswith(";base64")):
        raise ImageError(
            f"{uri[:60]!r} is no data URI.",
            remedy='Send a picture as "data:image/jpeg;base64,..." or name an item as {"sku": "..."}.',
        )
    try:
        return base64.b64decode(payload, validate=True)
    except binascii.Error as error:
        raise ImageError(f"The data URI's base64 is broken: {error}.", remedy="Encode the picture again.") from error


def query_of(request: SearchRequest, uploads: Sequence[bytes] = ()) -> Query:
    """Decode the request's pictures and uploaded files, and check everything. Raises InputError and its kinds."""
    images = [decode_data_uri(image) for image in request.images if isinstance(image, str)]
    return Query(
        text=request.text,
        images=tuple(decode_image(data).pixels for data in [*images, *uploads]),
        skus=tuple(image.sku for image in request.images if isinstance(image, SkuReference)),
        without=request.without,
        filters=parse_filters(request.filters),
        weights=Weights(**request.weights.model_dump()),
        limit=request.limit,
        offset=request.offset,
        min_confidence=request.min_confidence,
    )


def is_reranked(request: SearchRequest) -> bool:
    """Whether a reranker is asked for. Raises QueryError where the request contradicts itself."""
    if request.rerank is False and request.explain:
        raise QueryError(
            "The request asks for explanations and forbids the reranking that they are made from.",
            remedy='Leave out "rerank", or "explain".',
        )
    return bool(request.explain) if request.rerank is None else request.rerank is not False


def budget_of(request: SearchRequest, usual: RerankOptions) -> RerankOptions:
    """The budget that a request gives, and for what it leaves open the ``usual`` one. Raises QueryError."""
    given = request.rerank if isinstance(request.rerank, RerankIn) else RerankIn()
    if request.explain is not None and given.explain is not None:
        raise QueryError('The request has "explain" twice.', remedy='Leave one out: the one beside or in "rerank".')
    explain = given.explain if request.explain is None else request.explain
    return RerankOptions(
        top=chosen(given.top, usual.top),
        deadline_ms=chosen(given.deadline_ms, usual.deadline_ms),
        explain=usual.explain if explain is None or explain is True else int(explain),
        explain_ms=chosen(given.explain_ms, usual.explain_ms),
    )


def chosen(given: int | None, usual: int) -> int:
    return usual if given is None else given
