"""Looking: claims put to a reranker about items of the catalog, and what its answers are worth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from search.catalog.entry import StoredItem
from search.reranking.base import Deadline
from search.reranking.blend import Blend
from search.reranking.judging.asking import Asked, Asker
from search.reranking.judging.claims import claim
from search.reranking.judging.odds import probability
from search.reranking.judging.pictures import Pictures, key_of


@dataclass(frozen=True, slots=True)
class Looker:
    """Asks about items; ``blend`` is its reranker's. It keeps the pictures: one is made for a query, or for a batch."""

    asker: Asker
    pictures: Pictures
    blend: Blend

    def ask(self, items: Sequence[StoredItem], claims: Sequence[str], deadline: Deadline) -> Asked:
        """P(yes) of each claim about each item's first picture, which each of them has. Raises nothing; blocks until
        the deadline at most."""
        keys = [str(key_of(stored)) for stored in items]
        stored = dict(zip(keys, items, strict=True))
        return self.asker.judge(keys, claims, lambda key: self.pictures.look(stored[key]), deadline)

    def shown(self, values: Iterable[str], yes: Mapping[str, float]) -> dict[str, float]:
        """How probable it is that a picture shows each of the values, calibrated, from P(yes) by claim; those that
        there is no answer for (NaN) are left out."""
        answers = {value: yes[claim(value)] for value in values}
        return {
            value: float(probability(self.blend.image_log_odds(answer)))
            for value, answer in answers.items()
            if not np.isnan(answer)
        }
