"""Shows a reranker the catalog's pictures before anybody searches, so that no search waits for its vision tower."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

from indexer.stages import batched, parallel_map, prefetch
from search.home import Home
from search.reranking.base import Look, Reranker, RerankerIdentity, SeesAhead
from search.reranking.judging.pictures import opening

BATCH_PICTURES = 32
KEYS_A_LOOKUP = 500

OnProgress = Callable[[int], None]
"""Told after each batch how many pictures are done."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What was done: pictures that the reranker saw, those that could not be opened, and how long it took."""

    n_seen: int = 0
    n_lost: int = 0
    seconds: float = 0.0


def n_unseen(home: Home, identity: RerankerIdentity) -> int:
    """How many of the pictures that searches show, the items' first ones, this reranker has not seen. Raises
    StorageError."""
    return sum(1 for _ in unseen(home, identity))


def look_ahead(home: Home, reranker: Reranker, on_progress: OnProgress = lambda n_done: None) -> Looked:
    """Have a reranker see the pictures that it has not seen, and keep what it sees in the home; what other rerankers
    saw is dropped. Does nothing for one that keeps nothing.

    May be stopped at any time: what was seen is not looked at again. Blocks until done; uses the GPU where the
    reranker does. Raises RerankerError and StorageError.
    """
    if not (isinstance(reranker, SeesAhead) and reranker.keeps_pictures):
        return Looked()
    home.discard_other_features(reranker.identity)
    started, n_seen, n_lost = time.perf_counter(), 0, 0

    def opened(image_id: str) -> Look:
        look = look_of(home, reranker, image_id)
        _ = look.image  # here, in one of several threads
        return look

    looks = parallel_map(opened, unseen(home, reranker.identity), os.cpu_count() or 2, depth=2 * BATCH_PICTURES)
    with closing(batched(prefetch(looks, BATCH_PICTURES), BATCH_PICTURES)) as batches:
        for batch in batches:
            n_seen += reranker.see(batch)
            n_lost += sum(look.is_blank for look in batch)
            on_progress(n_seen + n_lost)
    return Looked(n_seen, n_lost, time.perf_counter() - started)


def look_at(home: Home, reranker: Reranker, image_id: str) -> None:
    """Have a reranker see one picture, new in the catalog, and keep what it sees; nothing is done for one that keeps
    nothing. Blocks. Raises RerankerError and StorageError."""
    if isinstance(reranker, SeesAhead) and reranker.keeps_pictures:
        reranker.see([look_of(home, reranker, image_id)])


def look_of(home: Home, reranker: Reranker, image_id: str) -> Look:
    """A picture as searches will show it."""
    return Look(image_id, opening(home.images, image_id, reranker.capabilities.picture_side_px))


def unseen(home: Home, identity: RerankerIdentity) -> Iterator[str]:
    """The pictures that a reranker has not seen, each once in some hundreds."""
    store = home.feature_store(identity)
    with closing(store):
        for keys in batched(home.catalog.first_pictures(), KEYS_A_LOOKUP):
            yield from store.missing(keys)
