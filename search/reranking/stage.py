"""The stage behind retrieval: looks at the best candidates, reorders them, and explains."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from search.answer import Answer
from search.encoders.base import Encoder
from search.images.store import ImageStore
from search.query import Query
from search.requirements.following import CatalogVocabulary
from search.reranking.base import Reranker
from search.reranking.budget import Rerank
from search.reranking.events import Event

Retrieve = Callable[[Query], Answer]
"""A query's answer in the retrieval's order."""


class RerankStage:
    """What outlives a query and an encoder: the model, what it said of pictures before, and whether it is failing.

    May be used from several threads. Close it, or use it as a context manager; the reranker is the caller's to close.
    """

    def __init__(self, images: ImageStore, vocabulary: CatalogVocabulary, reranker: Reranker) -> None:
        self.reranker = reranker
        self._images = images
        self._vocabulary = vocabulary

    def events(self, query: Query, rerank: Rerank, encoder: Encoder, retrieve: Retrieve) -> Iterator[Event]:
        """The answer in steps. Retrieves at once, and raises what ``retrieve`` raises; the events raise nothing."""
        raise NotImplementedError

    def close(self) -> None:
        """Give up what is under way. Closing twice is fine."""
