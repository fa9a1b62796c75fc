"""How query parts are put on one scale and added up."""

from __future__ import annotations

import numpy as np
import pytest

from tests.fakes import unit
from vitrina.search.index.base import MIN_DEVIATION
from vitrina.search.index.faiss import FaissIndex
from vitrina.search.retrieval.vector_scores import (
    Projection,
    VectorScorer,
    added_up,
    apart_from,
    best_of,
    scores_of,
    z_scores,
)
from vitrina.search.types.item import EmbeddingRows, Modality
from vitrina.search.understanding.parsed_query import VectorQuery

DIMENSION = 48


def rows(seed: int, n: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return unit(np.random.default_rng(seed).normal(size=(n, DIMENSION)))


def test_a_projection_is_the_sum_of_z_scores() -> None:
    sample, parts = rows(0, 400), [VectorQuery(rows(1, 1)[0], "text", 2.0), VectorQuery(rows(2, 1)[0], "image", 0.5)]
    projection = added_up(z_scores(parts, sample), [part.weight for part in parts])
    scored = rows(3, 20)
    expected = sum(
        part.weight * (scored @ part.vector - np.mean(sample @ part.vector)) / np.std(sample @ part.vector)
        for part in parts
    )
    np.testing.assert_allclose(scores_of([projection], scored)[:, 0], expected, atol=1e-4)


def test_what_a_negative_shares_with_what_is_wanted_is_not_avoided() -> None:
    wanted, other = rows(1, 2)
    negative = unit((wanted + other)[None])[0]
    left = apart_from(wanted, negative)
    assert float(left @ wanted) == pytest.approx(0, abs=1e-6)
    parts = [VectorQuery(wanted, "text", 1.0), VectorQuery(negative, "text", -0.5)]
    projection = added_up(z_scores(parts, rows(0, 400)), [1.0, -0.5])
    alone = added_up(z_scores(parts[:1], rows(0, 400)), [1.0])
    assert float(projection.vector @ wanted) == pytest.approx(float(alone.vector @ wanted), rel=1e-4)


@pytest.mark.parametrize("n", [0, 1, 5])
def test_a_sample_without_spread_gives_finite_scores(n: int) -> None:
    copies = np.repeat(rows(0, 1), n, axis=0)
    parts = [VectorQuery(rows(1, 1)[0], "text", 1.0), VectorQuery(rows(2, 1)[0], "text", -0.5)]
    scores = scores_of([added_up(z_scores(parts, copies), [1.0, -0.5])], rows(3, 10))
    assert np.isfinite(scores).all()
    assert np.abs(scores).max() <= 2 * 1.5 / MIN_DEVIATION


@pytest.mark.parametrize("n", [7, 1001, 2003])
def test_equal_rows_score_equally_wherever_they_are(n: int) -> None:
    for seed in range(20):
        projections = [Projection(vector * np.float32(20), 0.1) for vector in rows(seed, 4)]
        scores = scores_of(projections, np.repeat(rows(seed + 50, 1), n, axis=0))
        assert len(np.unique(scores.round(6), axis=0)) == 1


EVEN_WEIGHTS: dict[Modality, float] = {"image": 0.5, "text": 0.5}


def test_best_of_takes_each_items_best_row() -> None:
    scores = np.array([[1.0, 3.0, 2.0, -5.0], [4.0, 0.0, 1.0, 1.0]]).T
    best = best_of(scores, np.array([3, 0, 0, 2]), 5)
    np.testing.assert_array_equal(best.T, [[3.0, np.nan, -5.0, 1.0, np.nan], [1.0, np.nan, 1.0, 4.0, np.nan]])
    assert np.isnan(best_of(np.empty((0, 2)), np.empty(0, np.int64), 3)).all()


@pytest.mark.parametrize("modality", ["text", "image"])
def test_a_query_of_one_part_scores_as_any_other(modality: Modality) -> None:
    image, text = FaissIndex(DIMENSION), FaissIndex(DIMENSION)
    of_images, of_texts = np.repeat(np.arange(1, 41), 3), np.arange(20, 61)
    for index, item_ids, seed in ((image, of_images, 1), (text, of_texts, 2)):
        index.apply(np.empty(0, np.int64), EmbeddingRows(np.arange(len(item_ids)), item_ids, rows(seed, len(item_ids))))
    parts = [VectorQuery(rows(5, 1)[0], modality, 0.7)]
    scorer = VectorScorer({"image": image, "text": text}, parts, EVEN_WEIGHTS, {"image": 1.0, "text": 0.8})
    once = scorer.rank(np.arange(1, 61))
    scorer._n_parts = 2
    each = scorer.rank(np.arange(1, 61))
    np.testing.assert_allclose(once.scores, each.scores, atol=1e-6)
    for held, right in ((once.by_modality, each.by_modality), (once.contributions, each.contributions)):
        for name in ("image", "text"):
            np.testing.assert_allclose(held[name], right[name], atol=1e-6)
    for pair, cosines in each.cosines.items():
        np.testing.assert_allclose(once.cosines[pair], cosines, atol=1e-6)


def test_candidates_are_enough_items_however_many_rows_each_has() -> None:
    image, text = FaissIndex(DIMENSION), FaissIndex(DIMENSION)
    nothing = np.empty(0, np.int64)
    image.apply(nothing, EmbeddingRows(np.arange(600), np.repeat(np.arange(30), 20), rows(0, 600)))
    text.apply(nothing, EmbeddingRows(np.arange(5), np.arange(100, 105), rows(1, 5)))
    scorer = VectorScorer(
        {"image": image, "text": text}, [VectorQuery(rows(2, 1)[0], "text", 1.0)], EVEN_WEIGHTS, EVEN_WEIGHTS
    )
    found = np.unique(scorer.candidates(25, None))
    assert set(range(100, 105)) <= set(found.tolist())
    assert len(found) >= 25 + 5
    assert set(scorer.candidates(25, np.array([3, 4, 101])).tolist()) == {3, 4, 101}
    ranking = scorer.rank(found)
    assert np.isnan(ranking.by_modality["image"][-1])
    assert not np.isnan(ranking.scores).any()
