"""Suggesting what a picture may show, of a field's many values, for the reranker to look at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from search.catalog.entry import StoredItem
from search.encoders.base import Vectors
from search.engine import SearchEngine
from search.filters import facet_value
from search.requirements.vocabulary import Vocabulary
from search.reranking.judging.claims import MAX_VALUES_TRIED


class Suggestions:
    """The values whose names lie nearest to an item's picture in the engine's space; names are embedded once.

    A picture can be compared with a dozen values of a field, and shops have 143 articles: what it really shows must be
    among the dozen.
    """

    def __init__(self, engine: SearchEngine, vocabulary: Vocabulary) -> None:
        self._engine = engine
        self._vocabulary = vocabulary
        self._names: dict[str, Vectors] = {}

    def vectors(self, items: Sequence[StoredItem]) -> dict[int, Vectors]:
        """The vector of each item's first picture, shape (d,), by item id, as the index holds it; items that have none
        are left out."""
        rows = self._engine.view.indexes["image"].rows_of(np.unique([stored.id for stored in items]).astype(np.int64))
        _, first = np.unique(rows.item_ids, return_index=True)
        return {int(rows.item_ids[at]): rows.vectors[at] for at in first}

    def nearest(self, field: str, vector: Vectors | None) -> list[str]:
        """The field's values nearest to a picture's vector, shape (d,), nearest first, folded, no more than are tried;
        none without a vector. Blocks while names are embedded for the first time."""
        if vector is None:
            return []
        values = [facet_value(value) for value in self._vocabulary.fields[field]]
        if field not in self._names:
            self._names[field] = self._engine.encoder.encode_texts(values)
        order = np.argsort(-(self._names[field] @ vector), kind="stable")
        return [values[at] for at in order[:MAX_VALUES_TRIED]]
