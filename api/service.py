"""A running service: a store, the engine that answers from it, and what keeps both up to date."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

from vitrina.api.illustrations import Illustrations
from vitrina.api.job_worker import ProcessWorker, ThreadWorker, Worker
from vitrina.api.jobs import JobQueue
from vitrina.api.requests import SearchRequest, rerank_options_of
from vitrina.api.rerankers import BackgroundReranker, no_reranker
from vitrina.api.settings import Settings, encoder_for, loader, open_store
from vitrina.indexer.fetch import Fetcher
from vitrina.indexer.pipeline import Indexer
from vitrina.indexer.preparation import PreparedItem
from vitrina.indexer.sources.base import Record
from vitrina.indexer.twins import TwinFinder
from vitrina.search.encoders.base import Encoder, LoadEncoder
from vitrina.search.encoders.batching import BatchingEncoder, ComputeSlots
from vitrina.search.encoders.compute import n_available_cores
from vitrina.search.encoders.registry import load_catalog_encoder, load_encoder
from vitrina.search.engine import SearchEngine
from vitrina.search.index.sync import SyncThread
from vitrina.search.rank_explanation import explain_rank
from vitrina.search.store.jobs import Job
from vitrina.search.store.store import Store
from vitrina.search.types.errors import EncoderReplacedError, InputError, NotFoundError, VitrinaError
from vitrina.search.types.item import StoredItem
from vitrina.search.types.query import Query, RerankOptions
from vitrina.search.types.rank_explanation import RankExplanation

log = logging.getLogger(__name__)

Given = TypeVar("Given")

RETRY_S = 30.0
"""The pause after an encoder could not be loaded: a download may have failed."""

FINGERPRINTS_AT_ONCE = 32
"""How many fingerprints are made each time the service looks for changes: at most a tenth of a second's work."""

N_RERANKED = 32
"""How many answers are reranked at the same time; others keep retrieval's order, since the reranker is busy. They
mostly wait for a model, so they have threads of their own and plain queries never wait for one.

Retrieval computes, in as many threads at a time as there are cores and one more that may wait for the disk: with more
of them the threads wait for each other, and fewer searches are answered."""

N_SEARCHING = 16
"""How many searches are under way at the same time: those that compute, and others that wait to be encoded together."""


N_RETRIEVING = 4
"""How many candidates for reranking are retrieved at the same time. They have a deadline, so they go before searches
without one; those that wait for a thread when it is over are refused."""

SWITCH_INTERVAL_S = 0.0005
"""How long a thread may keep Python's lock while others wait for it. The event loop needs the lock again after every
read and write: beside a flood of 250 searches a second, Python's 5 ms made refusals take 2.3 times as long."""

N_SPARE = 4
"""Threads for the answers that are not reranked since the reranker is busy: none waits for one that is."""

N_EXPLAINING = 4
"""How many ranks are explained at the same time. Each computes in one of the searches' slots, which it lends while it
waits for the reranker."""

N_DECODING = 2
"""How many queries' images are decoded at the same time: a large one takes a core for a second."""

N_WRITING = 4
"""How many items are written at the same time; as many others, which mostly wait for the images' servers, up to
``FETCH_S``. Neither searches nor ``/healthz`` ever wait for them, nor does what fetches nothing for what does."""

FETCH_S = 30.0
"""How long fetching all images of an item may take that is written over HTTP."""

MAX_TWINS_FOLLOWED = 16
"""Items of one photo that are compared again when one of them is written or deleted; a larger group stays as it is."""

N_DRAWING = 8
"""How many images are read, reduced and drawn on at the same time."""


MAX_LATE_S = 10.0
"""How long the index may be behind the catalog before the service is not ready. It looks for changes every quarter of a
second, and applies 50,000 rows in about a second."""

MIN_FREE_BYTES = 32 * 2**20
"""The least room on the store's disk: SQLite's log alone grows to 4 MB."""


