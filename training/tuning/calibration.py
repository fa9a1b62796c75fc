"""Calibrating a tuned encoder on the rows that were set aside, so that its hits have confidences.

The rows become a small catalog in three guises: pictures alone, words alone, and both. It is asked with captions,
photos and both, and for what nobody there sells.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.calibration import fit
from evaluation.observation import Example, Observation, observe
from search.calibration import Calibration
from search.catalog.entry import Entry
from search.catalog.words import WORD, item_words
from search.encoders.base import Encoder, Vectors
from search.images.decode import decode_image
from search.images.store import ImageStore
from search.item import Item
from search.query import Query
from training.calibration import GUISES, opened
from training.elsewhere import HELD_HALF
from training.tuning.captions import CaptionTable, field_of, words
from training.tuning.examination import embed_pictures
from training.tuning.rows import Row, place

N_TEXTS, N_PHOTOS, N_STRANGE = 240, 100, 80
"""Queries of each kind at most."""

SHOWN_SHARE = 1 / 6
"""Rows kept out of the small catalog, so that their photos are new to it as a shopper's are."""


@dataclass(frozen=True, slots=True)
class Shop:
    """The rows set aside with their embeddings: one picture each, and their words."""

    rows: Sequence[Row]
    pictures: Vectors
    texts: Vectors

    def entries(self, *, with_pictures: bool, with_words: bool) -> list[Entry]:
        """The small catalog in one guise."""
        none = np.empty((0, self.pictures.shape[1]), np.float32)
        return [
            Entry(
                item=row.item if with_words else Item(row.item.sku),
                content_hash=row.item.sku,
                image_ids=row.image_ids[:1] if with_pictures else (),
                vectors={
                    "image": self.pictures[at : at + 1] if with_pictures else none,
                    "text": self.texts[at : at + 1] if with_words else none,
                },
            )
            for at, row in enumerate(self.rows)
            if is_held(row)
        ]


def calibrate(
    encoder: Encoder, rows: Sequence[Row], table: CaptionTable, store: ImageStore, *, facets: Sequence[str], seed: int
) -> Calibration:
    """Fit a calibration on rows set aside; a kind of query with too few of them gets no curve. Blocks.

    ``facets`` are the fields that shoppers name; the one that says what a thing is makes queries by photo.
    """
    shop = Shop(
        rows,
        embed_pictures(encoder, store, [row.image_ids[0] for row in rows]),
        encoder.encode_texts([item_words(row.item) for row in rows]),
    )
    examples = [*by_text(rows, table, seed), *by_photo(rows, store, facets, seed), *strange(rows)]
    observed: list[Observation] = []
    for with_pictures, with_words in GUISES.values():
        with opened(encoder, shop.entries(with_pictures=with_pictures, with_words=with_words)) as engine:
            observed += observe(engine, examples)
    return fit(observed, f"{len(rows):,} rows set aside from tuning, as pictures, as words and as both")


def is_held(row: Row) -> bool:
    """Whether the small catalog has a row."""
    return place(f"shown {row.item.sku}") >= SHOWN_SHARE


def by_text(rows: Sequence[Row], table: CaptionTable, seed: int) -> Iterator[Example]:
    """Captions that some rows of the small catalog bear."""
    bearing = table.rows_by_text()
    captions = list(bearing)
    for caption in random.Random(seed).sample(captions, min(N_TEXTS, len(captions))):
        relevant = frozenset(rows[at].item.sku for at in bearing[caption] if is_held(rows[at]))
        if relevant:
            yield Example(Query(table.texts[caption]), relevant)


def by_photo(rows: Sequence[Row], store: ImageStore, facets: Sequence[str], seed: int) -> Iterator[Example]:
    """Photos, where the same kind of thing is right; and photos with a wish, "like this, in red". None where no field
    says what a thing is."""
    kind = field_of("kind", facets)
    if kind is None:
        return
    dice = random.Random(seed)
    shown = dice.sample(list(rows), min(N_PHOTOS, len(rows)))
    wishes = [field for field in facets if field != kind]
    for row in shown:
        alike = [each for each in rows if is_held(each) and values(each, kind) & values(row, kind)]
        if not alike:
            continue
        photo = decode_image(store.read(row.image_ids[0])).pixels
        yield Example(Query(images=(photo,)), frozenset(each.item.sku for each in alike))
        wished = [(field, value) for field in wishes for value in sorted(values(dice.choice(alike), field))]
        if wished:
            field, value = dice.choice(wished)
            right = frozenset(each.item.sku for each in alike if value in values(each, field))
            yield Example(Query(value, images=(photo,)), right)


def values(row: Row, field: str) -> set[str]:
    """A row's values of a field, in lower case."""
    return {value for value in words(row.item.attributes.get(field, ())) if value.strip()}


def strange(rows: Sequence[Row]) -> list[Example]:
    """What other shops sell, as long as no row has any word of it."""
    known = {word for row in rows for word in WORD.findall(item_words(row.item).casefold())}
    unknown = [text for text in HELD_HALF if known.isdisjoint(WORD.findall(text))]
    return [Example(Query(text), frozenset()) for text in unknown[:N_STRANGE]]
