"""From a wire request to a query."""

from __future__ import annotations

from collections.abc import Sequence

from api.data_uri import decode_data_uri
from api.wire import SearchRequest, SkuReference
from search.errors import NoRerankerError
from search.filters import parse_filters
from search.images.decode import decode_image
from search.query import Query, Weights


def query_of(request: SearchRequest, uploads: Sequence[bytes] = ()) -> Query:
    """Decode the request's pictures and uploaded files, and check everything. Raises InputError and its kinds,
    NoRerankerError where a reranker is asked for."""
    if request.rerank or request.explain:
        raise no_reranker()
    pictures = [decode_data_uri(image) for image in request.images if isinstance(image, str)]
    return Query(
        text=request.text,
        images=tuple(decode_image(data).pixels for data in [*pictures, *uploads]),
        skus=tuple(image.sku for image in request.images if isinstance(image, SkuReference)),
        without=request.without,
        filters=parse_filters(request.filters),
        weights=Weights(**request.weights.model_dump()),
        limit=request.limit,
        offset=request.offset,
        min_confidence=request.min_confidence,
    )


def no_reranker() -> NoRerankerError:
    return NoRerankerError(
        "There is no reranker on this installation, so hits can be neither reranked nor explained.",
        remedy='Leave out "rerank" and "explain"; the retrieval order and its signals are given.',
    )
