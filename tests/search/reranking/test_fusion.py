"""How much a model's answers count."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from vitrina.search.reranking.fusion import (
    MAX_IMAGE_LOGIT,
    FusionWeights,
    logit,
    read_fusion_weights,
    write_fusion_weights,
)
from vitrina.search.types.errors import RerankerError, StorageError

KNOWN = np.array([False, False])
"""Two requirements that the catalog has values for."""


def totals(fusion_weights: FusionWeights, *evidence: NDArray[Any]) -> NDArray[np.float64]:
    return fusion_weights.totals(fusion_weights.features(*evidence))


def test_a_total_is_the_weighted_sum() -> None:
    fusion_weights = FusionWeights(slope=2.0, intercept=-0.5, retrieval=0.7, whole=0.3, parts=0.2)
    scores, whole, met = np.array([0.8, 0.6]), np.array([0.7, np.nan]), np.array([[0.9, 0.5], [0.25, 1.0]])
    expected = [
        0.7 * np.log(4) + 0.3 * (2 * np.log(0.7 / 0.3) - 0.5) + 0.2 * np.log(0.45),
        0.7 * np.log(1.5) + 0.2 * np.log(0.25),
    ]
    np.testing.assert_allclose(totals(fusion_weights, scores, whole, met, KNOWN), expected, rtol=1e-9)


def test_free_requirements_and_their_part_of_the_phrase_count_as_they_are_worth() -> None:
    fusion_weights = FusionWeights(retrieval=0.0, whole=0.3, parts=0.2, free=0.5)
    found = totals(fusion_weights, np.array([0.5]), np.array([0.9]), np.array([[0.4, 0.8]]), np.array([False, True]))
    np.testing.assert_allclose(found, 0.3 * 0.75 * np.log(9) + 0.2 * (np.log(0.4) + 0.5 * np.log(0.8)), rtol=1e-9)


def test_the_phrase_counts_for_what_the_listing_leaves_open() -> None:
    fusion_weights = FusionWeights(whole=0.3)
    scores, whole, met = np.full(3, 0.5), np.full(3, 0.9), np.ones((3, 2))
    left_open, catalog = np.array([0.0, 0.5, 1.0]), np.array([2.0, -1.0, 0.0])
    found = totals(fusion_weights, scores, whole, met, KNOWN, left_open, catalog)
    np.testing.assert_allclose(found, 0.3 * (left_open * np.log(9) + catalog), atol=1e-9)


def test_without_requirements_or_phrase_the_retrieval_decides() -> None:
    found = totals(FusionWeights(), np.array([0.9, 0.2]), np.full(2, np.nan), np.empty((2, 0)), KNOWN[:0])
    np.testing.assert_allclose(found, logit(np.array([0.9, 0.2])))


def test_an_image_is_never_surer_than_the_catalog() -> None:
    assert FusionWeights(slope=9).image_logit(1.0) == MAX_IMAGE_LOGIT
    assert FusionWeights(slope=9).image_logit(0.0) == -MAX_IMAGE_LOGIT
    assert np.isnan(FusionWeights().image_logit(np.nan))


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_more_for_it_never_ranks_it_lower(score: float, phrase: float, met: float, more: float) -> None:
    def total(score: float, phrase: float, met: float) -> float:
        return float(totals(FusionWeights(), np.array([score]), np.array([phrase]), np.array([[met]]), KNOWN[:1])[0])

    here = total(score, phrase, met)
    assert total(max(score, more), phrase, met) >= here
    assert total(score, max(phrase, more), met) >= here
    assert total(score, phrase, max(met, more)) >= here


@pytest.mark.parametrize("wrong", [{"whole": -0.1}, {"retrieval": float("inf")}, {"intercept": float("nan")}])
def test_weights_that_turn_evidence_around(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="0 or more"):
        FusionWeights(**wrong)  # type: ignore[arg-type]


def test_it_is_kept_beside_what_else_is_known_of_a_model(tmp_path: Path) -> None:
    path, fusion_weights = tmp_path / "new" / "vitrina.json", FusionWeights(slope=0.8, whole=0.4, source="200 queries")
    assert read_fusion_weights(path) is None
    write_fusion_weights(path, FusionWeights())
    path.write_text(json.dumps({"measured": {"auc": 0.9}}), encoding="utf-8")
    assert read_fusion_weights(path) is None
    write_fusion_weights(path, fusion_weights)
    assert read_fusion_weights(path) == fusion_weights
    assert json.loads(path.read_text(encoding="utf-8"))["measured"] == {"auc": 0.9}


@pytest.mark.parametrize("text", ["{", "[]", '{"blend": 3}', '{"blend": {"whole": -1}}', '{"blend": {"slope": "x"}}'])
def test_a_damaged_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "vitrina.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RerankerError, match="damaged"):
        read_fusion_weights(path)


def test_a_disk_that_refuses(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="cannot be written"):
        write_fusion_weights(tmp_path / "file" / "vitrina.json", FusionWeights())
