"""How much a model's answers count."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray

from vitrina.search.reranking.fusion import (
    MAX_IMAGE_LOGIT,
    FusionWeights,
    RerankEvidence,
    logit,
    read_fusion_weights,
    write_fusion_weights,
)
from vitrina.search.types.errors import RerankerError, StorageError


def evidence(parts: ArrayLike, **given: ArrayLike) -> RerankEvidence:
    """Of n hits with m requirements, which fields name and the catalog leaves open; ``parts`` has shape (n, m)."""
    yes = np.asarray(parts, np.float64)
    n, m = yes.shape
    usual: dict[str, Any] = {
        "scores": np.full(n, 0.5),
        "whole": np.full(n, np.nan),
        "wanted": np.ones(m, np.bool_),
        "is_free": np.zeros(m, np.bool_),
        "catalog": np.zeros((n, m)),
        "has_words": np.ones(n, np.bool_),
    }
    return RerankEvidence(parts=yes, **(usual | {name: np.asarray(value) for name, value in given.items()}))


def totals(fusion_weights: FusionWeights, of: RerankEvidence) -> NDArray[np.float64]:
    return fusion_weights.totals(fusion_weights.features(of))


def test_a_total_is_the_weighted_sum() -> None:
    fusion_weights = FusionWeights(slope=2.0, intercept=-0.5, retrieval=0.7, whole=0.3, parts=0.2)
    asked = evidence([[0.6, 0.5], [0.25, np.nan]], scores=[0.8, 0.6], whole=[0.7, np.nan])
    expected = [
        0.7 * np.log(4) + 0.3 * (2 * np.log(0.7 / 0.3) - 0.5) + 0.2 * (2 * np.log(1.5) - 1),
        0.7 * np.log(1.5) + 0.2 * (2 * np.log(1 / 3) - 0.5),
    ]
    np.testing.assert_allclose(totals(fusion_weights, asked), expected, rtol=1e-9)


def test_what_must_not_be_counts_the_other_way_round() -> None:
    denied = evidence([[0.8]], wanted=[False])
    np.testing.assert_allclose(totals(FusionWeights(parts=1), denied), [-np.log(4)])


def test_free_requirements_and_their_part_of_the_phrase_count_as_they_are_worth() -> None:
    fusion_weights = FusionWeights(retrieval=0.0, whole=0.3, parts=0.2, free=0.5)
    found = totals(fusion_weights, evidence([[0.4, 0.8]], whole=[0.9], is_free=[False, True]))
    expected = 0.3 * 0.75 * np.log(9) + 0.2 * (np.log(2 / 3) + 0.5 * np.log(4))
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_the_image_counts_for_what_the_listing_leaves_open() -> None:
    fusion_weights = FusionWeights(whole=0.3, parts=0.2, known=0.0)
    catalog = [[2.0, 3.5], [0.0, 3.5], [0.0, 0.0]]
    found = totals(fusion_weights, evidence(np.full((3, 2), 0.8), whole=np.full(3, 0.9), catalog=catalog))
    n_open = np.array([0, 1, 2])
    np.testing.assert_allclose(found, n_open * (0.15 * np.log(9) + 0.2 * np.log(4)), atol=1e-9)
    known = totals(FusionWeights(whole=0.0, parts=0.2, known=0.5), evidence([[0.8]], catalog=[[-3.0]]))
    np.testing.assert_allclose(known, [0.1 * np.log(4)])


def test_a_model_whose_answers_do_not_count_moves_nothing() -> None:
    asked = evidence([[0.8], [0.8]], has_words=[True, False])
    assert FusionWeights().can_move(asked).tolist() == [True, True]
    assert FusionWeights(whole=0, parts=0).can_move(asked).tolist() == [False, False]
    assert FusionWeights(whole=0, parts=0, whole_alone=0.1).can_move(asked).tolist() == [False, True]


def test_a_query_of_words_that_count_nothing_moves_nothing() -> None:
    asked = evidence([[0.8], [0.8]], has_words=[True, False], is_free=[True])
    assert FusionWeights(free=0).can_move(asked).tolist() == [False, True]
    assert FusionWeights(free=0).can_move(evidence(np.empty((2, 0)))).tolist() == [True, True]


def test_items_without_words_are_weighed_apart() -> None:
    weights = FusionWeights(whole=0.0, parts=0.0, free=0.0, whole_alone=1.0, parts_alone=2.0)
    asked = evidence([[0.8], [0.8]], whole=[0.9, 0.9], is_free=[True], has_words=[True, False])
    np.testing.assert_allclose(totals(weights, asked), [0, np.log(9) + 2 * np.log(4)], atol=1e-9)
    np.testing.assert_allclose(
        totals(FusionWeights(whole=0.5, parts=0.1), replace(asked, is_free=np.array([False]))),
        np.full(2, 0.5 * np.log(9) + 0.1 * np.log(4)),
    )


def test_without_requirements_or_phrase_the_retrieval_decides() -> None:
    found = totals(FusionWeights(), evidence(np.empty((2, 0)), scores=[0.9, 0.2]))
    np.testing.assert_allclose(found, logit(np.array([0.9, 0.2])))


def test_an_image_is_never_surer_than_the_catalog() -> None:
    assert FusionWeights(slope=9).image_logit(1.0) == MAX_IMAGE_LOGIT
    assert FusionWeights(slope=9).image_logit(0.0) == -MAX_IMAGE_LOGIT
    assert np.isnan(FusionWeights().image_logit(np.nan))


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_more_for_it_never_ranks_it_lower(score: float, phrase: float, met: float, more: float) -> None:
    def total(score: float, phrase: float, met: float) -> float:
        return float(totals(FusionWeights(), evidence([[met]], scores=[score], whole=[phrase]))[0])

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


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"blend": 3}',
        '{"blend": {"whole": -1}}',
        '{"blend": {"whole_alone": -1}}',
        '{"blend": {"slope": "x"}}',
    ],
)
def test_a_damaged_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "vitrina.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RerankerError, match="damaged"):
        read_fusion_weights(path)


def test_a_disk_that_refuses(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="cannot be written"):
        write_fusion_weights(tmp_path / "file" / "vitrina.json", FusionWeights())