def disk_problem(folder: Path) -> str:
    """Why nothing can be written to a folder, empty if something can."""
    if not os.access(folder, os.W_OK):
        return f"{folder} cannot be written to."
    n_free = shutil.disk_usage(folder).free
    return f"{folder} has {n_free / 2**20:.0f} MB of free space." if n_free < MIN_FREE_BYTES else ""


class Threads(ThreadPoolExecutor):
    """Threads whose calls know the context that they were submitted in, such as the request's id. With ``slots`` no
    more of them compute at a time than those allow; ``goes_first`` is for calls with a deadline."""

    def __init__(self, name: str, n: int, slots: ComputeSlots | None = None, *, goes_first: bool = False) -> None:
        super().__init__(n, thread_name_prefix=name)
        self.name = name
        self._slots = slots
        self._goes_first = goes_first

    def submit(self, call: Callable[..., Given], /, *given: Any, **named: Any) -> Future[Given]:
        """As any executor does."""
        return super().submit(copy_context().run, self._run, partial(call, *given, **named))

    def _run(self, call: Callable[[], Given]) -> Given:
        with self._slots.taken(goes_first=self._goes_first) if self._slots else nullcontext():
            return call()


class Service:
    """Everything that requests need, over one store. Use it as a context manager, which closes the store.

    Inside the context the service follows the catalog: what any process commits becomes searchable. If another encoder
    becomes active, it is loaded beside the old one, which answers until then; requests under way end with the encoder
    that they started with.

    ``reranking`` is None if the service does not rerank. ``start_job`` begins imports and audits, by default in a
    thread of this process, with the service's encoder.
    """

    def __init__(
        self,
        store: Store,
        encoder: Encoder,
        load: LoadEncoder = load_encoder,
        reranking: BackgroundReranker | None = None,
        start_job: Callable[[Job], Worker] | None = None,
    ) -> None:
        self.store = store
        self.reranking = reranking
        self._slots = ComputeSlots(n_available_cores() + 1)
        self.searching = Threads("searching", N_SEARCHING, self._slots)
        self.retrieving = Threads("retrieving", N_RETRIEVING, self._slots, goes_first=True)
        self.reranked = Threads("reranked", N_RERANKED + N_SPARE)
        self.explaining = Threads("explaining", N_EXPLAINING)
        self.decoding = Threads("decoding", N_DECODING)
        self.writing = Threads("writing", N_WRITING)
        self.fetching = Threads("fetching", N_WRITING)
        self.drawing = Threads("drawing", N_DRAWING)
        self._free_to_rerank = threading.BoundedSemaphore(N_RERANKED)
        self.illustrations = Illustrations()
        self._load = load
        self._fetcher = Fetcher()
        self._engine = SearchEngine.open(store, BatchingEncoder(encoder, self._slots), reranking)
        if reranking is not None:
            reranking.slots = self._slots
        self._indexer = Indexer(store, encoder, self._fetcher)
        self._switching = threading.Lock()
        self._retry_at = 0.0
        self._last_error = ""
        self._has_fingerprints = False
        self._in_step_at = time.monotonic()
        self._sync = SyncThread(self)
        self.jobs = JobQueue(store, start_job or self._start_in_thread)

    @classmethod
    def from_settings(cls, settings: Settings) -> Service:
        """Open the store and load its encoder. Blocks for seconds; raises EncoderError, StorageError or StateError."""
        store = open_store(settings)
        reranking = BackgroundReranker.from_settings(settings, store)
        return cls(store, encoder_for(store, settings), loader(settings), reranking, partial(ProcessWorker, settings))

    def _start_in_thread(self, job: Job) -> Worker:
        return ThreadWorker(self.store, Settings(store=self.store.folder), lambda: self.encoder, job)

    @property
    def encoder(self) -> Encoder:
        """The encoder that queries are answered with now."""
        return self._engine.encoder

    @property
    def threads(self) -> dict[str, Threads]:
        """Every pool of threads by its name."""
        searching = (self.searching, self.retrieving, self.reranked, self.explaining, self.decoding)
        return {pool.name: pool for pool in (*searching, self.writing, self.fetching, self.drawing)}

    @property
    def engine(self) -> SearchEngine:
        """The engine that answers queries now; take it once per request."""
        return self._engine

    @contextmanager
    def reranking_engine(self) -> Iterator[SearchEngine]:
        """The engine for one answer to be reranked; where too many are, one that says that the reranker is busy."""
        if not self._free_to_rerank.acquire(blocking=False):
            yield self.engine.with_reranker(self.reranking and self.reranking.busy)
            return
        try:
            yield self.engine
        finally:
            self._free_to_rerank.release()

    def explain(self, query: Query, sku: str, options: RerankOptions | None, *, is_reranked: bool) -> RankExplanation:
        """Why an item has its rank, with its photo's verdicts where there are ``options``. Blocks for a slot, for the
        retrieval, and for the reranker's deadline where there is one. Raises as ``explain_rank`` does."""
        with (
            self._slots.taken(),
            self.reranking_engine() if options else nullcontext(self.engine.with_reranker(None)) as engine,
        ):
            return explain_rank(engine, query, sku, options, is_reranked=is_reranked, waits=self._slots.lent)

    def rerank_options(self, request: SearchRequest) -> RerankOptions:
        """The options of a request that has just arrived, and the service's own for what it leaves out. Raises
        NoRerankerError if there is no reranker, and QueryError."""
        if self.reranking is None:
            raise no_reranker()
        return replace(rerank_options_of(request, self.reranking.defaults), since=time.monotonic())

    def put(
        self, record: Record, cancelled: threading.Event | None = None, before: StoredItem | None = None
    ) -> StoredItem:
        """Index one item; every later answer can have it. Once it is ``cancelled`` no more of its images are fetched.

        Blocks, for seconds if another encoder has just become active. Raises EncoderError if the catalog's encoder
        cannot be loaded, and as ``Indexer.put`` does, where ``before`` is told."""
        twins = self._twins_of([record.item.sku])
        while True:
            try:
                with self._fetcher.limited(FETCH_S, cancelled):
                    stored = self._indexer.put(record, before)
            except EncoderReplacedError:
                self.switch()
                continue
            self._follow([stored.id, *twins])
            if self.reranking is not None:
                self.reranking.precompute(stored)
            return stored

    def put_all(self, records: Sequence[Record], cancelled: threading.Event, until: float) -> list[bool | InputError]:
        """Index items of different skus together: for each whether it was new, or why it is not indexed. Their images
        are fetched until ``until``, on the monotonic clock. Blocks. Raises as ``put`` does, except InputError."""

        def prepared(indexer: Indexer, record: Record) -> PreparedItem | InputError:
            try:
                with self._fetcher.limited(min(FETCH_S, until - time.monotonic()), cancelled):
                    return indexer.prepare_whole(record)
            except InputError as error:
                return error

        twins = self._twins_of([record.item.sku for record in records])
        with ThreadPoolExecutor(N_WRITING, thread_name_prefix="batch") as pool:
            while True:
                indexer = self._indexer
                found = list(pool.map(partial(prepared, indexer), records))
                ready = [each for each in found if isinstance(each, PreparedItem)]
                try:
                    if ready:
                        indexer.commit(indexer.encode(ready))
                    break
                except EncoderReplacedError:
                    self.switch()
        stored = [*self._stored(each.item.sku for each in ready)]
        self._follow([*(each.id for each in stored), *twins])
        if self.reranking is not None:
            for item in stored:
                self.reranking.precompute(item)
        return [each if isinstance(each, InputError) else each.is_new for each in found]

    def delete(self, skus: Sequence[str]) -> list[str]:
        """Remove items; no later answer has them. Returns the skus that existed."""
        twins = self._twins_of(skus)
        deleted = self.store.catalog.delete(skus)
        self._follow(twins)
        return deleted

    def _stored(self, skus: Iterable[str]) -> Iterator[StoredItem]:
        """The items of these skus, without those that were deleted meanwhile."""
        for sku in skus:
            with suppress(NotFoundError):
                yield self.store.catalog.item(sku)

    def _twins_of(self, skus: Sequence[str]) -> list[int]:
        """The items that may be no twins any more once these change: those of their groups, where they are few."""
        with self.store.catalog.reading() as reader:
            groups = reader.twins_of(skus)
        return [item_id for group in groups if len(group) <= MAX_TWINS_FOLLOWED for item_id in group]

    def _follow(self, item_ids: Sequence[int]) -> None:
        """Make what was written searchable, and find the twins of these items anew, of which some may be gone."""
        with suppress(EncoderReplacedError):  # a new replica has what was written; a dropped one shows nothing deleted
            replica = self._engine.replica
            replica.catch_up()
            if item_ids:
                TwinFinder(self.store, replica).find_of(item_ids)

    def switch(self) -> bool:
        """Switch to the catalog's active encoder; returns whether it is another one.

        Blocks while it is loaded. Raises EncoderError and StorageError, in which case the old one goes on answering.
        """
        with self._switching:
            if self.store.catalog.is_active(self._engine.replica.version_id):
                return False
            encoder = load_catalog_encoder(self.store, self._load)
            self._engine = SearchEngine.open(self.store, BatchingEncoder(encoder, self._slots), self.reranking)
            self._indexer = Indexer(self.store, encoder, self._fetcher)
        log.warning("Queries are now answered with the encoder %r", encoder.identity.name)
        return True

    def catch_up(self) -> bool:
        """Follow the catalog to its encoder and to its last change; returns whether anything changed.

        Images that an older version stored get their fingerprints here, a few at a time.
        """
        changed = self._switch_if_due() or self._engine.replica.catch_up()
        self._in_step_at = time.monotonic()
        if not changed and not self._has_fingerprints:
            self._has_fingerprints = self.store.fingerprints.fill(FINGERPRINTS_AT_ONCE) == 0
        return changed

    def changes_behind(self) -> int:
        """How many of the catalog's changes the index has not applied yet. Raises StorageError. Blocks."""
        return max(0, self.store.catalog.sequence() - self._engine.replica.sequence)

    def problems(self) -> dict[str, str]:
        """What keeps the service from answering, or will soon, by part: ``store``, ``index``, ``disk``; empty if
        nothing does. Its encoder is loaded, or there would be no service. Blocks for a read."""
        found = {}
        try:
            self.store.catalog.database.check_file()  # a connection that is open reads on from the file that is gone
            behind = self.changes_behind()
        except VitrinaError as error:
            return {"store": str(error).replace(f"{self.store.folder}/", "")}  # everybody may read it
        late_s = time.monotonic() - self._in_step_at
        if behind and late_s > MAX_LATE_S:
            found["index"] = f"The index is {behind:,} changes behind the catalog, for {late_s:.0f} s."
        if not self.store.catalog.database.is_read_only and (problem := disk_problem(self.store.folder)):
            found["disk"] = problem
        return found

    def save(self) -> bool:
        """Write a snapshot of the index if enough changed; returns whether it did."""
        return self._engine.replica.save()

    def _switch_if_due(self) -> bool:
        if time.monotonic() < self._retry_at:
            return False
        self._retry_at = time.monotonic() + RETRY_S
        try:
            switched = self.switch()
        except VitrinaError as error:
            if str(error) != self._last_error:
                self._last_error = str(error)
                log.error("The encoder %r goes on answering: %s", self.encoder.identity.name, error)
            return False
        self._last_error = ""
        self._retry_at = 0.0
        return switched

    def __enter__(self) -> Service:
        # a product of small matrices on all cores spends most of its time waiting, and its threads spin after it
        self._blas = threadpool_limits(1, user_api="blas")
        self._switch_interval_s = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        self._sync.__enter__()
        self.jobs.__enter__()
        if self.reranking is not None:
            self.reranking.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.jobs.__exit__(kind, error, at)
        self._sync.__exit__()
        if self.reranking is not None:
            self.reranking.__exit__(kind, error, at)
        for threads in self.threads.values():
            threads.shutdown(wait=False, cancel_futures=True)
        self._fetcher.close()
        self.store.close()
        self._blas.restore_original_limits()
        sys.setswitchinterval(self._switch_interval_s)
