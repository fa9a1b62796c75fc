"""Fitting a confidence calibration to samples of queries whose answers are known, and measuring it on held-out ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterator, Sequence
from dataclasses import replace
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from vitrina.evaluation.metrics import FIRST_HITS, reliability
from vitrina.evaluation.samples import SIGNALS, Array, CalibrationSample, split_half
from vitrina.search.encoders.base import Encoder
from vitrina.search.retrieval.retriever import NO_MATCH_DEPTH
from vitrina.search.types.calibration import (
    AGAINST,
    PAGE_AGAINST,
    Calibration,
    CalibrationFeatures,
    CalibrationQuality,
    Cohort,
    Curve,
    Effect,
    MatchCurve,
    PageSignal,
    QueryKind,
    Signal,
)
from vitrina.search.types.logistic import expit

MIN_QUERIES = 20
"""The fewest queries of a kind to fit a curve to: half of them fit it, half measure it."""

RIDGE = 1e-6
"""L2 penalty of every weight, against a mean log loss; it only keeps weights that no hit determines from growing."""

N_SEGMENTS = 4
"""How many pieces a page signal's effect has, each of which holds as many queries as any other; fewer where there are
less than ``LEAST_PER_SEGMENT`` of them."""

LEAST_PER_SEGMENT = 100

SEGMENT_RIDGE = 1e-3
"""L2 penalty of the slope of each piece, for a signal of standard deviation 1."""

PASS_SHARES = (0.98, 0.99)
"""The shares of answerable queries that are told to have a good match: the second if nothing calls for a higher one,
never less than the first however many off-catalog queries that would catch."""

CAUGHT_SHARE = 0.95
"""The share of off-catalog queries that the threshold should catch."""


PAGE_SIGNALS = tuple(PageSignal)

PRODUCT_NAMES_FILE = "product_names.txt"


def product_names() -> list[str]:
    """Names of products that any shop may sell, which ``recipes.product_names`` drew from a taxonomy."""
    text = (files(__package__) / PRODUCT_NAMES_FILE).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if not line.startswith("#")]


def new_cohort(encoder: Encoder) -> Cohort:
    """What an encoder makes of ``product_names``. Blocks for a second."""
    return Cohort.of(encoder.encode_texts(product_names()))


def fit_calibration(
    samples: Sequence[CalibrationSample],
    source: str = "",
    beside_words: Container[Signal] = SIGNALS,
    cohort: Cohort | None = None,
) -> Calibration:
    """Fit a curve to each kind of query that has enough samples, apart for catalogs of images alone. ``source`` says
    what they are, and ``cohort`` is the one that they were sampled with; of signals for a text only those
    ``beside_words`` are used where the catalog has words.

    The quality stored with a curve is measured on one half of the queries, with a fit to the other half.
    """
    by_kind: dict[tuple[bool, QueryKind], list[CalibrationSample]] = defaultdict(list)
    for sample in samples:
        if sample.kind is QueryKind.TEXT and not sample.images_alone:
            sample = replace(sample, signals=sample.signals * [signal in beside_words for signal in SIGNALS])
        by_kind[sample.images_alone, sample.kind].append(sample)
    of_words, of_images = (
        {kind: fit_measured_curve(found) for kind in QueryKind if is_enough(found := by_kind[images_alone, kind])}
        for images_alone in (False, True)
    )
    return Calibration(of_words, source, of_images, cohort)


def is_enough(samples: Sequence[CalibrationSample]) -> bool:
    return len({each.key for each in samples}) >= MIN_QUERIES and any(each.relevant.any() for each in samples)


def fit_measured_curve(samples: Sequence[CalibrationSample]) -> Curve:
    """A curve fitted to all samples of one kind, with the quality of one fitted to half of them on the other half."""
    fitted, others = split_half(samples)
    return replace(fit_curve(samples), measured=measure_curve(fit_curve(fitted), others))


def fit_curve(samples: Sequence[CalibrationSample]) -> Curve:
    """The maximum-likelihood logistic curve over the signals; no signal that supports a hit may count against it.

    Fitted to Platt's targets, which stop short of 0 and 1 (Platt 1999, section 2.2), by L-BFGS-B. Isotonic regression
    on top of it measured no better on the embedded encoder; see docs/decisions.
    """
    signals = np.concatenate([each.signals for each in samples])  # (hits, signals)
    relevant = np.concatenate([each.relevant for each in samples])  # (hits,)
    used = [at for at in range(len(SIGNALS)) if np.ptp(signals[:, at]) > 0]
    intercept, *weights = fit_logistic(signals[:, used], targets(relevant), [SIGNALS[at] in AGAINST for at in used])
    nonzero = {SIGNALS[at]: weight for at, weight in zip(used, weights, strict=True) if weight}
    curve = Curve(intercept, nonzero, no_match_confidence=0.0)
    known, unknown = (best_confidences(curve, samples, answerable=which) for which in (True, False))
    return replace(curve, no_match_confidence=threshold(known, unknown), match=fit_match(curve, samples))


def fit_match(curve: Curve, samples: Sequence[CalibrationSample]) -> MatchCurve | None:
    """The curve that tells queries with an answer from those without, each half of the weight; None if there are too
    few of either."""
    pages = [(surest_logit(curve, each), each) for each in samples if len(each.relevant)]
    answerable = np.array([each.answerable for _, each in pages], np.bool_)
    n_with, n_without = np.count_nonzero(answerable), np.count_nonzero(~answerable)
    if min(n_with, n_without) < MIN_QUERIES:
        return None
    signals = np.array([[logit, *(each.page.get(name, 0.0) for name in PAGE_SIGNALS)] for logit, each in pages])
    n_segments = int(np.clip(len(pages) // LEAST_PER_SEGMENT, 1, N_SEGMENTS))
    corners = [corners_of(signal, n_segments) for signal in signals.T]
    columns = [segments(signal, at) for signal, at in zip(signals.T, corners, strict=True)]
    is_free = [False, *(name in PAGE_AGAINST for name in PAGE_SIGNALS)]
    of_segments = np.repeat(is_free, [len(at) - 1 for at in corners]).tolist()
    shares = np.where(answerable, 1 / n_with, 1 / n_without)
    fitted = fit_logistic(np.hstack(columns), answerable.astype(np.float64), of_segments, shares, SEGMENT_RIDGE)
    intercept, weights = fitted[0], iter(fitted[1:])
    surest, *effects = (effect(signal, at, weights) for signal, at in zip(signals.T, corners, strict=True))
    match = MatchCurve(intercept, surest, dict(zip(PAGE_SIGNALS, effects, strict=True)))
    margins = np.array([match.margin(logit, each.page) for logit, each in pages])
    return replace(match, intercept=round(intercept - threshold(margins[answerable], margins[~answerable]), 4))


def corners_of(signal: Array, n_segments: int) -> Array:
    """The values, rising, between which an effect is straight: quantiles, or all values of a signal that has few."""
    values = np.unique(signal)
    if len(values) > n_segments + 1:
        values = np.quantile(signal, np.linspace(0, 1, n_segments + 1))
    return np.unique(np.round(values, 3))


def segments(signal: Array, corners: Array) -> Array:
    """How far each value, shape (n,), has gone through each of the pieces between m corners, in standard deviations of
    the signal, shape (n, m - 1): a weighted sum of these is piecewise linear."""
    lows, highs = corners[:-1], corners[1:]
    return np.asarray((np.clip(signal[:, None], lows, highs) - lows) / (signal.std() or 1.0), np.float64)


def effect(signal: Array, corners: Array, weights: Iterator[float]) -> Effect:
    """The piecewise linear function that the next of the weights of ``segments`` make of a signal."""
    rises = [next(weights) * width for width in np.diff(corners) / (signal.std() or 1.0)]
    added = np.round(np.cumsum([0.0, *rises]), 4)
    return tuple(zip(corners.tolist(), added.tolist(), strict=True))


def fit_logistic(
    columns: Array, wanted: Array, is_free: Sequence[bool], shares: Array | None = None, ridge: float = RIDGE
) -> list[float]:
    """The intercept and the weights of m columns, shape (n, m), that make a logistic curve come closest to ``wanted``,
    shape (n,). A weight that is not free is 0 or more; ``shares``, shape (n,), say how much each row counts."""
    from scipy.optimize import minimize  # with ir-measures

    solution = minimize(
        log_loss,
        np.zeros(columns.shape[1] + 1),
        (np.column_stack([np.ones(len(columns)), columns]), wanted, shares, ridge),
        method="L-BFGS-B",
        jac=True,
        bounds=[(None, None), *((None if free else 0.0, None) for free in is_free)],
        options={"maxiter": 2000, "ftol": 1e-12, "gtol": 1e-7},
    )
    return [round(float(weight), 4) for weight in solution.x]


def targets(relevant: NDArray[np.bool_]) -> Array:
    n_relevant, n_other = np.count_nonzero(relevant), np.count_nonzero(~relevant)
    return np.where(relevant, (n_relevant + 1) / (n_relevant + 2), 1 / (n_other + 2))


def log_loss(
    weights: Array, columns: Array, targets: Array, shares: Array | None = None, ridge: float = RIDGE
) -> tuple[float, Array]:
    """The mean log loss of a logistic curve with its penalty, and its gradient."""
    logits = columns @ weights
    penalty = ridge * np.append(0.0, weights[1:])
    of_rows = np.full(len(targets), 1 / len(targets)) if shares is None else shares / shares.sum()
    loss = float(of_rows @ (np.logaddexp(0, logits) - targets * logits)) + float(penalty @ weights) / 2
    return loss, columns.T @ (of_rows * (expit(logits) - targets)) + penalty


def threshold(answerable: Array, off_catalog: Array) -> float:
    """What the scores of queries with an answer reach, and those of queries without do not; 0 without the first."""
    if not len(answerable):
        return 0.0
    highest, lowest = np.quantile(answerable, [1 - share for share in PASS_SHARES])
    caught = np.quantile(off_catalog, CAUGHT_SHARE) if len(off_catalog) else lowest
    return round(float(np.clip(caught, lowest, highest)), 4)


def best_confidences(curve: Curve, samples: Sequence[CalibrationSample], *, answerable: bool) -> Array:
    """The highest confidence on the first page of each query that the catalog can, or cannot, answer."""
    logits = [surest_logit(curve, each) for each in samples if each.answerable is answerable and len(each.relevant)]
    return np.asarray(expit(logits), np.float64)


def first_page(sample: CalibrationSample) -> CalibrationFeatures:
    """The features of the hits that tell whether a query has a good match."""
    return dict(zip(SIGNALS, sample.signals[:NO_MATCH_DEPTH].T, strict=True))


def surest_logit(curve: Curve, sample: CalibrationSample) -> float:
    return float(curve.logits(first_page(sample)).max())


def confidences(curve: Curve, sample: CalibrationSample) -> Array:
    """The confidence of each hit, shape (n,)."""
    return curve.confidence(dict(zip(SIGNALS, sample.signals.T, strict=True)))


def measure_curve(curve: Curve, samples: Sequence[CalibrationSample]) -> CalibrationQuality | None:
    """A curve's quality on some queries; None if none of them is answerable and found something.

    Confidences are judged on the first page of the answerable queries: deeper hits, and those of off-catalog queries,
    are nearly all rightly near 0, and would flatter the mean.
    """
    pages = [(confidences(curve, each)[:FIRST_HITS], each.relevant[:FIRST_HITS]) for each in samples if each.answerable]
    judged = reliability(
        [confidence for page, _ in pages for confidence in page.tolist()],
        [right for _, relevant in pages for right in relevant.tolist()],
    )
    if judged is None:
        return None
    found = [
        (each.answerable, curve.has_good_match(first_page(each), each.page)) for each in samples if len(each.relevant)
    ]
    return CalibrationQuality(
        n_queries=len({each.key for each in samples}),
        n_hits=judged.n_hits,
        calibration_error=round(judged.calibration_error, 4),
        brier=round(judged.brier, 4),
        answerable_passed=share([matched for answerable, matched in found if answerable]),
        off_catalog_caught=share([not matched for answerable, matched in found if not answerable]),
    )


def share(which: Sequence[bool]) -> float | None:
    return round(float(np.mean(which)), 4) if len(which) else None
