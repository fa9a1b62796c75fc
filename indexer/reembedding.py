"""Goes over to another encoder: fills its space from the pictures and words the catalog holds, then switches."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from indexer.deadletter import DeadLetters
from indexer.embedding import BATCH_ROWS, embed
from indexer.preparation import Prepared
from indexer.record import Rejection
from indexer.stages import batched, parallel_map, prefetch
from search.catalog.entry import StoredItem
from search.catalog.filling import Embedded
from search.catalog.words import item_words
from search.encoders.base import Encoder
from search.errors import InputError, NotFoundError
from search.home import Home
from search.images.decode import decode_image

LOST_REMEDY = "Index the catalog that lists this item again, with the picture in its place."

Ready = tuple[StoredItem, Prepared]
"""An item as it is stored, and ready for the encoder."""

OnProgress = Callable[[int, int], None]
"""Told after each batch how many items the space has, and how many it must have."""


@dataclass(frozen=True, slots=True)
class Reembedding:
    """What was done: items embedded, pictures that could not be, and the file that says which."""

    n_items: int
    n_lost_pictures: int
    dead_letters: Path | None


def reembed(
    home: Home, encoder: Encoder, on_progress: OnProgress = lambda done, total: None, *, anew: bool = False
) -> Reembedding:
    """Embed what the encoder's space lacks, all of it with ``anew``, then make the space the live one.

    Until the switch, queries are answered from the space before. What is indexed meanwhile is embedded too. A run that
    was stopped goes on where it was. A picture gone from the image store is left out and reported, and its item is
    indexed again with the next run over its source. Blocks. Raises EncoderReplacedError where the space is dropped
    meanwhile.
    """
    space_id = home.catalog.open_space(encoder.identity, live=False)
    if anew:
        home.catalog.empty_space(space_id)
    elif home.catalog.is_live(space_id):
        return Reembedding(0, 0, None)
    with DeadLetters(home.dead_letters) as letters:
        filling = Filling(home, encoder, space_id, letters)
        filling.fill(on_progress)
        home.view_of(encoder.identity, space_id).save()  # for services to load, rather than read the space from SQL
        while not filling.take_over():
            filling.fill(on_progress)
    home.tidy()
    return Reembedding(filling.n_items, letters.n_rejections, letters.path if letters.n_rejections else None)


class Filling:
    """Fills one space; ``n_items`` counts what it embedded."""

    def __init__(self, home: Home, encoder: Encoder, space_id: int, letters: DeadLetters) -> None:
        self.home = home
        self.encoder = encoder
        self.space_id = space_id
        self.letters = letters
        self.n_items = 0

    def fill(self, on_progress: OnProgress) -> None:
        """Embed what the space lacks, batch by batch."""
        catalog = self.home.catalog
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

        switched = self.home.catalog.take_over(self.space_id, embed_last)
        self.report(last)
        return switched

    def prepare(self, stored: StoredItem) -> Ready:
        return stored, prepare(self.home, self.encoder, stored)

    def embed(self, batch: Sequence[Ready]) -> list[Embedded]:
        entries = embed(self.encoder, [item for _, item in batch])
        return [(stored, entry.vectors) for (stored, _), entry in zip(batch, entries, strict=True)]

    def report(self, batch: Sequence[Ready]) -> None:
        """Count items; note the pictures they lack, and let the next run over their source bring these back."""
        self.n_items += len(batch)
        for complaint in (complaint for _, item in batch for complaint in item.complaints):
            self.letters.add(complaint)
        self.home.catalog.mark_incomplete([stored for stored, item in batch if item.complaints])


def prepare(home: Home, encoder: Encoder, stored: StoredItem) -> Prepared:
    """An item as it is stored, ready for the encoder, with those of its pictures that are there and whole."""
    pixels, complaints = [], []
    for image_id in stored.image_ids:
        try:
            pixels.append(encoder.prepare(decode_image(home.images.read(image_id)).pixels))
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
