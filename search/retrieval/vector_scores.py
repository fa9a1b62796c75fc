"""Vector scores: every part of a query against every item, on one scale.

Cosines of different kinds do not compare: a text is closer to any text than to the image it describes, and every
encoder has its own spread. Each cosine is therefore measured in standard deviations above what the catalog's average
row scores on the same part of the query (a z-score against a sample of the index). Z-scores add up, and since each is a
linear function of the row, a whole query becomes one vector and one offset per modality: an exact inner-product search.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vitrina.search.index.base import SAMPLE_ROWS, VectorIndex, deviation_of
from vitrina.search.retrieval.fusion import PartWeights
from vitrina.search.types.arrays import distinct
from vitrina.search.types.item import MODALITIES, Modality
from vitrina.search.types.models import Vectors
from vitrina.search.types.trust import Part
from vitrina.search.understanding.parsed_query import VectorQuery

SHOWN: Mapping[Modality, float] = {"image": 1.0, "text": 0.0}
"""The weights of an item's images and text for a query's image, if it has both. A photo is compared with images alone,
so that an item's own photo finds it whatever its text says."""

APPEARANCE_WORDS = 0.5
"""How much the text of an item without images counts for a query's image: the item may look like the photo, but it must
not pass the item whose own photo this is."""

Scores = NDArray[np.float64]


ROWS_AT_ONCE = 256
"""So many rows are converted at a time, which stay in the processor's cache."""


@dataclass(frozen=True, slots=True)
class Projection:
    """A query as a linear function of a row: ``row @ vector - offset`` is its summed z-score."""

    vector: Vectors
    offset: float


def scores_of(projections: Sequence[Projection], rows: Vectors) -> Scores:
    """The scores of rows, shape (n, d), under each of m projections, shape (n, m).

    In float64: in float32 a matrix product gives equal rows scores that differ by up to 5e-7, by their position.
    """
    vectors = np.stack([each.vector for each in projections], axis=1).astype(np.float64)  # (d, m)
    scores = np.empty((len(rows), len(projections)))
    for first in range(0, len(rows), ROWS_AT_ONCE):
        scores[first : first + ROWS_AT_ONCE] = rows[first : first + ROWS_AT_ONCE].astype(np.float64) @ vectors
    return scores - [each.offset for each in projections]


def z_scores(parts: Sequence[VectorQuery], sample: Vectors) -> list[Projection]:
    """Each part's z-score over ``sample``, shape (n, d)."""
    positive = wanted(parts)
    found = []
    for part in parts:
        meant = part.vector if part.weight > 0 else apart_from(positive, part.vector)
        deviation = deviation_of(sample, part.vector)
        mean = float(np.mean(sample @ meant)) if len(sample) else 0.0
        found.append(Projection(meant / np.float32(deviation), mean / deviation))
    return found


def added_up(projections: Sequence[Projection], weights: Sequence[float]) -> Projection:
    """Projections under the given weights, in one; there must be one at least."""
    vector = np.sum(
        [np.float32(weight) * each.vector for each, weight in zip(projections, weights, strict=True)], axis=0
    )
    return Projection(vector, sum(weight * each.offset for each, weight in zip(projections, weights, strict=True)))


def wanted(parts: Sequence[VectorQuery]) -> Vectors:
    """The direction of everything that is asked for, a unit vector of shape (d,)."""
    total = np.sum([part.weight * part.vector for part in parts if part.weight > 0], axis=0)
    return np.asarray(total / max(float(np.linalg.norm(total)), 1e-12), np.float32)


def apart_from(positive: Vectors, negative: Vectors) -> Vectors:
    """A negative without what the positive shares: "shirt" without "striped shirt" avoids stripes, not shirts."""
    return negative - (negative @ positive) * positive


@dataclass(frozen=True, slots=True)
class VectorScores:
    """Candidate items by id, ascending, shape (n,), with each one's summed z-scores; NaN where it has no such row.

    ``scores`` are weighted, and ``contributions`` what images and text add to them, 0 for a row that an item lacks;
    ``by_modality`` has the plain z-scores of the best image and of the text.
    ``cosines`` has, by the modalities of query parts and rows, the cosine of the item's best row with what is wanted:
    the weighted mean over the query's parts of that modality; NaN if the query or the item has none.
    """

    item_ids: NDArray[np.int64]
    scores: Scores
    contributions: Mapping[Modality, Scores]
    by_modality: Mapping[Modality, Scores]
    cosines: Mapping[tuple[Modality, Modality], Scores]

    def scaled(self, weight: float) -> VectorScores:
        """The same, where they count more or less."""
        contributions = {modality: weight * scores for modality, scores in self.contributions.items()}
        return replace(self, scores=weight * self.scores, contributions=contributions)


