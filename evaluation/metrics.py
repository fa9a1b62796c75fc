"""Retrieval metrics of single queries. Every value comes from ir-measures, which runs NIST's trec_eval."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

import ir_measures
import numpy as np
from ir_measures import RR, Measure, P, R, nDCG
from numpy.typing import NDArray

Values = NDArray[np.float64]
"""One value a query, in 0..1, in the order of the queries."""

Grades = Mapping[str, int]
"""How relevant each judged sku is to one query: 0 is not at all, 1 or more is relevant, more is better."""

DEPTH = 100
"""How deep rankings are measured: as deep as the deepest metric looks."""

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


def measure(rankings: Sequence[Sequence[str]], judgements: Sequence[Grades]) -> dict[str, Values]:
    """The metrics of each query, by the keys of ``LABELS``.

    ``rankings`` has the skus found for each query, best first and distinct; ``judgements`` has what is known of the
    same queries. A sku without a grade is not relevant.

    nDCG weighs a grade linearly, as trec_eval does (Järvelin and Kekäläinen 2002, discount log2(rank + 1)). MRR is the
    mean of the reciprocal rank (0 where nothing relevant was found). ``capped-p@10`` is the precision among the first
    ``min(10, n_relevant)``, so that a query with three relevant rows can reach 1. Raises ValueError where the two
    differ in length or a query has nothing relevant.
    """
    if len(rankings) != len(judgements):
        raise ValueError(f"{len(rankings)} rankings came with the judgements of {len(judgements)} queries")
    values = {key: np.zeros(len(rankings)) for key in LABELS}
    for start in range(0, len(rankings), BATCH_QUERIES):
        stop = start + BATCH_QUERIES
        for key, at, value in _measured(rankings[start:stop], judgements[start:stop]):
            values[key][start + at] = value
    return values


def n_relevant(grades: Grades) -> int:
    """How many skus are relevant."""
    return sum(grade >= 1 for grade in grades.values())


def _measured(rankings: Sequence[Sequence[str]], judgements: Sequence[Grades]) -> Iterator[tuple[str, int, float]]:
    # trec_eval sorts by score and breaks ties by name, so each rank gets a score of its own.
    run = {str(at): {sku: -float(rank) for rank, sku in enumerate(skus)} for at, skus in enumerate(rankings)}
    judged = {str(at): dict(grades) for at, grades in enumerate(judgements)}
    yield from _evaluated(MEASURES, judged, run)
    by_cap: dict[int, list[str]] = defaultdict(list)
    for at, grades in judged.items():
        by_cap[min(10, n_relevant(grades))].append(at)
    if 0 in by_cap:
        raise ValueError(f"{len(by_cap[0])} queries have nothing relevant")
    for cap, queries in by_cap.items():
        yield from _evaluated({CAPPED: P @ cap}, {at: judged[at] for at in queries}, {at: run[at] for at in queries})


def _evaluated(
    measures: Mapping[str, Measure], judged: dict[str, dict[str, int]], run: dict[str, dict[str, float]]
) -> Iterator[tuple[str, int, float]]:
    keys = {measure: key for key, measure in measures.items()}
    for metric in ir_measures.pytrec_eval.evaluator(list(keys), judged).iter_calc(run):
        yield keys[metric.measure], int(metric.query_id), float(metric.value)
