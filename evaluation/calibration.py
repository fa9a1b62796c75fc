"""Fitting a calibration to queries whose answers are known, and measuring it on queries kept from the fit."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from vitrina.evaluation.judged_search import read_image
from vitrina.evaluation.judgements import JudgedQuery
from vitrina.evaluation.metrics import FIRST_HITS, reliability
from vitrina.search.retrieval.engine import NO_MATCH_DEPTH, SearchEngine
from vitrina.search.types.calibration import AGAINST, Calibration, CalibrationQuality, Curve, QueryKind, Signal
from vitrina.search.types.query import Query

SAMPLE_DEPTH = 30
"""Hits observed of each query: three pages, where relevant and irrelevant ones still mix."""

SIGNALS = tuple(Signal)


@dataclass(frozen=True, slots=True)
class Example:
    """A query and the skus that are right for it: none for what the catalog does not hold."""

    query: Query
    relevant: frozenset[str]


@dataclass(frozen=True, slots=True)
class CalibrationSample:
    """One query's best hits, at most ``SAMPLE_DEPTH``, in order.

    ``key`` is the same for the same query on any catalog. ``signals`` has shape (n, signals), in the order of
    ``SIGNALS``; ``relevant`` has shape (n,). ``answerable``: whether anything in the catalog is right for it.
    """

    key: str
    kind: QueryKind
    answerable: bool
    signals: NDArray[np.float64]
    relevant: NDArray[np.bool_]


def usable(queries: Iterable[JudgedQuery], catalog_skus: Container[str]) -> list[JudgedQuery]:
    """The judged queries that an observation can be made of.

    One that was judged to have no relevant item asks for what the catalog does not hold, and is kept. One whose
    relevant items have all left the catalog says nothing.
    """
    return [judged for judged in queries if not (wanted := relevant(judged)) or any(s in catalog_skus for s in wanted)]


def relevant(judged: JudgedQuery) -> frozenset[str]:
    """The skus that are right for a query, itself left out."""
    return frozenset(sku for sku, grade in judged.grades.items() if grade >= 1)


def example_of(judged: JudgedQuery) -> Example:
    """A judged query with its picture read. Raises ImageError."""
    images = () if judged.image is None else (read_image(judged.image),)
    skus = (judged.sku,) if judged.sku else ()
    return Example(Query(text=judged.text, images=images, skus=skus), relevant(judged))


def calibration_samples(engine: SearchEngine, examples: Iterable[Example]) -> Iterator[CalibrationSample]:
    """Ask each example's query. An item that a query resembles never counts as found. Blocks.

    Raises what ``SearchEngine.search`` raises.
    """
    for example in examples:
        themselves = [engine.catalog.item(sku).id for sku in example.query.skus]
        ranked = engine.ranked(example.query, excluded=themselves)
        best = ranked.order[:SAMPLE_DEPTH]
        stored = engine.catalog.items(ranked.item_ids[best].tolist())
        skus = [stored[item_id].item.sku for item_id in ranked.item_ids[best].tolist()]
        yield CalibrationSample(
            key=key_of(example.query),
            kind=ranked.kind,
            answerable=bool(example.relevant),
            signals=np.stack([ranked.evidence[signal][best] for signal in SIGNALS], axis=1),
            relevant=np.array([sku in example.relevant for sku in skus], dtype=np.bool_),
        )


class Keyed(Protocol):
    """What is known of one query, under the query's key."""

    @property
    def key(self) -> str:
        """A SHA-256 (hex)."""


KnownT = TypeVar("KnownT", bound=Keyed)


def split_half(known: Iterable[KnownT]) -> tuple[list[KnownT], list[KnownT]]:
    """Two halves by the query, to fit to one and to measure on the other; the same queries on every run."""
    parts: tuple[list[KnownT], list[KnownT]] = ([], [])
    for each in known:
        parts[int(each.key[:8], 16) % 2].append(each)
    return parts


def key_of(query: Query) -> str:
    """A SHA-256 (hex) of what a query asks for."""
    digest = hashlib.sha256(repr((query.text.casefold(), query.skus)).encode("utf-8", "backslashreplace"))
    for image in query.images:
        digest.update(image.tobytes())
    return digest.hexdigest()


Array = NDArray[np.float64]

MIN_QUERIES = 20
"""Queries of a kind without which it gets no curve: half of them must find something, half must measure."""

RIDGE = 1e-6
"""The pull of every weight towards 0, against a mean log loss; only keeps what no hit tells apart from growing."""

PASS_SHARES = (0.9, 0.98)
"""The shares of answerable queries that the no-match threshold lets pass: the second where nothing speaks for a higher
threshold, never fewer than the first however many off-catalog queries it would catch."""

CAUGHT_SHARE = 0.95
"""The share of off-catalog queries that the threshold should catch."""


def fit_calibration(observations: Sequence[CalibrationSample], source: str = "") -> Calibration:
    """Fit a curve to each kind of query that has enough of them. ``source`` says what they are.

    What is stored as measured comes from a fit to one half of the queries and a look at the other.
    """
    kinds: dict[QueryKind, list[CalibrationSample]] = defaultdict(list)
    for observation in observations:
        kinds[observation.kind].append(observation)
    curves = {kind: fit_measured_curve(kinds[kind]) for kind in QueryKind if is_enough(kinds[kind])}
    return Calibration(curves, source)


