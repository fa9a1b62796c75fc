"""Precomputing a reranker's image features, so that searches need not open the images."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing

from vitrina.indexer.stages import Progress, batched, prepared_batches
from vitrina.search.reranking.base import PrecomputesFeatures, RerankCandidate, Reranker, opening
from vitrina.search.store.store import Store
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
