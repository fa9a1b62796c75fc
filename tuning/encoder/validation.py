"""How well an encoder finds the held-out rows by their images."""

from __future__ import annotations

import os
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from vitrina.evaluation.judgements import JudgedQuery
from vitrina.evaluation.metrics import DEPTH, measure
from vitrina.search.encoders.base import Encoder
from vitrina.search.images.decode import decode_image
from vitrina.search.store.images import ImageStore
from vitrina.search.types.errors import InputError
from vitrina.search.types.models import Pixels, Vectors
from vitrina.tuning.encoder.captions import CaptionTable
from vitrina.tuning.rows import TuningRow

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
        """The figure that epochs are compared by."""
        return self.ndcg

    @property
    def said(self) -> str:
        """The figures in a few words."""
        return f"nDCG@10 {self.ndcg:.3f}"


class EncoderValidation:
    """Queries encoders with captions of the held-out rows, always the same ones, and ranks their images.

    A caption that is true of every row is no query. Raises InputError if none is left.
    """

    def __init__(self, rows: Sequence[TuningRow], table: CaptionTable, store: ImageStore, *, seed: int) -> None:
        self._rows = rows
        self._store = store
        self.queries = questions(rows, table, seed)
        if not self.queries:
            raise InputError(
                f"The {len(rows):,} held-out rows make no query: every caption fits all of them, or there is none.",
                remedy="Give captions that distinguish items, such as --caption '{title}', or hold out more rows.",
            )

    def score(self, encoder: Encoder) -> EncoderScore:
        """Embed the rows' images and rank the rows for each query by their best image. Blocks.

        Raises what ``embed_images`` raises.
        """
        images = embed_images(encoder, self._store, [each for row in self._rows for each in row.image_ids])
        similarities = encoder.encode_texts([query.text for query in self.queries]) @ images.T
        starts = np.cumsum([0, *(len(row.image_ids) for row in self._rows[:-1])])
        by_row = np.maximum.reduceat(similarities, starts, axis=1)  # (queries, rows)
        order = np.argsort(-by_row, axis=1, kind="stable")[:, :DEPTH]
        rankings = [[self._rows[at].item.sku for at in best] for best in order.tolist()]
        values = measure(rankings, [query.grades for query in self.queries], ["ndcg@10"])["ndcg@10"]
        by_template: dict[str, list[float]] = defaultdict(list)
        for query, value in zip(self.queries, values.tolist(), strict=True):
            by_template[query.kind].append(value)
        means = {kind: float(np.mean(values)) for kind, values in by_template.items()}
        return EncoderScore(
            float(np.mean(list(means.values()))), means, {kind: len(of) for kind, of in by_template.items()}
        )


def embed_images(encoder: Encoder, store: ImageStore, image_ids: Sequence[str]) -> Vectors:
    """The embeddings of stored images, decoded in threads; one unit row each. Blocks.

    Raises NotFoundError, ImageError or StorageError where an image cannot be read.
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
    """Each caption as a query, a sample of each template's; relevant are the rows that it is true of."""
    by_template: dict[str, list[JudgedQuery]] = defaultdict(list)
    for caption, relevant in table.rows_by_text().items():
        if len(relevant) < len(rows):
            kind, text = table.kinds[caption], table.texts[caption]
            grades = {rows[at].item.sku: 1 for at in relevant}
            by_template[kind].append(JudgedQuery(f"{kind}: {text}", kind, grades, text=text))
    rng = random.Random(seed)
    return [query for of in by_template.values() for query in rng.sample(of, min(MAX_QUERIES, len(of)))]