def is_enough(observations: Sequence[CalibrationSample]) -> bool:
    return len({each.key for each in observations}) >= MIN_QUERIES and any(each.relevant.any() for each in observations)


def fit_measured_curve(observations: Sequence[CalibrationSample]) -> Curve:
    """A curve fitted to all observations of one kind, with what its like, fitted to half of them, was measured at."""
    fitted, others = split_half(observations)
    return replace(fit_curve(observations), measured=measure_curve(fit_curve(fitted), others))


def fit_curve(observations: Sequence[CalibrationSample]) -> Curve:
    """The likeliest logistic curve over the signals, of which none that supports a hit may count against it.

    Fitted to Platt's targets, which stop short of 0 and 1 (Platt 1999, section 2.2), by L-BFGS-B. Isotonic regression
    on top of it measured no better on the embedded encoder; see docs/decisions.
    """
    signals = np.concatenate([each.signals for each in observations])  # (hits, signals)
    relevant = np.concatenate([each.relevant for each in observations])  # (hits,)
    used = [at for at in range(len(SIGNALS)) if np.ptp(signals[:, at]) > 0]
    columns = np.column_stack([np.ones(len(signals)), signals[:, used]])
    solution = minimize(
        log_loss,
        np.zeros(columns.shape[1]),
        (columns, targets(relevant)),
        method="L-BFGS-B",
        jac=True,
        bounds=[(None, None), *((None if SIGNALS[at] in AGAINST else 0.0, None) for at in used)],
        options={"maxiter": 2000, "ftol": 1e-12, "gtol": 1e-7},
    )
    intercept, *weights = (round(float(weight), 4) for weight in solution.x)
    found = {SIGNALS[at]: weight for at, weight in zip(used, weights, strict=True) if weight}
    curve = Curve(intercept, found, no_match_confidence=0.0)
    return replace(curve, no_match_confidence=no_match_confidence(curve, observations))


def targets(relevant: NDArray[np.bool_]) -> Array:
    n_relevant, n_other = np.count_nonzero(relevant), np.count_nonzero(~relevant)
    return np.where(relevant, (n_relevant + 1) / (n_relevant + 2), 1 / (n_other + 2))


def log_loss(weights: Array, columns: Array, targets: Array) -> tuple[float, Array]:
    """The mean log loss of a logistic curve, and its gradient."""
    logits = columns @ weights
    pull = RIDGE * np.append(0.0, weights[1:])
    loss = float(np.mean(np.logaddexp(0, logits) - targets * logits)) + float(pull @ weights) / 2
    return loss, columns.T @ (1 / (1 + np.exp(-logits)) - targets) / len(targets) + pull


def no_match_confidence(curve: Curve, observations: Sequence[CalibrationSample]) -> float:
    """The threshold that the best hits of answerable queries reach, and those of off-catalog queries do not."""
    answerable, off_catalog = (best_confidences(curve, observations, answerable=which) for which in (True, False))
    if not len(answerable):
        return 0.0
    highest, lowest = np.quantile(answerable, [1 - share for share in PASS_SHARES])
    wanted = np.quantile(off_catalog, CAUGHT_SHARE) if len(off_catalog) else lowest
    return round(float(np.clip(wanted, lowest, highest)), 4)


def best_confidences(curve: Curve, observations: Sequence[CalibrationSample], *, answerable: bool) -> Array:
    """The highest confidence on the first page of each query that the catalog can, or cannot, answer."""
    return np.array(
        [
            confidences(curve, each)[:NO_MATCH_DEPTH].max()
            for each in observations
            if each.answerable is answerable and len(each.relevant)
        ]
    )


def confidences(curve: Curve, observation: CalibrationSample) -> Array:
    """The confidence of each hit, shape (n,)."""
    return curve.confidence(dict(zip(SIGNALS, observation.signals.T, strict=True)))


def measure_curve(curve: Curve, observations: Sequence[CalibrationSample]) -> CalibrationQuality | None:
    """How a curve does on some queries; None where none of them is answerable and found something.

    Confidences are judged on the first page of the answerable queries: deeper hits, and those of off-catalog queries,
    are nearly all near 0 and right to be, and would flatter the mean.
    """
    pages = [
        (confidences(curve, each)[:FIRST_HITS], each.relevant[:FIRST_HITS]) for each in observations if each.answerable
    ]
    judged = reliability(
        [confidence for given, _ in pages for confidence in given.tolist()],
        [right for _, relevant in pages for right in relevant.tolist()],
    )
    if judged is None:
        return None
    answerable, off_catalog = (best_confidences(curve, observations, answerable=which) for which in (True, False))
    return CalibrationQuality(
        n_queries=len({each.key for each in observations}),
        n_hits=judged.n_hits,
        calibration_error=round(judged.calibration_error, 4),
        brier=round(judged.brier, 4),
        answerable_passed=share(answerable >= curve.no_match_confidence),
        off_catalog_caught=share(off_catalog < curve.no_match_confidence),
    )


def share(which: NDArray[np.bool_]) -> float | None:
    return round(float(np.mean(which)), 4) if len(which) else None
