"""Fusion weights fitted to samples whose truth is known."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from vitrina.evaluation.fusion_fitting import (
    MIN_QUERIES,
    OF_WORDED,
    fit_fusion,
    fit_measured_fusion,
    fit_platt,
    fit_weights,
    fit_worded,
    rerank_lift,
)
from vitrina.evaluation.samples import FusionSample, split_half, truth_of
from vitrina.search.reranking.fusion import FusionWeights, RerankEvidence, probability
from vitrina.search.types.item import Item
from vitrina.search.types.requirement import Requirement

NAVY = Requirement("navy", "colour", ("Navy Blue",))


@cache
def samples(n: int, *, slope: float = 0.5, intercept: float = -1.0, blind: bool = False) -> tuple[FusionSample, ...]:
    """Queries of two requirements and 20 hits, which are right where both hold. The truth of a requirement follows its
    P(yes) through ``slope`` and ``intercept``; scores know something of it, too. Who is ``blind`` answers at random."""
    rng = np.random.default_rng([n, int(10 * slope)])
    made = []
    for number in range(n):
        said = rng.normal(0, 3, (20, 2))
        truth = (rng.random((20, 2)) < probability(slope * said + intercept)).astype(float)
        scores = probability(0.5 * truth.all(axis=1) + rng.normal(0, 0.5, 20))
        best_first = np.argsort(-scores)
        scores, truth, said = scores[best_first], truth[best_first], said[best_first]
        relevant = np.asarray(truth.all(axis=1))
        heard = rng.normal(0, 3, (20, 2)) if blind else said
        made.append(
            FusionSample(
                key=hashlib.sha256(f"{n} {number}".encode()).hexdigest(),
                evidence=RerankEvidence(
                    scores=scores,
                    whole=probability(heard.min(axis=1)),
                    parts=probability(heard),
                    wanted=np.array([True, True]),
                    is_free=np.array([False, False]),
                    catalog=np.zeros((20, 2)),
                    has_words=np.ones(20, np.bool_),
                ),
                truth=truth,
                relevant=relevant,
            )
        )
    return tuple(made)


def with_evidence(sample: FusionSample, **other: np.ndarray[Any, Any]) -> FusionSample:
    return replace(sample, evidence=replace(sample.evidence, **other))


def test_platt_finds_how_much_a_yes_is_worth() -> None:
    fusion_weights = fit_platt(samples(200))
    assert fusion_weights.slope == pytest.approx(0.5, abs=0.03)
    assert fusion_weights.intercept == pytest.approx(-1.0, abs=0.1)


def test_platt_takes_denied_requirements_for_what_their_words_say() -> None:
    denied = [with_evidence(each, wanted=np.array([False, True])) for each in samples(200)]
    assert fit_platt(denied) == fit_platt(samples(200))


def test_without_known_truth_answers_are_taken_as_they_are() -> None:
    unknown = [replace(each, truth=np.full((20, 2), np.nan)) for each in samples(30)]
    assert fit_platt(unknown) == FusionWeights()


def test_a_model_that_sees_is_given_weight_and_lifts_queries_it_was_not_fitted_to() -> None:
    fusion_weights = fit_fusion(samples(60), "made up")
    assert fusion_weights.source == "made up"
    assert fusion_weights.retrieval == 1
    assert fusion_weights.whole + fusion_weights.parts > 0.15
    measured = rerank_lift(fusion_weights, samples(61))
    assert measured.after > measured.before + 0.1


def test_a_blind_model_is_given_next_to_no_weight_and_harms_nothing() -> None:
    fusion_weights = fit_fusion(samples(150, blind=True))
    assert fusion_weights.whole + fusion_weights.parts < 0.15
    measured = rerank_lift(fusion_weights, samples(151, blind=True))
    assert measured.after > measured.before - 0.01


def test_no_weight_is_below_zero_though_the_model_be_always_wrong() -> None:
    contrary = [
        with_evidence(each, whole=1 - each.evidence.whole, parts=1 - each.evidence.parts) for each in samples(40)
    ]
    fusion_weights = fit_fusion(contrary)
    assert fusion_weights.slope == 0
    assert rerank_lift(fusion_weights, contrary).after == pytest.approx(
        rerank_lift(FusionWeights(whole=0, parts=0), contrary).after
    )


def test_weights_need_a_right_and_a_wrong_hit() -> None:
    none_right = [replace(each, relevant=np.zeros(20, np.bool_)) for each in samples(30)]
    assert fit_weights(FusionWeights(), none_right, OF_WORDED) == (0.0, 0.0)


def test_items_without_words_have_weights_of_their_own() -> None:
    wordless = [with_evidence(each, has_words=np.zeros(20, np.bool_)) for each in samples(60)]
    both = fit_fusion([*samples(60, blind=True), *wordless])
    assert both.whole + both.parts < 0.15
    assert both.whole_alone is not None
    assert both.parts_alone is not None
    assert both.whole_alone + both.parts_alone > 0.3
    assert rerank_lift(both, wordless).after > rerank_lift(both, wordless).before + 0.1
    assert fit_fusion(samples(60)).whole_alone is None


def test_each_shop_counts_the_same_however_many_queries_it_has() -> None:
    many = [replace(each, shop="many") for each in samples(300, blind=True)]
    few = [replace(each, shop="few") for each in samples(60)]
    alike = fit_worded(FusionWeights(), [replace(each, shop="") for each in [*many, *few]])
    fair = fit_worded(FusionWeights(), [*many, *few])
    assert fair.whole + fair.parts > alike.whole + alike.parts


def test_words_that_a_model_does_not_know_come_to_count_less() -> None:
    rng = np.random.default_rng(0)
    guessed = [
        replace(
            with_evidence(
                each,
                parts=np.column_stack([each.evidence.parts, probability(rng.normal(0, 3, 20))]),
                wanted=np.array([True] * 3),
                is_free=np.array([False, False, True]),
                catalog=np.zeros((20, 3)),
            ),
            truth=np.column_stack([each.truth, np.full(20, np.nan)]),
        )
        for each in samples(100)
    ]
    assert fit_fusion(guessed).free <= 0.25
    all_free = [with_evidence(each, is_free=np.array([True, True])) for each in samples(60)]
    assert fit_fusion(all_free).free > 0


def test_what_listings_say_counts_for_more_than_a_model_that_guesses_there() -> None:
    rng = np.random.default_rng(0)
    guessed = [
        with_evidence(
            each,
            parts=np.column_stack([each.evidence.parts, probability(rng.normal(0, 3, 20))]),
            wanted=np.array([True] * 3),
            is_free=np.array([False] * 3),
            catalog=np.column_stack([np.zeros((20, 2)), np.full(20, 3.5)]),
        )
        for each in samples(100)
    ]
    guessed = [replace(each, truth=np.column_stack([each.truth, np.full(20, np.nan)])) for each in guessed]
    assert fit_fusion(guessed).known == 0
    all_known = [with_evidence(each, catalog=np.full((20, 2), 3.5)) for each in samples(60)]
    assert fit_fusion(all_known).known > 0


def test_weights_say_what_they_did_for_queries_that_they_were_not_fitted_to() -> None:
    fusion_weights = fit_measured_fusion(samples(60), "a made-up shop")
    assert replace(fusion_weights, source="") == fit_fusion(samples(60))
    fitted, others = split_half(samples(60))
    measured = rerank_lift(fit_fusion(fitted), others)
    assert "60 queries on a made-up shop" in fusion_weights.source
    assert f"from {measured.before:.3f} to {measured.after:.3f}" in fusion_weights.source
    assert fit_measured_fusion(samples(25), "few").source == "25 queries on few"


def test_too_few_queries_are_refused() -> None:
    with pytest.raises(ValueError, match="too few"):
        fit_fusion(samples(MIN_QUERIES - 1))


def test_what_was_not_asked_says_nothing() -> None:
    unasked = [with_evidence(each, whole=np.full(20, np.nan), parts=np.full((20, 2), np.nan)) for each in samples(30)]
    measured = rerank_lift(FusionWeights(whole=1, parts=1), unasked)
    assert measured.after == measured.before


@pytest.mark.parametrize("seed", range(5))
def test_the_gain_is_ndcg(seed: int) -> None:
    relevant = np.random.default_rng(seed).random(20) < 0.4
    discounts = 1 / np.log2(np.arange(2, 12))
    ideal = discounts[: min(10, int(relevant.sum()))].sum()
    measured = rerank_lift(FusionWeights(whole=0, parts=0), [replace(samples(1)[0], relevant=relevant)])
    assert measured.before == pytest.approx(float(discounts @ relevant[:10] / ideal))
    assert measured.after == measured.before


def test_the_split_is_the_same_for_the_same_queries() -> None:
    first, second = split_half(samples(60))
    assert len(first) + len(second) == 60
    assert min(len(first), len(second)) > 15
    assert [each.key for each in split_half(samples(60))[0]] == [each.key for each in first]


def test_the_truth_is_what_fields_say() -> None:
    assert truth_of(Item("1", attributes={"colour": "Navy Blue"}), NAVY) == 1
    assert truth_of(Item("1", attributes={"colour": "Red"}), NAVY) == 0
    assert np.isnan(truth_of(Item("1", "A navy shirt"), NAVY))
    assert np.isnan(truth_of(Item("1", attributes={"colour": "Red"}), Requirement("see-through")))
