"""One running installation: a home, what answers from it, and the thread that keeps that true to the catalog."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType

from vitrina.api.illustrations import Illustrations
from vitrina.api.rerankers import BackgroundReranker, no_reranker
from vitrina.api.settings import Settings, encoder_for, loader
from vitrina.indexer.fetch import Fetcher
from vitrina.indexer.pipeline import Indexer
from vitrina.indexer.sources.base import Record
from vitrina.search.encoders.base import Encoder, LoadEncoder
from vitrina.search.encoders.registry import load_catalog_encoder, load_encoder
from vitrina.search.engine import SearchEngine
from vitrina.search.index.replica import IndexReplica, SyncThread
from vitrina.search.store.store import Store
from vitrina.search.types.answer import AnswerStream
from vitrina.search.types.errors import EncoderReplacedError, VitrinaError
from vitrina.search.types.item import StoredItem
from vitrina.search.types.query import Query, RerankOptions

log = logging.getLogger(__name__)

RETRY_S = 30.0
"""How long an encoder that could not be loaded is left alone, since a download may be what failed."""

N_RERANKED = 32
"""Answers that are reranked at the same time. They wait for a model most of their time, and have threads of their own,
so that plain queries never wait for one."""


@dataclass(frozen=True, slots=True)
class ActiveEngine:
    """All that answers with one encoder."""

    encoder: Encoder
    replica: IndexReplica
    engine: SearchEngine
    indexer: Indexer

    @classmethod
    def open(
        cls, store: Store, encoder: Encoder, fetcher: Fetcher, reranker: BackgroundReranker | None = None
    ) -> ActiveEngine:
        """Open the view and catch up. Blocks; raises EncoderError where another encoder's space is the live one."""
        engine = SearchEngine.open(store, encoder, reranker)
        return cls(encoder, engine.replica, engine, Indexer(store, encoder, fetcher))


class Service:
    """Everything a request needs. A context manager: inside it, it follows the catalog and the catalog's encoder.

    When another encoder's space goes live, whichever process did it, the new encoder and its view are loaded beside
    the old ones, which answer until then; requests under way end on what they began with.

    ``reranking`` is None where nothing reranks.
    """

    def __init__(
        self,
        store: Store,
        encoder: Encoder,
        load: LoadEncoder = load_encoder,
        reranking: BackgroundReranker | None = None,
    ) -> None:
        self.store = store
        self.reranking = reranking
        self.threads = ThreadPoolExecutor(N_RERANKED, thread_name_prefix="reranked")
        self.illustrations = Illustrations()
        self.fetcher = Fetcher()
        self._load = load
        self._active = ActiveEngine.open(store, encoder, self.fetcher, reranking)
        self._switching = threading.Lock()
        self._retry_at = 0.0
        self._complaint = ""
        self._follower = SyncThread(self)

    @classmethod
    def from_settings(cls, settings: Settings) -> Service:
        """Open the home and load its encoder. Blocks for seconds; raises EncoderError, StorageError or StateError."""
        store = Store(settings.store, settings.vector_index)
        encoder, reranking = encoder_for(store, settings), BackgroundReranker.from_settings(settings, store)
        return cls(store, encoder, loader(settings), reranking)

    @property
    def encoder(self) -> Encoder:
        """The encoder that answers now."""
        return self._active.encoder

    @property
    def engine(self) -> SearchEngine:
        """Answers queries, all of one with one encoder."""
        return self._active.engine

    def usual_budget(self) -> RerankOptions:
        """The budget of a request that asks for reranking and gives none. Raises NoRerankerError where nothing
        reranks."""
        if self.reranking is None:
            raise no_reranker()
        return self.reranking.usual

    def events(self, query: Query, rerank: RerankOptions | None) -> AnswerStream:
        """The answer's events, as ``SearchEngine.stream`` gives them."""
        return self.engine.stream(query, rerank)

    def put(self, record: Record) -> StoredItem:
        """Index one item; it is in every later answer. Raises InputError, and EncoderError where the catalog's encoder
        cannot be loaded here. Blocks, for seconds where another encoder has just taken over."""
        while True:
            active = self._active
            try:
                stored = active.indexer.put(record)
            except EncoderReplacedError:
                self.switch()
                continue
            with suppress(EncoderReplacedError):  # by now; the view that takes over has the item too
                active.replica.catch_up()
            if self.reranking is not None:
                self.reranking.precompute(stored)
            return stored

    def delete(self, skus: Sequence[str]) -> list[str]:
        """Remove items; they are in no later answer. Returns the skus that were there."""
        deleted = self.store.catalog.delete(skus)
        with suppress(EncoderReplacedError):  # a view that cannot follow any more shows no item that is gone
            self._active.replica.catch_up()
        return deleted

    def switch(self) -> bool:
        """Go over to the catalog's own encoder, if it is another one by now; returns whether it was.

        Blocks while it is loaded. Raises EncoderError and StorageError, and goes on with the old one.
        """
        with self._switching:
            if self.store.catalog.is_active(self._active.replica.version_id):
                return False
            encoder = load_catalog_encoder(self.store, self._load)
            self._active = ActiveEngine.open(self.store, encoder, self.fetcher, self.reranking)
        log.warning("Queries are answered with the encoder %r from now on", encoder.identity.name)
        return True

    def catch_up(self) -> bool:
        """Follow the catalog to its encoder and to its last change; returns whether anything changed."""
        return self._switch_in_time() or self._active.replica.catch_up()

    def save(self) -> bool:
        """Write the view's snapshot if enough changed."""
        return self._active.replica.save()

    def _switch_in_time(self) -> bool:
        if time.monotonic() < self._retry_at:
            return False
        self._retry_at = time.monotonic() + RETRY_S
        try:
            switched = self.switch()
        except VitrinaError as error:
            if str(error) != self._complaint:
                self._complaint = str(error)
                log.error("The encoder %r goes on answering: %s", self.encoder.identity.name, error)
            return False
        self._complaint = ""
        self._retry_at = 0.0
        return switched

    def __enter__(self) -> Service:
        self._follower.__enter__()
        if self.reranking is not None:
            self.reranking.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._follower.__exit__()
        if self.reranking is not None:
            self.reranking.__exit__(kind, error, at)
        self.threads.shutdown(wait=False, cancel_futures=True)
        self.fetcher.close()
        self.store.close()
