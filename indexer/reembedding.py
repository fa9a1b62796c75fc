"""Embeds a whole catalog with another encoder, from the pictures and words it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

from indexer.embedding import embed
from indexer.preparation import Prepared
from indexer.stages import batched, parallel_map, prefetch
from search.catalog.entry import StoredItem
from search.catalog.words import item_words
from search.encoders.base import Encoder
from search.home import Home
from search.images.decode import decode_image

BATCH_ROWS = 128


def reembed(home: Home, encoder: Encoder, on_progress: Callable[[int, int], None] = lambda done, total: None) -> int:
    """Fill the encoder's space from the catalog, then make it the live one and drop the others; returns the items.

    Until the switch, queries are answered from the old space, and what is indexed meanwhile is embedded too. Blocks.
    Raises NotFoundError or ImageError where a picture is gone from the image store.
    """
    space_id = home.catalog.open_space(encoder.identity, live=False)
    n_items, n_done, since, behind = home.catalog.counts()["items"], 0, 0, True
    while behind:
        started_at = home.catalog.sequence()
        for n_batch in embed_items(home, encoder, space_id, since):
            n_done += n_batch
            on_progress(n_done, max(n_done, n_items))
        since, behind = started_at, not home.catalog.take_over(space_id, started_at)
    return n_done


def embed_items(home: Home, encoder: Encoder, space_id: int, since: int) -> Iterator[int]:
    """Embed the items that changed after sequence number ``since``; yields how many, after each batch."""

    def prepare(stored: StoredItem) -> tuple[int, Prepared]:
        pictures = [decode_image(home.images.read(image_id)).pixels for image_id in stored.image_ids]
        pixels = tuple(encoder.prepare(picture) for picture in pictures)
        words = item_words(stored.item)
        return stored.id, Prepared(stored.item, stored.content_hash, stored.image_ids, pixels, words, is_new=False)

    prepared = parallel_map(prepare, home.catalog.all_items(since), 2, depth=BATCH_ROWS)
    with closing(batched(prefetch(prepared, BATCH_ROWS), BATCH_ROWS)) as batches:
        for batch in batches:
            entries = embed(encoder, [each for _, each in batch])
            home.catalog.add_vectors(
                space_id, {item_id: entry.vectors for (item_id, _), entry in zip(batch, entries, strict=True)}
            )
            yield len(batch)
