"""How well an encoder finds the held-out rows by their images, and how sure its hits are of that."""

from __future__ import annotations

import os
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from recipes.encoder.calibration import GUISES, opened
from recipes.encoder.queries import OUT_OF_CATALOG_HELD_OUT
from vitrina.evaluation.calibration import CalibrationSample, Example, calibration_samples, fit_calibration
from vitrina.evaluation.judgements import JudgedQuery
from vitrina.evaluation.metrics import DEPTH, measure
from vitrina.search.encoders.base import Encoder
from vitrina.search.images.decode import decode_image
from vitrina.search.store.full_text import WORD, item_words
from vitrina.search.store.images import ImageStore
from vitrina.search.types.calibration import Calibration
from vitrina.search.types.errors import InputError
from vitrina.search.types.item import IndexedItem, Item
from vitrina.search.types.models import Pixels, Vectors
from vitrina.search.types.query import Query
from vitrina.tuning.encoder.captions import CaptionTable, field_of, words
from vitrina.tuning.rows import TuningRow, place

MAX_QUERIES = 200
"""Queries of one template at most, so that an epoch is not measured for longer than it trains."""

BATCH_IMAGES = 256


@dataclass(frozen=True, slots=True)
class EncoderScore:
    """nDCG@10, over all queries of each template and as the mean over templates: a hundred titles do not outweigh ten
    colours. ``n_queries`` counts the queries of each template."""

    ndcg: float
    by_template: Mapping[str, float]
    n_queries: Mapping[str, int]

    @property
    def value(self) -> float:
        """What epochs are compared by."""
        return self.ndcg

    @property
    def said(self) -> str:
        """In a few words."""
        return f"nDCG@10 {self.ndcg:.3f}"


class EncoderValidation:
    """Puts captions of the rows set aside to encoders, always the same ones. The pictures alone answer.

    A caption that every row bears is no query. Raises InputError where none is left.
    """

    def __init__(self, rows: Sequence[TuningRow], table: CaptionTable, store: ImageStore, *, seed: int) -> None:
        self._rows = rows
        self._store = store
        self.queries = questions(rows, table, seed)
        if not self.queries:
            raise InputError(
                f"The {len(rows):,} rows set aside make no query: every caption fits all of them, or there is none.",
                remedy="Give captions that tell items apart, as in --caption '{title}', or set more rows aside.",
            )

    def score(self, encoder: Encoder) -> EncoderScore:
        """Embed the rows' pictures and rank the rows for each query by their best picture. Blocks.

        Raises what ``embed_images`` raises.
        """
        images = embed_images(encoder, self._store, [each for row in self._rows for each in row.image_ids])
        similarities = encoder.encode_texts([query.text for query in self.queries]) @ images.T
        starts = np.cumsum([0, *(len(row.image_ids) for row in self._rows[:-1])])
        by_row = np.maximum.reduceat(similarities, starts, axis=1)  # (queries, rows)
        order = np.argsort(-by_row, axis=1, kind="stable")[:, :DEPTH]
        rankings = [[self._rows[at].item.sku for at in best] for best in order.tolist()]
        values = measure(rankings, [query.grades for query in self.queries])["ndcg@10"]
        by_template: dict[str, list[float]] = defaultdict(list)
        for query, value in zip(self.queries, values.tolist(), strict=True):
            by_template[query.kind].append(value)
        means = {kind: float(np.mean(values)) for kind, values in by_template.items()}
        return EncoderScore(
            float(np.mean(list(means.values()))), means, {kind: len(of) for kind, of in by_template.items()}
        )


def embed_images(encoder: Encoder, store: ImageStore, image_ids: Sequence[str]) -> Vectors:
    """The embeddings of stored pictures, decoded in threads; one unit row each. Blocks.

    Raises NotFoundError, ImageError or StorageError where a picture cannot be read.
    """

    def prepare(image_id: str) -> Pixels:
        return encoder.prepare(decode_image(store.read(image_id)).pixels)

    with ThreadPoolExecutor(os.cpu_count() or 1) as threads:
        return np.concatenate(
            [
                encoder.encode_pixels(list(threads.map(prepare, image_ids[start : start + BATCH_IMAGES])))
                for start in range(0, len(image_ids), BATCH_IMAGES)
            ]
        )


def questions(rows: Sequence[TuningRow], table: CaptionTable, seed: int) -> list[JudgedQuery]:
    """Each caption as a query, a sample of each template's; relevant are the rows that could bear it."""
    by_template: dict[str, list[JudgedQuery]] = defaultdict(list)
    for caption, relevant in table.rows_by_text().items():
        if len(relevant) < len(rows):
            kind, text = table.kinds[caption], table.texts[caption]
            grades = {rows[at].item.sku: 1 for at in relevant}
            by_template[kind].append(JudgedQuery(f"{kind}: {text}", kind, grades, text=text))
    rng = random.Random(seed)
    return [query for of in by_template.values() for query in rng.sample(of, min(MAX_QUERIES, len(of)))]


