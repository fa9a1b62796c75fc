"""A catalog's rows on their way through the stages of indexing, and these stages in a row."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from PIL import Image

from vitrina.indexer.features import FeatureStage
from vitrina.indexer.preparation import FetchedRecord, PreparedItem, embed, weigh
from vitrina.indexer.progress import StageClock, StageLoad
from vitrina.indexer.sources.base import Record, Rejection
from vitrina.indexer.stages import batched, computed, parallel_map, prefetch
from vitrina.search.encoders.base import Encoder
from vitrina.search.encoders.compute import n_available_cores
from vitrina.search.store.web_images import WebImage
from vitrina.search.types.item import IndexedItem

MAX_BATCH_ROWS = 256
"""Rows encoded and committed together at most. With the embedded encoder 128 cost a tenth more than 256 did."""

MIN_BATCH_ROWS = 32
"""What an encoder's own batches have."""

BATCH_S = 1.0
"""How long a batch should take: shorter, and rows in small transactions cost; longer, and the encoder waits for the
first one, the disk for the last, and nobody sees how far the run is."""

MAX_WAIT_S = 2.0
"""How long rows wait for others to be encoded with."""

N_FETCHERS = 16
"""Threads that read files and fetch addresses: they wait more than they work."""

N_FETCHED = 64
"""Rows fetched in advance."""


@dataclass(frozen=True, slots=True)
class ReadRecord:
    """A record, with what the catalog holds of its sku; ``has_moved`` if that came from another source."""

    record: Record
    known_hash: str | None
    has_moved: bool


@dataclass(frozen=True, slots=True)
class UnchangedRecord:
    """A record whose item is in the catalog already, as it is; ``moved`` is its sku if it came from another source."""

    moved: str | None = None


ReadRow = ReadRecord | Rejection
FetchedRow = FetchedRecord | UnchangedRecord | Rejection
PreparedRow = PreparedItem | UnchangedRecord | Rejection


def weigh_row(row: object) -> int:
    """The bytes that a row keeps in memory, beside those of its words."""
    return weigh(row.record if isinstance(row, ReadRecord) else row)


class BatchSize:
    """How many rows are encoded and committed together: as many as take ``BATCH_S``, within bounds, and no more than
    come in ``MAX_WAIT_S``. For one thread."""

    def __init__(self) -> None:
        self._n_rows = 2 * MIN_BATCH_ROWS
        self._began_at = time.monotonic()

    def __call__(self) -> int:
        return self._n_rows if time.monotonic() - self._began_at < MAX_WAIT_S else 1

    def learn(self, n_rows: int, seconds: float) -> None:
        """Note how long a batch took; the next one begins now."""
        fitting = int(n_rows * BATCH_S / max(seconds, 1e-3)) // MIN_BATCH_ROWS * MIN_BATCH_ROWS
        self._n_rows = min(max(fitting, MIN_BATCH_ROWS), MAX_BATCH_ROWS)
        self._began_at = time.monotonic()


@dataclass(slots=True)
class ItemBatch:
    """An encoded batch, to be committed in one transaction, with the ``fingerprints`` of its images by their ids.

    ``rejections`` are rejected rows, ``failures`` unusable images of the items, ``moved`` the skus of unchanged items
    that came from another source, ``found`` what is behind addresses, and ``shown`` first images by their ids, whose
    features a reranker computes.
    """

    entries: list[IndexedItem] = field(default_factory=list)
    images: list[bytes] = field(default_factory=list)
    fingerprints: dict[str, bytes] = field(default_factory=dict)
    rejections: list[Rejection] = field(default_factory=list)
    failures: list[Rejection] = field(default_factory=list)
    n_added: int = 0
    n_unchanged: int = 0
    moved: list[str] = field(default_factory=list)
    found: list[WebImage] = field(default_factory=list)
    shown: dict[str, Image.Image] = field(default_factory=dict)

    @property
    def n_rows(self) -> int:
        """How many rows it was made of."""
        return len(self.entries) + self.n_unchanged + len(self.rejections)


def unchanged(row: ReadRecord) -> UnchangedRecord:
    """A record whose item is in the catalog as it is."""
    return UnchangedRecord(row.record.item.sku if row.has_moved else None)


