"""Indexing on Ray: tasks fetch and decode images, actors embed them, and this process, the driver, reads and commits.

Ray starts a task again whose process or machine dies, and an actor, with the task that it was at: that costs time, and
no row. Only the driver knows the store. It reads the source and commits batches in its order, as the local engine does.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import queue
import threading
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vitrina.indexer.fetch import MAX_PER_HOST
from vitrina.indexer.progress import StageClock, StageLoad
from vitrina.indexer.ray_workers import EncoderWorker, Prepared, WorkerTools, prepare_rows
from vitrina.indexer.rows import N_FETCHED, N_FETCHERS, ItemBatch, PreparedRow, ReadRecord, ReadRow, weigh_row
from vitrina.indexer.stages import MAX_BYTES, batched, parallel_map, prefetch
from vitrina.search.store.web_images import WebImage
from vitrina.search.types.errors import EncoderError, MissingDependencyError, StateError

if TYPE_CHECKING:
    from vitrina.indexer.pipeline import Indexer

CHUNK_ROWS = 64
"""Rows that are prepared by one task, embedded in one call and committed in one transaction."""

N_RETRIES = 3
"""How often a chunk is prepared again whose worker died; more often, and its rows are what workers die of."""

N_EMBED_RETRIES = 20
"""How often it is embedded again: each call to an actor counts that fails before Ray knows that the machine is gone."""

MAX_ENCODER_CORES = 4
"""The cores of one encoder without a GPU; a machine of more has several."""


@contextmanager
def connected(address: str | None = None) -> Iterator[None]:
    """Ray inside the context: the cluster at an address, one started here for None, or the one that this process is
    connected to already, which stays. Blocks for seconds.

    Raises MissingDependencyError without Ray, and StateError where there is no cluster.
    """
    if importlib.util.find_spec("ray") is None:
        raise MissingDependencyError(
            "Ray is not installed, which --engine ray needs.",
            remedy="Install the extra, on every machine: pip install 'vitrina[ray]'. Or leave --engine at local.",
        )
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would report to Ray's makers
    import ray

    if ray.is_initialized():
        yield
        return
    try:
        ray.init(address or "local", include_dashboard=False if address is None else None, **QUIET)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise StateError(
            f"There is no Ray cluster to work on at {address or 'this machine'}: {error}.",
            remedy="Start one with 'ray start --head', and give its address: --ray-address HOST:6379. "
            "If it asks for a token, set RAY_AUTH_MODE=token.",
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


QUIET: Mapping[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}


class RayEngine:
    """The workers on a cluster that this process is ``connected`` to; makes the stages of runs. For one run at a time.

    Blocks until an encoder is loaded in each actor. Raises EncoderError where that fails.
    """

    def __init__(self, tools: WorkerTools) -> None:
        import ray

        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        plan = ActorPlan.of(nodes)
        self.n_tasks = max(1, round(sum(node.get("CPU", 0) for node in nodes) - plan.n * plan.n_threads))
        self.encoders = [self._start_encoder(tools, plan) for _ in range(plan.n)]
        self._tools = put(tools)
        self._prepare = ray.remote(num_cpus=1, num_returns=2, max_retries=N_RETRIES)(prepare_rows)
        self._fetching = threading.BoundedSemaphore(MAX_PER_HOST)
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for encoder in 2 * self.encoders:  # one chunk is sent while another is embedded
            self._idle.put(encoder)
        try:
            self.pids()
        except BaseException:
            self.close()
            raise

    def pids(self) -> list[int]:
        """The numbers of the actors' processes, on their machines. Blocks until all are ready."""
        return [result(reference) for reference in [encoder.ready.remote() for encoder in self.encoders]]

    @staticmethod
    def _start_encoder(tools: WorkerTools, plan: ActorPlan) -> Any:
        import ray

        actor = ray.remote(
            num_cpus=0,  # on the machines that are left there must always be room for tasks
            num_gpus=plan.n_gpus,
            scheduling_strategy="SPREAD",
            max_restarts=-1,
            max_task_retries=N_EMBED_RETRIES,
        )(EncoderWorker)
        return actor.remote(tools, plan.n_threads or None)

    def __call__(self, indexer: Indexer) -> RayStages:
        return RayStages(self, indexer)

    def prepare(self, rows: Sequence[ReadRow], known: Mapping[str, WebImage]) -> tuple[Any, Prepared]:
        """Fetch and decode rows in a task; what is prepared stays on the cluster. Blocks."""
        if not any(isinstance(row, ReadRecord) and urls_of(row) for row in rows):
            return self._prepared(rows, known)
        with self._fetching:
            return self._prepared(rows, known)

    def _prepared(self, rows: Sequence[ReadRow], known: Mapping[str, WebImage]) -> tuple[Any, Prepared]:
        prepared, told = self._prepare.remote(self._tools, known, rows)
        return prepared, result(told)

    def embed(self, prepared: Any, finished: Mapping[int, PreparedRow]) -> tuple[ItemBatch, float]:
        """Embed rows that are on the cluster, in the first actor that is free. Blocks."""
        encoder = self._idle.get()
        try:
            batch: tuple[ItemBatch, float] = result(encoder.embed.remote(prepared, finished))
            return batch
        finally:
            self._idle.put(encoder)

    def close(self) -> None:
        """End the actors."""
        import ray

        for encoder in self.encoders:
            ray.kill(encoder)


