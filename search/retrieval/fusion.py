"""Fusion: one score from what vectors, words and fields say of an item, each counted as far as this catalog proves it.

A score is a weighted sum of features. The weights are a prior, fitted by ``recipes.retrieval`` to queries whose answers
are known in several shops, and adapted to a catalog by how well each kind of vector finds the catalog's own items
(``evaluation.own_queries``): an encoder that does not know a shop's goods must not drown their words, nor rare words a
good image.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from vitrina.search.types.trust import WORDS_ALONE, Part, Trust

Scores = NDArray[np.float64]


PARTS: tuple[Part, ...] = tuple(part for part in Part if part is not Part.PIECES)
"""Those that a prior weighs; word pieces are compared once the best candidates are known (``late_interaction``)."""

UNREAD = 0.5
"""What vectors of words count in a language that the encoder has not learnt. Of 36 queries to a German shop of 57
products, written to try it, 33 found a right product first with 1, 34 with 0.7, and 35 with 0.5, 0.3 or 0.15."""


@dataclass(frozen=True, slots=True)
class PartWeights:
    """How much each part counts in the score of an item, and in that of one without images: there the text stands
    alone, and is worth less against words."""

    weights: Mapping[Part, float]
    without_images: Mapping[Part, float]

    def of(self, part: Part, *, with_images: bool = True) -> float:
        """The weight of one part; 0 where it has none."""
        return (self.weights if with_images else self.without_images).get(part, 0.0)

    def in_unread_language(self) -> PartWeights:
        """The weights of words in a language that the encoder has not learnt, in which its vectors tell spellings apart
        and little else."""
        with_images, without = (
            {part: weight * (UNREAD if part in (Part.TEXT, Part.IMAGE) else 1) for part, weight in weights.items()}
            for weights in (self.weights, self.without_images)
        )
        return PartWeights(with_images, without)

    def contributions(self, parts: Mapping[Part, Scores], has_images: NDArray[np.bool_]) -> dict[Part, Scores]:
        """Some parts, each of shape (n,) like ``has_images``, times their weights."""
        return {
            part: np.where(has_images, self.of(part), self.of(part, with_images=False)) * scores
            for part, scores in parts.items()
        }

    def fused(self, parts: Mapping[Part, Scores], has_images: NDArray[np.bool_]) -> Scores:
        """The weighted sum of some parts, each of shape (n,), like ``has_images``."""
        return np.asarray(sum(self.contributions(parts, has_images).values()), np.float64)


@dataclass(frozen=True, slots=True)
class Prior:
    """Weights fitted to several shops, for items with images and without. ``against_words`` is how well each kind of
    vector found the shops' own items, relative to words; where it does worse on another catalog, ``exponent`` says how
    closely its weight follows."""

    weights: Mapping[Part, float]
    without_images: Mapping[Part, float]
    against_words: Mapping[Part, float]
    exponent: float
    source: str = ""

    def adapted(self, trust: Trust | None) -> PartWeights:
        """The weights for a catalog; those of the prior where nothing is known of it."""
        factors = {part: self.factor(part, trust) for part in PARTS}
        with_images, without = (
            {part: weight * factors[part] for part, weight in weights.items()}
            for weights in (self.weights, self.without_images)
        )
        return PartWeights(with_images, without)

    def factor(self, part: Part, trust: Trust | None) -> float:
        """What a catalog's trust makes of the weight of a part; 1 at most."""
        found = None if trust is None else trust.found.get(part)
        if trust is None or found is None or part not in self.against_words:
            return 1.0
        ratio = found / max(trust.found[WORDS_ALONE], LEAST_FOUND) / self.against_words[part]
        return float(min(ratio, 1.0) ** self.exponent)


LEAST_FOUND = 1e-3
"""What words are taken to find at least."""

PRIOR_FILE = "prior.json"

_adapter = TypeAdapter(Prior)


@lru_cache(maxsize=1)
def shipped_prior() -> Prior:
    """The prior in the package."""
    return _adapter.validate_json((files(__package__) / PRIOR_FILE).read_bytes())


def write_prior(path: Path, prior: Prior) -> None:
    """Write a prior as JSON. Raises OSError."""
    path.write_bytes(_adapter.dump_json(prior, indent=1) + b"\n")
