"""A run: judged queries, what they found, and its metrics; stored as JSON to compare later runs with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import TypeAdapter, ValidationError

from vitrina.evaluation.judged_search import QueryResult, RerankingSummary
from vitrina.evaluation.judgements import JudgedQuery
from vitrina.evaluation.metrics import (
    DEPTH,
    FIRST_HITS,
    LABELS,
    Interval,
    Reliability,
    intervals,
    measure,
    n_relevant,
    reliability,
)
from vitrina.search.types.errors import SourceError

MAX_MISSED = 10
ALL = "all"
"""The kind of a summary over the queries of every kind."""


@dataclass(frozen=True, slots=True)
class ScoredQuery:
    """One query's ranking, best first, and its metrics by key.

    ``relevance`` and ``confidences`` run along ``ranking``: each hit's grade (0 if it was not judged) and its
    confidence. ``missed`` has the best relevant skus that are not among the first ten.
    """

    id: str
    kind: str
    text: str
    image: str
    sku: str
    n_relevant: int
    metrics: Mapping[str, float]
    ranking: tuple[str, ...]
    relevance: tuple[int, ...]
    confidences: tuple[float | None, ...]
    missed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """Each metric's mean over the queries of one kind, by key."""

    kind: str
    n_queries: int
    metrics: Mapping[str, Interval]


@dataclass(frozen=True, slots=True)
class Run:
    """Everything measured in one evaluation. ``reliability`` is None if hits carry no confidence, ``reranking`` if the
    rankings are the retrieval's own."""

    format: Literal[1]
    measured_at: datetime
    encoder: str
    n_items: int
    depth: int
    seed: int
    notes: tuple[str, ...]
    summaries: tuple[Summary, ...]
    reliability: Reliability | None
    results: tuple[ScoredQuery, ...]
    reranking: RerankingSummary | None = None

    def summary(self, kind: str) -> Summary:
        """The summary of one kind. Raises KeyError."""
        return {each.kind: each for each in self.summaries}[kind]


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What was measured: the encoder, the catalog's size, the bootstrap's seed, what was left out, and how the hits
    were reranked, if they were."""

    encoder: str
    n_items: int
    seed: int = 0
    notes: tuple[str, ...] = ()
    reranking: RerankingSummary | None = None


def make_run(info: RunInfo, queries: Sequence[JudgedQuery], found: Sequence[QueryResult]) -> Run:
    """Measure what one or more queries found; ``found`` has a result for each query."""
    values = measure([each.skus for each in found], [query.grades for query in queries])
    results = tuple(
        score_query(query, each, {key: float(values[key][at]) for key in LABELS})
        for at, (query, each) in enumerate(zip(queries, found, strict=True))
    )
    return Run(
        format=1,
        measured_at=datetime.now(UTC).replace(microsecond=0),
        encoder=info.encoder,
        n_items=info.n_items,
        depth=DEPTH,
        seed=info.seed,
        notes=info.notes,
        summaries=tuple(summaries(results, info.seed)),
        reliability=reliability_of(results),
        results=results,
        reranking=info.reranking,
    )


def score_query(query: JudgedQuery, found: QueryResult, metrics: Mapping[str, float]) -> ScoredQuery:
    grades = query.grades
    first = set(found.skus[:FIRST_HITS])
    best = sorted((sku for sku, grade in grades.items() if grade and sku not in first), key=lambda sku: -grades[sku])
    return ScoredQuery(
        id=query.id,
        kind=query.kind,
        text=query.text,
        image="" if query.image is None else str(query.image),
        sku=query.sku,
        n_relevant=n_relevant(grades),
        metrics=metrics,
        ranking=found.skus,
        relevance=tuple(grades.get(sku, 0) for sku in found.skus),
        confidences=found.confidences,
        missed=tuple(best[:MAX_MISSED]),
    )


def summaries(results: Sequence[ScoredQuery], seed: int) -> Iterator[Summary]:
    """A summary of each kind, in the order of the results; before them one of all, where there are several kinds."""
    kinds = dict.fromkeys(result.kind for result in results)
    if len(kinds) > 1:
        yield summary_of(ALL, results, seed)
    for kind in kinds:
        yield summary_of(kind, [result for result in results if result.kind == kind], seed)


def summary_of(kind: str, results: Sequence[ScoredQuery], seed: int) -> Summary:
    values = np.array([[result.metrics[key] for key in LABELS] for result in results])  # (n_queries, n_metrics)
    return Summary(kind, len(results), dict(zip(LABELS, intervals(values, seed=seed), strict=True)))


def reliability_of(results: Sequence[ScoredQuery]) -> Reliability | None:
    judged = [
        (confidence, grade > 0)
        for result in results
        for confidence, grade in zip(result.confidences[:FIRST_HITS], result.relevance[:FIRST_HITS], strict=True)
        if confidence is not None
    ]
    return reliability([confidence for confidence, _ in judged], [relevant for _, relevant in judged])


FILE = TypeAdapter(Run)


def write_run(run: Run, path: Path) -> None:
    """Write a run as JSON. Raises OSError."""
    path.write_bytes(FILE.dump_json(run, indent=None) + b"\n")


def read_run(path: Path) -> Run:
    """Read a run that ``write_run`` wrote. Raises SourceError."""
    try:
        return FILE.validate_json(path.read_bytes())
    except OSError as error:
        raise SourceError(f"The run {path} cannot be read: {error.strerror}.", remedy="Check its path.") from error
    except ValidationError as error:
        raise SourceError(
            f"{path} is not a run of vitrina eval.", remedy="Write a run first: vitrina eval ... --json run.json"
        ) from error
