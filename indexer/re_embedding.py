"""Going over to another encoder, and precomputing a reranker's features, from what the catalog holds."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from vitrina.indexer.dead_letters import DeadLetters
from vitrina.indexer.pipeline import BATCH_ROWS, embed
from vitrina.indexer.preparation import Prepared
from vitrina.indexer.sources.base import Rejection
from vitrina.indexer.stages import batched, parallel_map, prefetch
from vitrina.search.encoders.base import Encoder
from vitrina.search.images.decode import decode_image
from vitrina.search.index.replica import IndexReplica
from vitrina.search.reranking.base import PrecomputesFeatures, RerankCandidate, Reranker, opening
from vitrina.search.store.full_text import item_words
from vitrina.search.store.store import Store
from vitrina.search.store.writing import Embedded
from vitrina.search.types.errors import InputError, NotFoundError
from vitrina.search.types.item import StoredItem
from vitrina.search.types.models import RerankerIdentity

BATCH_IMAGES = 32
KEYS_A_LOOKUP = 500

OnFeatureProgress = Callable[[int], None]
"""Told after each batch how many pictures are done."""


@dataclass(frozen=True, slots=True)
class FeatureProgress:
    """What was done: pictures that the reranker saw, those that could not be opened, and how long it took."""

    n_seen: int = 0
    n_lost: int = 0
    seconds: float = 0.0


def n_without_features(store: Store, identity: RerankerIdentity) -> int:
    """How many of the pictures that searches show, the items' first ones, this reranker has not seen. Raises
    StorageError."""
    return sum(1 for _ in without_features(store, identity))


def precompute_features(
    store: Store, reranker: Reranker, on_progress: OnFeatureProgress = lambda n_done: None
) -> FeatureProgress:
    """Have a reranker see the pictures that it has not seen, and keep what it sees in the home; what other rerankers
    saw is dropped. Does nothing for one that keeps nothing.

    May be stopped at any time: what was seen is not looked at again. Blocks until done; uses the GPU where the
    reranker does. Raises RerankerError and StorageError.
    """
    if not (isinstance(reranker, PrecomputesFeatures) and reranker.caches_features):
        return FeatureProgress()
    store.discard_other_features(reranker.identity)
    started, n_seen, n_lost = time.perf_counter(), 0, 0

    def opened(image_id: str) -> RerankCandidate:
        candidate = candidate_of(store, reranker, image_id)
        _ = candidate.pixels  # here, in one of several threads
        return candidate

    candidates = parallel_map(
        opened, without_features(store, reranker.identity), os.cpu_count() or 2, depth=2 * BATCH_IMAGES
    )
    with closing(batched(prefetch(candidates, BATCH_IMAGES), BATCH_IMAGES)) as batches:
        for batch in batches:
            n_seen += reranker.precompute_features(batch)
            n_lost += sum(candidate.is_blank for candidate in batch)
            on_progress(n_seen + n_lost)
    return FeatureProgress(n_seen, n_lost, time.perf_counter() - started)


def precompute_image(store: Store, reranker: Reranker, image_id: str) -> None:
    """Have a reranker see one picture, new in the catalog, and keep what it sees; nothing is done for one that keeps
    nothing. Blocks. Raises RerankerError and StorageError."""
    if isinstance(reranker, PrecomputesFeatures) and reranker.caches_features:
        reranker.precompute_features([candidate_of(store, reranker, image_id)])


def candidate_of(store: Store, reranker: Reranker, image_id: str) -> RerankCandidate:
    """A picture as searches will show it."""
    return RerankCandidate(image_id, opening(store.images, image_id, reranker.capabilities.image_side_px))


def without_features(store: Store, identity: RerankerIdentity) -> Iterator[str]:
    """The pictures that a reranker has not seen, each once in some hundreds."""
    cache = store.feature_store(identity)
    with closing(cache):
        for keys in batched(store.catalog.first_images(), KEYS_A_LOOKUP):
            yield from cache.missing(keys)


LOST_REMEDY = "Index the catalog that lists this item again, with the picture in its place."

Ready = tuple[StoredItem, Prepared]
"""An item as it is stored, and ready for the encoder."""

OnProgress = Callable[[int, int], None]
"""Told after each batch how many items the space has, and how many it must have."""


@dataclass(frozen=True, slots=True)
class Reembedding:
    """What was done: items embedded, pictures that could not be, and the file that says which."""

    n_items: int
    n_lost_images: int
    dead_letters: Path | None


def reembed(
    store: Store, encoder: Encoder, on_progress: OnProgress = lambda done, total: None, *, anew: bool = False
) -> Reembedding:
    """Embed what the encoder's space lacks, all of it with ``anew``, then make the space the live one.

    Until the switch, queries are answered from the space before. What is indexed meanwhile is embedded too. A run that
    was stopped goes on where it was. A picture gone from the image store is left out and reported, and its item is
    indexed again with the next run over its source. Blocks. Raises EncoderReplacedError where the space is dropped
    meanwhile.
    """
    space_id = store.catalog.open_space(encoder.identity, live=False)
    if anew:
        store.catalog.empty_space(space_id)
    elif store.catalog.is_live(space_id):
        return Reembedding(0, 0, None)
    with DeadLetters(store.dead_letters) as letters:
        filling = Backfill(store, encoder, space_id, letters)
        filling.fill(on_progress)
        # services load the snapshot faster than they read the vectors from SQL
        IndexReplica.open(store, encoder.identity, space_id).save()
        while not filling.take_over():
            filling.fill(on_progress)
    store.tidy()
    return Reembedding(filling.n_items, letters.n_rejections, letters.path if letters.n_rejections else None)


class Backfill:
    """Fills one space; ``n_items`` counts what it embedded."""

    def __init__(self, store: Store, encoder: Encoder, space_id: int, letters: DeadLetters) -> None:
        self.store = store
        self.encoder = encoder
        self.space_id = space_id
        self.letters = letters
        self.n_items = 0

    def fill(self, on_progress: OnProgress) -> None:
        """Embed what the space lacks, batch by batch."""
        catalog = self.store.catalog
        n_total = catalog.counts()["items"]
        n_done = n_total - catalog.n_lacking(self.space_id)
        prepared = parallel_map(self.prepare, catalog.lacking(self.space_id), os.cpu_count() or 2, depth=BATCH_ROWS)
        with closing(batched(prefetch(prepared, BATCH_ROWS), BATCH_ROWS)) as batches:
            for batch in batches:
                catalog.fill(self.space_id, self.embed(batch))
                self.report(batch)
                n_done += len(batch)
                on_progress(n_done, max(n_total, n_done))

    def take_over(self) -> bool:
        """Embed the last few items and make the space the live one, in one step, unless it lacks too many."""
        last: list[Ready] = []

        def embed_last(items: Sequence[StoredItem]) -> list[Embedded]:
            last.extend(self.prepare(stored) for stored in items)
            return self.embed(last)

        switched = self.store.catalog.take_over(self.space_id, embed_last)
        self.report(last)
        return switched

    def prepare(self, stored: StoredItem) -> Ready:
        return stored, prepare(self.store, self.encoder, stored)

    def embed(self, batch: Sequence[Ready]) -> list[Embedded]:
        entries = embed(self.encoder, [item for _, item in batch])
        return [(stored, entry.vectors) for (stored, _), entry in zip(batch, entries, strict=True)]

    def report(self, batch: Sequence[Ready]) -> None:
        """Count items; note the pictures they lack, and let the next run over their source bring these back."""
        self.n_items += len(batch)
        for complaint in (complaint for _, item in batch for complaint in item.complaints):
            self.letters.add(complaint)
        self.store.catalog.mark_incomplete([stored for stored, item in batch if item.complaints])


def prepare(store: Store, encoder: Encoder, stored: StoredItem) -> Prepared:
    """An item as it is stored, ready for the encoder, with those of its pictures that are there and whole."""
    pixels, complaints = [], []
    for image_id in stored.image_ids:
        try:
            pixels.append(encoder.prepare(decode_image(store.images.read(image_id)).pixels))
        except (InputError, NotFoundError) as error:
            complaints.append(Rejection(f"picture {image_id}", error.message, LOST_REMEDY, stored.item.sku))
    return Prepared(
        item=stored.item,
        content_hash=stored.content_hash,
        image_ids=stored.image_ids,
        pixels=tuple(pixels),
        words=item_words(stored.item),
        is_new=False,
        complaints=tuple(complaints),
    )
