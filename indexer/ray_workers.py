"""What runs in the workers of a Ray cluster: preparing rows, and embedding them. They know nothing of the store."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from vitrina.indexer.fetch import Fetcher
from vitrina.indexer.preparation import FetchedRecord, Prepare, PreparedItem, Preparer
from vitrina.indexer.progress import StageClock
from vitrina.indexer.rows import N_FETCHERS, FetchedRow, ItemBatch, PreparedRow, ReadRow, encoded, unchanged, weigh_row
from vitrina.indexer.sources.base import Rejection
from vitrina.indexer.stages import parallel_map
from vitrina.indexer.web_images import KeptImage
from vitrina.search.encoders.base import Encoder
from vitrina.search.store.web_images import WebImage
from vitrina.search.types.errors import EncoderError
from vitrina.search.types.models import EncoderIdentity

LoadInWorker = Callable[[int | None], Encoder]
"""Loads the encoder in a worker, for so many CPU threads; None for as many as it likes. It is pickled."""


def polite_fetcher() -> Fetcher:
    """What fetches in a worker. At most ``MAX_PER_HOST`` workers fetch at a time, each once from a host."""
    return Fetcher(max_per_host=1)


@dataclass(frozen=True, slots=True)
class WorkerTools:
    """What workers work with. ``make_fetcher`` is a module's function, called once in a process."""

    load: LoadInWorker
    identity: EncoderIdentity
    prepare: Prepare
    make_fetcher: Callable[[], Fetcher] = polite_fetcher


def worker_tools(encoder: Encoder, load: LoadInWorker) -> WorkerTools:
    """The tools for an encoder that ``load`` loads in workers. Where it has a ``preprocessing`` as Vitrina's own have,
    tasks prepare images by that; else the encoder is pickled, and prepares them."""
    preprocessing = getattr(encoder, "preprocessing", None)
    return WorkerTools(load, encoder.identity, encoder.prepare if preprocessing is None else preprocessing.levels)


class ShippedImages:
    """What a task knows of the store's images: those behind the addresses that were shipped with its rows."""

    def __init__(self, known: Mapping[str, WebImage]) -> None:
        self._known = known

    def behind(self, urls: Collection[str]) -> Mapping[str, WebImage]:
        """Those that were fetched from these addresses."""
        return {url: self._known[url] for url in urls if url in self._known}

    def vectors(self, sku: str) -> Mapping[str, NDArray[np.float32]]:
        """Not known here; the driver decodes what needs them."""
        raise NotImplementedError

    def read(self, image_id: str) -> bytes:
        """Not known here; the driver decodes what needs it."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the driver needs of prepared rows: those that need the store, by position, and how long it all took."""

    left: Mapping[int, FetchedRecord]
    fetch_s: float
    decode_s: float


def prepare_rows(
    tools: WorkerTools, known: Mapping[str, WebImage], rows: Sequence[ReadRow]
) -> tuple[list[PreparedRow | None], Prepared]:
    """Fetch and decode rows, in a task; None for those that are ``left``. Blocks; computes on one core."""
    preparer = Preparer(ShippedImages(known), tools.prepare, worker_fetcher(tools.make_fetcher))
    fetching, decoding = StageClock("fetch"), StageClock("decode")

    def fetch(row: ReadRow) -> FetchedRow:
        return row if isinstance(row, Rejection) else preparer.fetch(row.record, row.known_hash) or unchanged(row)

    prepared: list[PreparedRow | None] = []
    left: dict[int, FetchedRecord] = {}
    with closing(parallel_map(fetching.timed(fetch), rows, N_FETCHERS, N_FETCHERS, weigh=weigh_row)) as fetched:
        for row in fetched:
            with decoding.working():
                decoded = row if not isinstance(row, FetchedRecord) else decode(preparer, row)
            if decoded is None:
                assert isinstance(row, FetchedRecord)
                left[len(prepared)] = row
            prepared.append(decoded)
    return prepared, Prepared(left, fetching.load(0).busy_s, decoding.load(0).busy_s)


@cache
def worker_fetcher(make: Callable[[], Fetcher]) -> Fetcher:
    """The fetcher of this process, which keeps connections open."""
    return make()


def decode(preparer: Preparer, row: FetchedRecord) -> PreparedItem | Rejection | None:
    """Decode a record's images; None if that needs images or vectors of the store."""
    if any(isinstance(image, KeptImage) for image in row.images):
        return None
    decoded = preparer.decode(row)
    has_lost_all = isinstance(decoded, PreparedItem) and decoded.failures and not decoded.image_ids
    return None if has_lost_all and not row.is_new else decoded


class EncoderWorker:
    """An actor: the encoder, loaded in a process of its own."""

    def __init__(self, tools: WorkerTools, n_threads: int | None) -> None:
        self._tools = tools
        self._n_threads = n_threads

    @cached_property
    def _encoder(self) -> Encoder:
        encoder, wanted = self._tools.load(self._n_threads), self._tools.identity
        if encoder.identity.fingerprint != wanted.fingerprint:
            raise EncoderError(
                f"A worker's encoder {wanted.name!r} is {encoder.identity.fingerprint[:12]}; the catalog's is "
                f"{wanted.fingerprint[:12]}.",
                remedy="Install the same version of Vitrina, and put the encoder's folder, on every machine.",
            )
        return encoder

    def ready(self) -> int:
        """Load the encoder; returns this process's number. Raises EncoderError."""
        assert self._encoder
        return os.getpid()

    def embed(self, rows: list[PreparedRow | None], finished: Mapping[int, PreparedRow]) -> tuple[ItemBatch, float]:
        """The batch of rows, with those that the driver ``finished`` in their places, and the seconds it took."""
        started = time.perf_counter()
        whole = [finished[at] if row is None else row for at, row in enumerate(rows)]
        return encoded(self._encoder, whole), time.perf_counter() - started
