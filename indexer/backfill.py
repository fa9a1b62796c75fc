"""Backfill from what the catalog holds: another encoder's index version, and a reranker's features."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace

from vitrina.indexer.dead_letters import DeadLetters
from vitrina.indexer.preparation import PreparedItem, embed, prepare_stored, working_side_px
from vitrina.indexer.progress import Progress
from vitrina.indexer.rows import MAX_BATCH_ROWS
from vitrina.indexer.stages import batched, prepared_batches
from vitrina.search.encoders.base import Encoder
from vitrina.search.index.replica import IndexReplica
from vitrina.search.reranking.base import PrecomputesFeatures, RerankCandidate, Reranker, opening
from vitrina.search.store.index_versions import Embedded
from vitrina.search.store.store import Store
from vitrina.search.types.item import StoredItem
from vitrina.search.types.models import RerankerIdentity

BATCH_IMAGES = 32
LOOKUP_KEYS = 500


def n_without_features(store: Store, identity: RerankerIdentity) -> int:
    """How many of the images that searches show, the items' first ones, have no features of this reranker. Raises
    StorageError."""
    return sum(1 for _ in without_features(store, identity))


def precompute_features(
    store: Store, reranker: Reranker, on_progress: Callable[[Progress], None] = lambda _: None
) -> Progress:
    """Compute the missing features of the catalog's images and cache them in the store; those of other rerankers are
    dropped. Does nothing for a reranker that caches none.

    Returns images done, and how many of them could not be opened. May be stopped at any time: what was cached is not
    computed again. Blocks until done; uses the GPU if the reranker does. Raises RerankerError and StorageError.
    """
    done = Progress()
    if not (isinstance(reranker, PrecomputesFeatures) and reranker.caches_features):
        return done
    store.discard_other_features(reranker.identity)
    started = time.perf_counter()

    def opened(image_id: str) -> RerankCandidate:
        candidate = candidate_of(store, reranker, image_id)
        _ = candidate.pixels  # decoded here, in one of several threads
        return candidate

    def computed(batch: list[RerankCandidate]) -> tuple[int, int]:
        return reranker.precompute_features(batch), sum(candidate.is_blank for candidate in batch)

    image_ids = without_features(store, reranker.identity)
    with closing(prepared_batches(image_ids, opened, computed, BATCH_IMAGES)) as batches:
        for n_computed, n_failed in batches:
            done = Progress(
                n_done=done.n_done + n_computed + n_failed,
                n_failed_images=done.n_failed_images + n_failed,
                seconds=time.perf_counter() - started,
            )
            on_progress(done)
    return done


def precompute_image(store: Store, reranker: Reranker, image_id: str) -> None:
    """Compute and cache the features of one image that is new in the catalog; does nothing for a reranker that caches
    none. Blocks. Raises RerankerError and StorageError."""
    if isinstance(reranker, PrecomputesFeatures) and reranker.caches_features:
        reranker.precompute_features([candidate_of(store, reranker, image_id)])


def candidate_of(store: Store, reranker: Reranker, image_id: str) -> RerankCandidate:
    """An image as searches will show it to the reranker."""
    return RerankCandidate(image_id, opening(store.images, image_id, reranker.capabilities.image_side_px))


def without_features(store: Store, identity: RerankerIdentity) -> Iterator[str]:
    """The images that have no features of a reranker, each once in ``LOOKUP_KEYS``."""
    with closing(store.feature_cache(identity)) as cache:
        for keys in batched(store.catalog.first_images(), LOOKUP_KEYS):
            yield from cache.missing(keys)


OnProgress = Callable[[Progress], None]

PreparedStored = tuple[StoredItem, PreparedItem]
"""An item as it is stored, and ready for the encoder."""


def reembed(
    store: Store, encoder: Encoder, on_progress: OnProgress = lambda _: None, *, force: bool = False
) -> Progress:
    """Embed the items that the encoder's index version lacks, or all with ``force``, then make it the active version.

    Returns the items embedded by this run, as ``n_done``, and images that could not be. Until the switch, queries are
    answered from the version before. What is indexed meanwhile is embedded too. A run that was stopped resumes where
    it was. An image missing from the image store is left out and reported, and its item is indexed again with the
    next run over its source. Blocks. Raises EncoderReplacedError if the version is dropped meanwhile.
    """
    version = store.catalog.open_index_version(encoder.identity, active=False)
    if force:
        store.catalog.mark_all_pending(version)
    elif store.catalog.is_active(version):
        return Progress()
    with DeadLetters(store.dead_letters) as letters:
        backfill = Backfill(store, encoder, version, letters)
        backfill.fill(on_progress)
        # services load the snapshot faster than they read the vectors from SQL
        IndexReplica.open(store, encoder.identity, version).save()
        while not backfill.promote():
            backfill.fill(on_progress)
    store.discard_unused()
    return replace(backfill.total, dead_letters=letters.path if letters.n_rejections else None)


class Backfill:
    """Fills one index version; ``total`` is what was done over all calls."""

    def __init__(self, store: Store, encoder: Encoder, version: int, letters: DeadLetters) -> None:
        self.store = store
        self.encoder = encoder
        self.version = version
        self.letters = letters
        self.total = Progress()
        self._side_px = working_side_px(encoder.prepare)
        self._started = time.perf_counter()

    def fill(self, on_progress: OnProgress) -> None:
        """Embed the pending items, a batch a transaction; progress counts items that were embedded before, too."""
        catalog = self.store.catalog
        n_total = catalog.count("items")
        n_done = n_total - catalog.n_pending(self.version)
        batches = prepared_batches(catalog.pending(self.version), self.prepare, self.embed, MAX_BATCH_ROWS)
        with closing(batches):
            for prepared, entries in batches:
                catalog.backfill(self.version, entries)
                self.report(prepared)
                n_done += len(prepared)
                on_progress(replace(self.total, n_done=n_done, n_total=max(n_total, n_done)))

    def promote(self) -> bool:
        """Embed the last few items and make the version the active one, in one step, unless too many are pending."""
        last: list[PreparedStored] = []

        def embed_last(items: Sequence[StoredItem]) -> list[Embedded]:
            prepared, entries = self.embed([self.prepare(stored) for stored in items])
            last.extend(prepared)
            return entries

        promoted = self.store.catalog.promote(self.version, embed_last)
        self.report(last)
        return promoted

    def prepare(self, stored: StoredItem) -> PreparedStored:
        return stored, prepare_stored(self.store, self.encoder, stored, self._side_px)

    def embed(self, batch: list[PreparedStored]) -> tuple[list[PreparedStored], list[Embedded]]:
        entries = embed(self.encoder, [item for _, item in batch])
        return batch, [(stored, entry.vectors) for (stored, _), entry in zip(batch, entries, strict=True)]

    def report(self, batch: Sequence[PreparedStored]) -> None:
        """Count items, report the images they lack, and let the next run over their source restore these."""
        failures = [failure for _, item in batch for failure in item.failures]
        for failure in failures:
            self.letters.add(failure)
        self.store.catalog.mark_incomplete([stored for stored, item in batch if item.failures])
        self.total = replace(
            self.total,
            n_done=self.total.n_done + len(batch),
            n_failed_images=self.total.n_failed_images + len(failures),
            seconds=time.perf_counter() - self._started,
        )
