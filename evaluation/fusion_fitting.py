"""Fitting fusion weights, which say how much a reranker's answers count, and measuring the lift of nDCG by them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from vitrina.evaluation.calibration import RIDGE, log_loss, targets
from vitrina.evaluation.metrics import measure
from vitrina.evaluation.samples import RERANK_DEPTH, Array, FusionSample, split_half
from vitrina.search.reranking.fusion import FusionWeights, logit, probability

FREE_SHARES = (1.0, 0.75, 0.5, 0.25, 0.0)
"""Tried weights of requirements that the catalog has no values for; the first if they make no difference."""

MIN_QUERIES = 20
"""The fewest queries to fit to."""


def fit_measured_fusion(samples: Sequence[FusionSample], where: str) -> FusionWeights:
    """Fusion weights fitted to all samples; their ``source`` says what weights fitted to half of them did for the other
    half. Raises ValueError for fewer than ``MIN_QUERIES``."""
    fitted, others = split_half(samples)
    source = f"{len(samples):,} queries on {where}"
    if len(fitted) >= MIN_QUERIES and others:
        measured = rerank_lift(fit_fusion(fitted), others)
        source += (
            f"; fitted to one half, nDCG@10 among the {RERANK_DEPTH} best of {measured.n_queries} others went from "
            f"{measured.before:.3f} to {measured.after:.3f}"
        )
    return fit_fusion(samples, source)


def fit_fusion(samples: Sequence[FusionSample], source: str = "") -> FusionWeights:
    """The maximum-likelihood weights: P(yes) calibrated by Platt's method on single requirements, then the weights that
    rank relevant hits before others, retrieval's being 1.

    Catalog fields are left out: the reranker is weighed by what the images tell it. Raises ValueError for fewer than
    ``MIN_QUERIES``.
    """
    if len(samples) < MIN_QUERIES:
        raise ValueError(f"{len(samples)} queries are too few to fit fusion weights to; the minimum is {MIN_QUERIES}")
    platt = replace(fit_platt(samples), source=source)
    tried = [replace(platt, free=free) for free in FREE_SHARES]
    fitted = [fit_weights([(fusion_features(each, query), query.relevant) for query in samples]) for each in tried]
    fusion_weights, (_, (retrieval, whole, parts)) = min(zip(tried, fitted, strict=True), key=lambda each: each[1][0])
    if retrieval <= 0:
        return replace(fusion_weights, retrieval=0.0, whole=rounded(whole), parts=rounded(parts))
    return replace(fusion_weights, whole=rounded(whole / retrieval), parts=rounded(parts / retrieval))


def fit_platt(samples: Sequence[FusionSample]) -> FusionWeights:
    """Weights whose slope and intercept calibrate P(yes) (Platt 1999), fitted to every requirement whose truth is
    known."""
    asked = np.concatenate([each.parts.ravel() for each in samples])
    truth = np.concatenate([each.truth.ravel() for each in samples])
    known = ~np.isnan(asked) & ~np.isnan(truth)
    if not known.any() or np.ptp(truth[known]) == 0:
        return FusionWeights()
    columns = np.column_stack([np.ones(known.sum()), logit(asked[known])])
    solution = minimize(
        log_loss,
        np.array([0.0, 1.0]),
        (columns, targets(truth[known] > 0)),
        method="L-BFGS-B",
        jac=True,
        bounds=[(None, None), (0.0, None)],
    )
    intercept, slope = map(rounded, solution.x)
    return FusionWeights(slope=slope, intercept=intercept)


def fusion_features(fusion_weights: FusionWeights, sample: FusionSample) -> Array:
    """The features that the weights are for, of each hit, shape (n, 3), catalog fields left out."""
    return fusion_weights.features(sample.scores, sample.whole, met_by_images(fusion_weights, sample), sample.is_free)


def met_by_images(fusion_weights: FusionWeights, sample: FusionSample) -> Array:
    """The probability of each requirement by the image alone, shape (n, m)."""
    shown = fusion_weights.image_logit(sample.parts)
    return np.nan_to_num(probability(np.where(sample.wanted, shown, -shown)), nan=0.5)


def fit_weights(queries: Sequence[tuple[Array, NDArray[np.bool_]]]) -> tuple[float, Array]:
    """The least pairwise logistic loss (RankNet, Burges et al. 2005) of relevant hits ranked before others, and its
    weights, none below 0; each query counts the same. ``queries`` are features (n, 3) and relevance (n,)."""
    differing = [differences(each, relevant) for each, relevant in queries if relevant.any() and not relevant.all()]
    if not differing:
        return 0.0, np.array([1.0, 0.0, 0.0])
    pairs = np.concatenate(differing)
    shares = np.concatenate([np.full(len(each), 1 / len(each) / len(differing)) for each in differing])

    def loss(weights: Array) -> tuple[float, Array]:
        margins = pairs @ weights
        penalty = RIDGE * weights
        value = float(shares @ np.logaddexp(0, -margins) + penalty @ weights / 2)
        return value, -pairs.T @ (shares * expit(-margins)) + penalty

    start = np.array([1.0, 0.1, 0.1])
    solution = minimize(loss, start, method="L-BFGS-B", jac=True, bounds=[(0.0, None)] * 3)
    return float(solution.fun), np.asarray(solution.x)


def differences(features: Array, relevant: NDArray[np.bool_]) -> Array:
    """The features of each relevant hit minus those of each other hit, shape (pairs, 3)."""
    return np.asarray((features[relevant][:, None] - features[~relevant][None]).reshape(-1, features.shape[1]))


def rounded(number: float) -> float:
    return round(float(number), 4)


@dataclass(frozen=True, slots=True)
class RerankLift:
    """How well the ``RERANK_DEPTH`` best hits are ranked by retrieval alone (``before``) and with fusion weights
    (``after``): nDCG@10 among these hits, the mean over queries with a relevant one among them."""

    n_queries: int
    before: float
    after: float


def rerank_lift(fusion_weights: FusionWeights, samples: Sequence[FusionSample]) -> RerankLift:
    """Measure weights on queries that they were not fitted to."""
    judged = [each for each in samples if each.relevant.any()]
    if not judged:
        return RerankLift(0, np.nan, np.nan)
    grades = [{str(at): int(is_relevant) for at, is_relevant in enumerate(each.relevant)} for each in judged]
    before, after = (
        float(measure([list(map(str, order)) for order in orders], grades)["ndcg@10"].mean())
        for orders in (
            [range(len(each.relevant)) for each in judged],
            [order_of(fusion_weights, each) for each in judged],
        )
    )
    return RerankLift(len(judged), before, after)


def order_of(fusion_weights: FusionWeights, sample: FusionSample) -> list[int]:
    """The hits' positions as the weights rank them."""
    totals = fusion_weights.totals(fusion_features(fusion_weights, sample))
    order: list[int] = np.argsort(-totals, kind="stable").tolist()
    return order