class VectorScorer:
    """Scores one query's parts against one index version.

    ``of_text`` are the weights of an item's images and of its text for the parts that are text; ``of_text_alone`` are
    those of an item that has nothing but images, or nothing but a text.
    """

    def __init__(
        self,
        indexes: Mapping[Modality, VectorIndex],
        parts: Sequence[VectorQuery],
        of_text: Mapping[Modality, float],
        of_text_alone: Mapping[Modality, float],
    ) -> None:
        self.indexes = indexes
        self._n_parts = len(parts)
        self.wanted = {m: [part for part in parts if part.modality == m and part.weight > 0] for m in MODALITIES}
        z = {modality: z_scores(parts, index.sample(SAMPLE_ROWS)) for modality, index in indexes.items()}
        weights = {"text": of_text, "image": SHOWN}

        def projections(factor: Callable[[VectorQuery, Modality], float]) -> dict[Modality, Projection]:
            return {m: added_up(z[m], [part.weight * factor(part, m) for part in parts]) for m in MODALITIES}

        self.plain = projections(lambda part, modality: alone(part, modality, dict.fromkeys(MODALITIES, 1.0)))
        self.alone = projections(lambda part, modality: alone(part, modality, of_text_alone))
        self.shared = projections(lambda part, modality: weights[part.modality][modality])

    def candidates(self, depth: int, within: NDArray[np.int64] | None) -> NDArray[np.int64]:
        """The ids of the items with the best rows of each modality, at least ``depth`` items each if there are as many,
        in no order; some come twice."""
        return np.concatenate([self.best_items(modality, depth, within) for modality in MODALITIES])

    def best_items(self, modality: Modality, depth: int, within: NDArray[np.int64] | None) -> NDArray[np.int64]:
        k = depth
        while True:
            matches = self.indexes[modality].search(self.alone[modality].vector, k, within=within)
            item_ids = distinct(matches.item_ids)
            if len(matches) < k or len(item_ids) >= depth:
                return item_ids
            k *= 4

    def rank(self, item_ids: NDArray[np.int64]) -> VectorScores:
        """Score every candidate by its best image and by its text. ``item_ids``: sorted."""
        plain, alone, shared, cosines = {}, {}, {}, {}
        for modality, index in self.indexes.items():
            rows = index.rows_of(item_ids)
            at = np.searchsorted(item_ids, rows.item_ids)
            projections = [self.plain[modality], self.alone[modality], self.shared[modality]]
            projections += [Projection(part.vector, 0.0) for parts in self.wanted.values() for part in parts]
            best = iter(self._best(projections, rows.vectors, at, len(item_ids)))
            plain[modality], alone[modality], shared[modality] = next(best), next(best), next(best)
            for asked, parts in self.wanted.items():
                cosines[asked, modality] = mean_of([next(best) for _ in parts], parts, len(item_ids))
        both = shared["image"] + shared["text"]
        either = np.where(np.isnan(alone["image"]), alone["text"], alone["image"])
        has_both = ~np.isnan(both)
        added = {m: zero_where_nan(np.where(has_both, shared[m], alone[m])) for m in MODALITIES}
        return VectorScores(item_ids, np.where(has_both, both, either), added, plain, cosines)

    def _best(
        self, projections: Sequence[Projection], rows: Vectors, at: NDArray[np.int64], n_items: int
    ) -> Iterable[Scores]:
        """The best score of each item under each projection, shape (n_items,). Those of a query of one part all point
        the same way: rows are compared once, and what they score is scaled."""
        of_part = [part.vector for parts in self.wanted.values() for part in parts]
        scales = [float(each.vector @ of_part[0]) for each in projections] if of_part else []
        if self._n_parts > 1 or len(of_part) != 1 or min(scales) < 0:
            return best_of(scores_of(projections, rows), at, n_items).T
        cosines = best_of(scores_of([Projection(of_part[0], 0.0)], rows), at, n_items)[:, 0]
        unit = float(of_part[0] @ of_part[0])
        return [cosines * (scale / unit) - each.offset for each, scale in zip(projections, scales, strict=True)]


def zero_where_nan(scores: Scores) -> Scores:
    """Scores with 0 for NaN."""
    return np.where(np.isnan(scores), 0.0, scores)


def alone(part: VectorQuery, modality: Modality, of_text: Mapping[Modality, float]) -> float:
    """The weight of a query part for an item that has rows of one modality alone; ``of_text`` are those of a text."""
    if part.modality == "text":
        return of_text[modality]
    return 1.0 if modality == "image" else APPEARANCE_WORDS


def mean_of(cosines: Sequence[Scores], parts: Sequence[VectorQuery], n_items: int) -> Scores:
    """The mean of each item's best cosines with some parts, by the parts' weights, shape (n_items,); NaN without."""
    if not parts:
        return np.full(n_items, np.nan)
    return np.asarray(np.average(cosines, axis=0, weights=[part.weight for part in parts]))


def best_of(scores: Scores, at: NDArray[np.int64], n_items: int) -> Scores:
    """The largest scores of each item, shape (n_items, k); NaN for an item without a row. ``scores``, shape (m, k), are
    those of the rows, and ``at``, shape (m,), says which item each belongs to."""
    best = np.full((n_items, *scores.shape[1:]), np.nan)
    if np.all(np.diff(at) > 0):  # a row each, as texts have
        best[at] = scores
        return best
    order = np.argsort(at, kind="stable")
    first = np.flatnonzero(np.diff(at[order], prepend=-1))
    if len(first):
        best[at[order][first]] = np.maximum.reduceat(scores[order], first, axis=0)
    return best


VECTOR_PARTS: Mapping[Modality, Part] = {"image": Part.IMAGE, "text": Part.TEXT}


def vector_parts(by_vectors: VectorScores) -> dict[Part, Scores]:
    """The z-scores of an item's text and image, shape (n,); where it has only one, that stands for both."""
    image, text = by_vectors.by_modality["image"], by_vectors.by_modality["text"]
    return {
        Part.TEXT: zero_where_nan(np.where(np.isnan(text), image, text)),
        Part.IMAGE: zero_where_nan(np.where(np.isnan(image), text, image)),
    }


def text_weights(weights: PartWeights) -> tuple[dict[Modality, float], dict[Modality, float]]:
    """The weights of an item's images and of its text for a text, and those where it has one of them alone."""
    shared = {modality: weights.of(part) for modality, part in VECTOR_PARTS.items()}
    return shared, {"image": sum(shared.values()), "text": weights.of(Part.TEXT, with_images=False)}
