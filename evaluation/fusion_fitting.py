"""Fitting fusion weights, which say how much a reranker's answers count, and measuring the lift of nDCG by them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vitrina.evaluation.calibration import RIDGE, log_loss, targets
from vitrina.evaluation.metrics import measure
from vitrina.evaluation.samples import RERANK_DEPTH, Array, FusionSample, split_half
from vitrina.search.reranking.fusion import FusionWeights, logit
from vitrina.search.types.logistic import expit

FREE_SHARES = (0.0, 0.25, 0.5, 1.0)
"""Tried weights of requirements that the catalog has no values for."""

KNOWN_SHARES = (0.0, 0.25)
"""Tried weights of requirements of which a listing says something."""

SHRINKAGES = (0.1, 0.2, 0.3, 0.5, 1.0)
"""Tried shares of the most likely weights (shrinkage, James and Stein 1961). The likelihood counts every pair of hits
alike; the first places, which retrieval has mostly right where there are words, are better off with less."""

N_FOLDS = 5

MIN_QUERIES = 20
"""The fewest queries to fit to."""


def fit_measured_fusion(
    samples: Sequence[FusionSample], where: str, free_shares: Sequence[float] = FREE_SHARES
) -> FusionWeights:
    """Fusion weights fitted to all samples, as by ``fit_fusion``; their ``source`` says what weights fitted to half of
    them did for the other half. Raises ValueError for fewer than ``MIN_QUERIES``."""
    fitted, others = split_half(samples)
    source = f"{len(samples):,} queries on {where}"
    if len(fitted) >= MIN_QUERIES and others:
        measured = rerank_lift(fit_fusion(fitted, free_shares=free_shares), others)
        source += (
            f"; fitted to one half, nDCG@10 among the {RERANK_DEPTH} best of {measured.n_queries} others went from "
            f"{measured.before:.3f} to {measured.after:.3f}"
        )
    return fit_fusion(samples, source, free_shares)


def fit_fusion(
    samples: Sequence[FusionSample], source: str = "", free_shares: Sequence[float] = FREE_SHARES
) -> FusionWeights:
    """The maximum-likelihood weights, shrunk: P(yes) calibrated by Platt's method on single requirements, then the
    weights that rank relevant hits before others, retrieval's being 1, apart for items with words and without; 0 where
    nothing tried lifts the queries that it was not fitted to by more than its standard error.

    Raises ValueError for fewer than ``MIN_QUERIES``.
    """
    if len(samples) < MIN_QUERIES:
        raise ValueError(f"{len(samples)} queries are too few to fit fusion weights to; the minimum is {MIN_QUERIES}")
    weights = replace(fit_platt(samples), source=source, whole=0, parts=0)
    worded, wordless = ([each for each in samples if each.evidence.has_words.any() == which] for which in (True, False))
    if worded:
        starts = [replace(weights, free=free, known=known) for free in free_shares for known in KNOWN_SHARES]
        weights = fit_surest(fit_worded, starts, worded) or weights
    if wordless:
        weights = replace(weights, whole_alone=0, parts_alone=0)
        weights = fit_surest(fit_wordless, [weights], wordless) or weights
    return weights


Fit = Callable[[FusionWeights, Sequence[FusionSample]], FusionWeights]


def fit_surest(fit: Fit, starts: Sequence[FusionWeights], samples: Sequence[FusionSample]) -> FusionWeights | None:
    """The weights, a share of the way from a start to its fit, whose lift of shops left out of the fit is surest: whose
    mean less its standard error is greatest. None if that is 0 or less."""
    tried = {}
    for start in starts:
        apart = [(fit(start, fitted), others) for fitted, others in folds(samples)]
        lifts = [
            rerank_lifts([between(start, fitted, share) for share in SHRINKAGES], others) for fitted, others in apart
        ]
        for share, of_share in zip(SHRINKAGES, zip(*lifts, strict=True), strict=True):
            found = [each.lift for each in of_share]
            tried[start, share] = np.mean(found) - np.std(found, ddof=1) / np.sqrt(len(found))
    start, share = max(tried, key=tried.__getitem__)
    return between(start, fit(start, samples), share) if tried[start, share] > 0 else None


def between(start: FusionWeights, end: FusionWeights, share: float) -> FusionWeights:
    """Weights a share of the way from one to the other, both with the same slope, intercept and shares."""
    ends = zip(start.of_features, end.of_features, strict=True)
    _, whole, parts, whole_alone, parts_alone = (rounded(near + share * (far - near)) for near, far in ends)
    if end.whole_alone is None:
        return replace(end, whole=whole, parts=parts)
    return replace(end, whole=whole, parts=parts, whole_alone=whole_alone, parts_alone=parts_alone)


def folds(samples: Sequence[FusionSample]) -> list[tuple[list[FusionSample], list[FusionSample]]]:
    """What to fit to and what to measure on: each shop is left out once; of one shop, each of ``N_FOLDS`` parts."""
    one_shop = len({each.shop for each in samples}) == 1
    of = [int(each.key[:8], 16) % N_FOLDS if one_shop else each.shop for each in samples]
    return [
        (
            [each for each, at in zip(samples, of, strict=True) if at != left_out],
            [each for each, at in zip(samples, of, strict=True) if at == left_out],
        )
        for left_out in sorted(set(of), key=str)
    ]


def fit_worded(weights: FusionWeights, samples: Sequence[FusionSample]) -> FusionWeights:
    """The weights of items that have words."""
    whole, parts = fit_weights(weights, samples, OF_WORDED)
    return replace(weights, whole=whole, parts=parts)


def fit_wordless(weights: FusionWeights, samples: Sequence[FusionSample]) -> FusionWeights:
    """The weights of items that have none."""
    whole, parts = fit_weights(weights, samples, OF_WORDLESS)
    return replace(weights, whole_alone=whole, parts_alone=parts)


def fit_platt(samples: Sequence[FusionSample]) -> FusionWeights:
    """Weights whose slope and intercept calibrate P(yes) (Platt 1999), fitted to every requirement whose truth is
    known."""
    asked = np.concatenate([each.evidence.parts.ravel() for each in samples])
    truth = np.concatenate([each.truth.ravel() for each in samples])
    known = ~np.isnan(asked) & ~np.isnan(truth)
    if not known.any() or np.ptp(truth[known]) == 0:
        return FusionWeights()
    columns = np.column_stack([np.ones(known.sum()), logit(asked[known])])
    from scipy.optimize import minimize  # with ir-measures

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


OF_WORDED, OF_WORDLESS = (0, 1, 2), (0, 3, 4)
"""The features that tell of items with words, and of items without: retrieval, the phrase, the requirements."""

NO_EVIDENCE = 1e-3
"""A retrieval weight below this means that its scores tell nothing here; the others are taken as they are."""


def fit_weights(
    fusion_weights: FusionWeights, samples: Sequence[FusionSample], which: tuple[int, int, int]
) -> tuple[float, float]:
    """The weights of phrase and requirements beside a retrieval weight of 1, none below 0, with the least pairwise
    logistic loss (RankNet, Burges et al. 2005) of relevant hits ranked before others. Each shop counts the same, and in
    it each query."""
    features = [(each.shop, fusion_weights.features(each.evidence)[:, which], each.relevant) for each in samples]
    differing = [(shop, differences(each, right)) for shop, each, right in features if right.any() and not right.all()]
    if not differing:
        return 0.0, 0.0
    n_queries = Counter(shop for shop, _ in differing)
    pairs = np.concatenate([each for _, each in differing])
    shares = np.concatenate(
        [np.full(len(each), 1 / len(each) / n_queries[shop] / len(n_queries)) for shop, each in differing]
    )

    def loss(weights: Array) -> tuple[float, Array]:
        margins = pairs @ weights
        penalty = RIDGE * weights
        value = float(shares @ np.logaddexp(0, -margins) + penalty @ weights / 2)
        return value, -pairs.T @ (shares * expit(-margins)) + penalty

    from scipy.optimize import minimize

    start = np.array([1.0, 0.1, 0.1])
    solution = minimize(loss, start, method="L-BFGS-B", jac=True, bounds=[(0.0, None)] * 3)
    retrieval, whole, parts = map(float, solution.x)
    scale = max(retrieval, NO_EVIDENCE)
    return whole / scale, parts / scale


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

    @property
    def lift(self) -> float:
        """The difference; 0 where there was nothing to measure."""
        return self.after - self.before if self.n_queries else 0.0


def rerank_lift(fusion_weights: FusionWeights, samples: Sequence[FusionSample]) -> RerankLift:
    """Measure weights on queries that they were not fitted to."""
    return rerank_lifts([fusion_weights], samples)[0]


def rerank_lifts(several: Sequence[FusionWeights], samples: Sequence[FusionSample]) -> list[RerankLift]:
    """The same for several weights, which differ in nothing but in what multiplies their features."""
    judged = [each for each in samples if each.relevant.any()]
    if not judged:
        return [RerankLift(0, np.nan, np.nan) for _ in several]
    grades = [{str(at): int(is_relevant) for at, is_relevant in enumerate(each.relevant)} for each in judged]
    features = [several[0].features(each.evidence) for each in judged]

    def ndcg(orders: Iterable[Iterable[int]]) -> float:
        return float(measure([list(map(str, order)) for order in orders], grades, ["ndcg@10"])["ndcg@10"].mean())

    before = ndcg(range(len(each.relevant)) for each in judged)
    return [RerankLift(len(judged), before, ndcg(order_of(each.totals(of)) for of in features)) for each in several]


def order_of(totals: NDArray[np.float64]) -> list[int]:
    """The hits' positions as their totals rank them."""
    order: list[int] = np.argsort(-totals, kind="stable").tolist()
    return order