def encoded(encoder: Encoder, rows: Sequence[PreparedRow]) -> ItemBatch:
    """The batch of these rows, those embedded that are prepared. Blocks."""
    prepared = [row for row in rows if isinstance(row, PreparedItem)]
    return ItemBatch(
        entries=embed(encoder, prepared) if prepared else [],
        images=[image for each in prepared for image in each.files],
        fingerprints={
            image_id: bits
            for each in prepared
            for image_id, bits in zip(each.image_ids, each.fingerprints, strict=bool(each.fingerprints))
            if bits
        },
        rejections=[row for row in rows if isinstance(row, Rejection)],
        failures=[failure for each in prepared for failure in each.failures],
        n_added=sum(each.is_new for each in prepared),
        n_unchanged=sum(isinstance(row, UnchangedRecord) for row in rows),
        found=[found for each in prepared for found in each.found],
        shown={each.image_ids[0]: each.shown for each in prepared if each.shown is not None},
        moved=[row.moved for row in rows if isinstance(row, UnchangedRecord) and row.moved is not None],
    )


class Stages(Protocol):
    """What rows pass between the source and the catalog; ``commit`` measures what is done with the batches."""

    commit: StageClock

    def batches(self, rows: Iterable[ReadRow]) -> Generator[ItemBatch, None, None]:
        """The rows' batches, embedded, in the source's order."""

    def loads(self, seconds: float) -> tuple[StageLoad, ...]:
        """What each stage has done in so many seconds."""


class IndexingStages:
    """The stages that rows pass one after the other, each with threads of its own and a bounded queue before the next:
    read, fetch, decode, embed; and commit, in the thread that takes the batches."""

    def __init__(
        self,
        fetch: Callable[[ReadRow], FetchedRow],
        decode: Callable[[FetchedRow], PreparedRow],
        encode: Callable[[list[PreparedRow]], ItemBatch],
        features: FeatureStage | None = None,
    ) -> None:
        self._read = StageClock("read")
        self._fetch = StageClock("fetch", N_FETCHERS)
        self._decode = StageClock("decode", n_available_cores())
        self._embed = StageClock("embed")
        self._rerank = StageClock("features")
        self.commit = StageClock("commit")
        self._fetch_row = self._fetch.timed(fetch)
        self._decode_row = self._decode.timed(decode)
        self._encode = encode
        self._features = features
        self._size = BatchSize()

    def loads(self, seconds: float) -> tuple[StageLoad, ...]:
        """What each stage has done in so many seconds."""
        return tuple(clock.load(seconds) for clock in self._clocks)

    @property
    def _clocks(self) -> tuple[StageClock, ...]:
        features = () if self._features is None else (self._rerank,)
        return self._read, self._fetch, self._decode, self._embed, *features, self.commit

    def batches(self, rows: Iterable[ReadRow]) -> Generator[ItemBatch, None, None]:
        """The rows' batches, embedded, in the source's order."""
        read = prefetch(self._read.reading(rows), N_FETCHED, weigh=weigh_row)
        fetched = parallel_map(self._fetch_row, read, N_FETCHERS, N_FETCHED, weigh=weigh_row)
        waiting = prefetch(fetched, N_FETCHED, weigh=weigh_row)
        decoded = parallel_map(self._decode_row, waiting, self._decode.n_threads, MAX_BATCH_ROWS, weigh=weigh_row)
        prepared = prefetch(decoded, MAX_BATCH_ROWS, weigh=weigh_row)
        embedded = computed(batched(prepared, self._size, weigh=weigh_row), self._embed_batch)
        return embedded if self._features is None else computed(embedded, self._add_features)

    def _embed_batch(self, rows: list[PreparedRow]) -> ItemBatch:
        started = time.perf_counter()
        batch = self._encode(rows)
        seconds = time.perf_counter() - started
        self._embed.add(len(rows), seconds)
        self._size.learn(len(rows), seconds)
        return batch

    def _add_features(self, batch: ItemBatch) -> ItemBatch:
        if self._features is not None:
            with self._rerank.working(batch.n_rows):
                self._features.compute(batch.shown)
            batch.shown = {}
        return batch
