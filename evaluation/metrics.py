"""Retrieval metrics by ir-measures, their confidence intervals, and the reliability of confidences."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from vitrina.search.types.errors import MissingDependencyError

try:
    import ir_measures
    from ir_measures import RR, Measure, P, R, nDCG
except ImportError as error:
    raise MissingDependencyError(
        "ir-measures, which evaluation and calibration need, is not installed.",
        remedy="Install it: pip install 'vitrina[eval]'.",
    ) from error

RESAMPLES = 2000
"""Percentiles at 2.5 and 97.5 move by about 0.05 standard errors between seeds; 1,000 is the textbook's minimum."""

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with the ends of its 95% confidence interval."""

    mean: float
    low: float
    high: float


def intervals(values: NDArray[np.float64], *, seed: int = 0) -> list[Interval]:
    """The mean of each column with its interval; ``values`` is (n_queries, n_metrics), n_queries 1 or more.

    Queries are resampled with replacement, whole rows, ``RESAMPLES`` times (Efron and Tibshirani 1993, chapter 13).
    For two runs over the same queries, give the differences: that is the paired bootstrap (Sakai 2006). One query, or
    equal ones, give an interval of no width, which means nothing.
    """
    n_queries, n_metrics = values.shape
    rng = np.random.default_rng(seed)
    means = np.empty((RESAMPLES, n_metrics))
    for resample in means:
        counts = np.bincount(rng.integers(n_queries, size=n_queries), minlength=n_queries)
        resample[:] = counts @ values / n_queries
    tail = (1 - LEVEL) / 2
    lows, highs = np.quantile(means, [tail, 1 - tail], axis=0)
    return [
        Interval(float(mean), float(low), float(high))
        for mean, low, high in zip(values.mean(axis=0), lows, highs, strict=True)
    ]


Values = NDArray[np.float64]
"""One value per query, in 0..1, in the order of the queries."""

Grades = Mapping[str, int]
"""How relevant each judged sku is to one query: 0 is not at all, 1 or more is relevant, more is better."""

DEPTH = 100
"""How deep rankings are measured: the depth of the deepest metric."""

CAPPED = "capped-p@10"

MEASURES: Mapping[str, Measure] = MappingProxyType(
    {"ndcg@10": nDCG @ 10, "mrr": RR, "r@1": R @ 1, "r@10": R @ 10, "r@100": R @ 100, "p@1": P @ 1, "p@10": P @ 10}
)

LABELS: Mapping[str, str] = MappingProxyType(
    {
        "ndcg@10": "nDCG@10",
        "mrr": "MRR",
        "r@1": "R@1",
        "r@10": "R@10",
        "r@100": "R@100",
        "p@1": "P@1",
        "p@10": "P@10",
        CAPPED: "P@10, capped",
    }
)
"""Each metric's key, with the name that people read."""

BATCH_QUERIES = 256
"""Queries handed to the library at once, so that memory does not grow with the number of queries."""


def measure(
    rankings: Sequence[Sequence[str]], judgements: Sequence[Grades], keys: Collection[str] = tuple(LABELS)
) -> dict[str, Values]:
    """The metrics of each query, by the keys of ``LABELS``, or those of some ``keys`` alone.

    ``rankings`` has the skus found for each query, best first and distinct; ``judgements`` has the grades of the
    same queries. A sku without a grade is not relevant.

    nDCG weighs a grade linearly, as trec_eval does (Järvelin and Kekäläinen 2002, discount log2(rank + 1)). MRR is the
    mean of the reciprocal rank (0 if nothing relevant was found). ``capped-p@10`` is the precision among the first
    ``min(10, n_relevant)``, so that a query with three relevant rows can reach 1. Raises ValueError if the two
    differ in length or a query has nothing relevant.
    """
    if len(rankings) != len(judgements):
        raise ValueError(f"{len(rankings)} rankings came with the judgements of {len(judgements)} queries")
    values = {key: np.zeros(len(rankings)) for key in keys}
    for start in range(0, len(rankings), BATCH_QUERIES):
        stop = start + BATCH_QUERIES
        for key, at, value in _measured(rankings[start:stop], judgements[start:stop], keys):
            values[key][start + at] = value
    return values


def n_relevant(grades: Grades) -> int:
    """How many skus are relevant."""
    return sum(grade >= 1 for grade in grades.values())


def _measured(
    rankings: Sequence[Sequence[str]], judgements: Sequence[Grades], keys: Collection[str]
) -> Iterator[tuple[str, int, float]]:
    # trec_eval sorts by score and breaks ties by name, so each rank gets a score of its own.
    run = {str(at): {sku: -float(rank) for rank, sku in enumerate(skus)} for at, skus in enumerate(rankings)}
    judged = {str(at): dict(grades) for at, grades in enumerate(judgements)}
    if measures := {key: each for key, each in MEASURES.items() if key in keys}:
        yield from _evaluated(measures, judged, run)
    by_cap: dict[int, list[str]] = defaultdict(list)
    for at, grades in judged.items():
        by_cap[min(10, n_relevant(grades))].append(at)
    if 0 in by_cap:
        raise ValueError(f"{len(by_cap[0])} queries have nothing relevant")
    for cap, queries in by_cap.items() if CAPPED in keys else ():
        yield from _evaluated({CAPPED: P @ cap}, {at: judged[at] for at in queries}, {at: run[at] for at in queries})


def _evaluated(
    measures: Mapping[str, Measure], judged: dict[str, dict[str, int]], run: dict[str, dict[str, float]]
) -> Iterator[tuple[str, int, float]]:
    keys = {measure: key for key, measure in measures.items()}
    for metric in ir_measures.pytrec_eval.evaluator(list(keys), judged).iter_calc(run):
        yield keys[metric.measure], int(metric.query_id), float(metric.value)


N_BINS = 10
FIRST_HITS = 10
"""Confidences are measured over the hits of the first page, the ones that people see."""


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Hits of similar confidence: their mean confidence, the share that is relevant, and how many they are."""

    confidence: float
    relevant: float
    n_hits: int


@dataclass(frozen=True, slots=True)
class Reliability:
    """How far confidences are from the actual relevance.

    ``calibration_error`` is the expected calibration error (Guo et al. 2017, equation 3): the mean distance between
    confidence and share of relevant hits, over bins, weighted by their hits; 0 is best. Its bins hold equally many hits
    (Nguyen and O'Connor 2015) instead of being equally wide, as most confidences lie close together. ``brier`` is the
    mean squared distance of a hit's confidence from 1 (relevant) or 0 (Brier 1950); 0 is best.
    """

    calibration_error: float
    brier: float
    n_hits: int
    bins: tuple[ReliabilityBin, ...]


def reliability(confidences: Sequence[float], relevant: Sequence[bool]) -> Reliability | None:
    """Measure the confidences of some hits by which of them are relevant; None without hits."""
    if not confidences:
        return None
    given, true = np.asarray(confidences, np.float64), np.asarray(relevant, np.float64)
    order = np.argsort(given, kind="stable")
    parts = [part for part in np.array_split(order, N_BINS) if len(part)]
    bins = tuple(ReliabilityBin(float(given[part].mean()), float(true[part].mean()), len(part)) for part in parts)
    return Reliability(
        calibration_error=sum(abs(each.confidence - each.relevant) * each.n_hits for each in bins) / len(given),
        brier=float(np.mean((given - true) ** 2)),
        n_hits=len(given),
        bins=bins,
    )