@dataclass(frozen=True, slots=True)
class ActorPlan:
    """How many actors embed, and what each of them takes of its machine; no number of threads beside a GPU."""

    n: int
    n_threads: int
    n_gpus: int

    @classmethod
    def of(cls, nodes: Sequence[Mapping[str, float]]) -> ActorPlan:
        """One on each GPU; without any, on three quarters of the cores, and the tasks have the rest."""
        cores = [int(node.get("CPU", 0)) for node in nodes]
        n_gpus = int(sum(node.get("GPU", 0) for node in nodes))
        if n_gpus:
            return cls(n_gpus, 0, 1)
        n_threads = min(MAX_ENCODER_CORES, max(1, min((n for n in cores if n), default=0) * 3 // 4))
        return cls(max(1, sum(n * 3 // 4 // n_threads for n in cores)), n_threads, 0)


class RayStages:
    """The stages of one run on a cluster."""

    def __init__(self, engine: RayEngine, indexer: Indexer) -> None:
        self.commit = StageClock("commit")
        self._read = StageClock("read")
        self._fetch = StageClock("fetch", N_FETCHERS * engine.n_tasks)
        self._decode = StageClock("decode", engine.n_tasks)
        self._embed = StageClock("embed", len(engine.encoders))
        self._engine = engine
        self._indexer = indexer

    def loads(self, seconds: float) -> tuple[StageLoad, ...]:
        """What each stage has done in so many seconds."""
        clocks = self._read, self._fetch, self._decode, self._embed, self.commit
        return tuple(clock.load(seconds) for clock in clocks)

    def batches(self, rows: Iterable[ReadRow]) -> Generator[ItemBatch, None, None]:
        """The rows' batches, embedded, in the source's order; as many at a time as keep all workers busy."""
        n = self._engine.n_tasks + 2 * len(self._engine.encoders)
        read = prefetch(self._read.reading(rows), N_FETCHED, weigh=weigh_row)
        chunks = batched(read, CHUNK_ROWS, weigh=weigh_row)
        return parallel_map(self._batch, chunks, n, 2 * n, weigh=weigh_chunk, max_bytes=n * MAX_BYTES)

    def _batch(self, rows: list[ReadRow]) -> ItemBatch:
        urls = {url for row in rows if isinstance(row, ReadRecord) and row.known_hash for url in urls_of(row)}
        known = self._indexer.store.web_images.known(urls) if urls else {}
        prepared, told = self._engine.prepare(rows, known)
        self._fetch.add(len(rows), told.fetch_s)
        self._decode.add(len(rows), told.decode_s)
        finished = {at: self._indexer.decode(row) for at, row in told.left.items()}
        batch, seconds = self._engine.embed(prepared, finished)
        self._embed.add(len(rows), seconds)
        return batch


def urls_of(row: ReadRecord) -> set[str]:
    """The addresses of a row's images."""
    return {image.url for image in row.record.images if image.url is not None}


def weigh_chunk(chunk: list[ReadRow] | ItemBatch) -> int:
    """The bytes of images that a chunk keeps in memory, read or embedded."""
    return sum(map(len, chunk.images)) if isinstance(chunk, ItemBatch) else sum(map(weigh_row, chunk))


def put(tools: WorkerTools) -> Any:
    """Tools in the cluster's memory. Raises EncoderError for an encoder that cannot be pickled."""
    import ray

    try:
        return ray.put(tools)
    except TypeError as error:
        raise EncoderError(
            f"The encoder {tools.identity.name!r} cannot prepare images on Ray: {error}",
            remedy="It needs a 'preprocessing', or must be made to be pickled. Index with --engine local meanwhile.",
        ) from error


def result(reference: Any) -> Any:
    """What a task or an actor returns. Blocks. Raises what it raised, and StateError if its workers die again and
    again."""
    import ray
    from ray.exceptions import RayError, RayTaskError

    try:
        return ray.get(reference)
    except RayTaskError as error:
        raise error.cause from error
    except RayError as error:
        raise StateError(
            f"Ray gave up on a part of the catalog, after {N_RETRIES} retries: {error}",
            remedy="Run the same command again, which goes on after the last commit; if it fails again, look whether "
            "the workers have enough memory.",
        ) from error
