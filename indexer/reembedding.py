"""Embeds a whole catalog with another encoder, from the pictures and words it holds."""

from __future__ import annotations

from collections.abc import Callable

from indexer.embedding import embed
from indexer.preparation import Prepared, decode_untrusted
from indexer.content import item_words
from indexer.stages import batched, parallel_map, prefetch
from search.catalog.entry import StoredItem
from search.encoders.base import Encoder
from search.home import Home

BATCH_ROWS = 128


def reembed(home: Home, encoder: Encoder, on_progress: Callable[[int, int], None] = lambda done, total: None) -> int:
    """Fill the encoder's space from the catalog, then make it the live one and drop the others; returns the items.

    Until the switch, queries are answered from the old space. Blocks. Raises NotFoundError or ImageError where a
    picture is gone from the image store.
    """
    space_id = home.catalog.open_space(encoder.identity, live=False)
    n_items, n_done = home.catalog.counts()["items"], 0

    def prepare(stored: StoredItem) -> tuple[int, Prepared]:
        pictures = [decode_untrusted(home.images.read(image_id)).pixels for image_id in stored.image_ids]
        pixels = tuple(encoder.prepare(picture) for picture in pictures)
        words = item_words(stored.item)
        return stored.id, Prepared(stored.item, stored.content_hash, stored.image_ids, pixels, words, is_new=False)

    prepared = parallel_map(prepare, home.catalog.all_items(), 2, depth=BATCH_ROWS)
    for batch in batched(prefetch(prepared, BATCH_ROWS), BATCH_ROWS):
        entries = embed(encoder, [each for _, each in batch])
        home.catalog.add_vectors(
            space_id, {item_id: entry.vectors for (item_id, _), entry in zip(batch, entries, strict=True)}
        )
        n_done += len(batch)
        on_progress(n_done, n_items)
    home.catalog.open_space(encoder.identity, live=True)
    home.catalog.drop_spaces_but(space_id)
    return n_done