N_TEXTS, N_PHOTOS, N_STRANGE = 240, 100, 80
"""Queries of each kind at most."""

SHOWN_SHARE = 1 / 6
"""Rows kept out of the small catalog, so that their photos are new to it as a shopper's are."""


@dataclass(frozen=True, slots=True)
class HeldOutShop:
    """The rows set aside with their embeddings: one picture each, and their words."""

    rows: Sequence[TuningRow]
    images: Vectors
    texts: Vectors

    def entries(self, *, with_images: bool, with_words: bool) -> list[IndexedItem]:
        """The small catalog in one guise."""
        none = np.empty((0, self.images.shape[1]), np.float32)
        return [
            IndexedItem(
                item=row.item if with_words else Item(row.item.sku),
                content_hash=row.item.sku,
                image_ids=row.image_ids[:1] if with_images else (),
                vectors={
                    "image": self.images[at : at + 1] if with_images else none,
                    "text": self.texts[at : at + 1] if with_words else none,
                },
            )
            for at, row in enumerate(self.rows)
            if is_held(row)
        ]


def calibrate(
    encoder: Encoder,
    rows: Sequence[TuningRow],
    table: CaptionTable,
    store: ImageStore,
    *,
    facets: Sequence[str],
    seed: int,
) -> Calibration:
    """Fit a calibration on rows set aside; a kind of query with too few of them gets no curve. Blocks.

    ``facets`` are the fields that shoppers name; the one that says what a thing is makes queries by photo.
    """
    shop = HeldOutShop(
        rows,
        embed_images(encoder, store, [row.image_ids[0] for row in rows]),
        encoder.encode_texts([item_words(row.item) for row in rows]),
    )
    examples = [*by_text(rows, table, seed), *by_photo(rows, store, facets, seed), *out_of_catalog(rows)]
    observed: list[CalibrationSample] = []
    for with_images, with_words in GUISES.values():
        with opened(encoder, shop.entries(with_images=with_images, with_words=with_words)) as engine:
            observed += calibration_samples(engine, examples)
    return fit_calibration(observed, f"{len(rows):,} rows set aside from tuning, as pictures, as words and as both")


def is_held(row: TuningRow) -> bool:
    """Whether the small catalog has a row."""
    return place(f"shown {row.item.sku}") >= SHOWN_SHARE


def by_text(rows: Sequence[TuningRow], table: CaptionTable, seed: int) -> Iterator[Example]:
    """Captions that some rows of the small catalog bear."""
    bearing = table.rows_by_text()
    captions = list(bearing)
    for caption in random.Random(seed).sample(captions, min(N_TEXTS, len(captions))):
        relevant = frozenset(rows[at].item.sku for at in bearing[caption] if is_held(rows[at]))
        if relevant:
            yield Example(Query(table.texts[caption]), relevant)


def by_photo(rows: Sequence[TuningRow], store: ImageStore, facets: Sequence[str], seed: int) -> Iterator[Example]:
    """Photos, where the same kind of thing is right; and photos with a wish, "like this, in red". None where no field
    says what a thing is."""
    kind = field_of("kind", facets)
    if kind is None:
        return
    rng = random.Random(seed)
    shown = rng.sample(list(rows), min(N_PHOTOS, len(rows)))
    wishes = [field for field in facets if field != kind]
    for row in shown:
        alike = [each for each in rows if is_held(each) and values(each, kind) & values(row, kind)]
        if not alike:
            continue
        photo = decode_image(store.read(row.image_ids[0])).pixels
        yield Example(Query(images=(photo,)), frozenset(each.item.sku for each in alike))
        wished = [(field, value) for field in wishes for value in sorted(values(rng.choice(alike), field))]
        if wished:
            field, value = rng.choice(wished)
            right = frozenset(each.item.sku for each in alike if value in values(each, field))
            yield Example(Query(value, images=(photo,)), right)


def values(row: TuningRow, field: str) -> set[str]:
    """A row's values of a field, in lower case."""
    return {value for value in words(row.item.attributes.get(field, ())) if value.strip()}


def out_of_catalog(rows: Sequence[TuningRow]) -> list[Example]:
    """What other shops sell, as long as no row has any word of it."""
    known = {word for row in rows for word in WORD.findall(item_words(row.item).casefold())}
    unknown = [text for text in OUT_OF_CATALOG_HELD_OUT if known.isdisjoint(WORD.findall(text))]
    return [Example(Query(text), frozenset()) for text in unknown[:N_STRANGE]]
