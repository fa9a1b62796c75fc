"""Fitting a confidence calibration to samples of queries whose answers are known, and measuring it on held-out ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from vitrina.evaluation.metrics import FIRST_HITS, reliability
from vitrina.evaluation.samples import SIGNALS, Array, CalibrationSample, split_half
from vitrina.search.retrieval.retriever import NO_MATCH_DEPTH
from vitrina.search.types.calibration import AGAINST, Calibration, CalibrationQuality, Curve, QueryKind, Signal

MIN_QUERIES = 20
"""The fewest queries of a kind to fit a curve to: half of them fit it, half measure it."""

RIDGE = 1e-6
"""L2 penalty of every weight, against a mean log loss; it only keeps weights that no hit determines from growing."""

PASS_SHARES = (0.97, 0.99)
"""The shares of answerable queries that pass the no-match threshold: the second if nothing calls for a higher one,
never less than the first however many off-catalog queries that would catch."""

CAUGHT_SHARE = 0.95
"""The share of off-catalog queries that the threshold should catch."""


def fit_calibration(
    samples: Sequence[CalibrationSample], source: str = "", beside_words: Container[Signal] = SIGNALS
) -> Calibration:
    """Fit a curve to each kind of query that has enough samples, apart for catalogs of images alone. ``source`` says
    what they are; of signals for a text only those ``beside_words`` are used where the catalog has words.

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
    return Calibration(of_words, source, of_images)


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
    nonzero = {SIGNALS[at]: weight for at, weight in zip(used, weights, strict=True) if weight}
    curve = Curve(intercept, nonzero, no_match_confidence=0.0)
    return replace(curve, no_match_confidence=no_match_confidence(curve, samples))


def targets(relevant: NDArray[np.bool_]) -> Array:
    n_relevant, n_other = np.count_nonzero(relevant), np.count_nonzero(~relevant)
    return np.where(relevant, (n_relevant + 1) / (n_relevant + 2), 1 / (n_other + 2))


def log_loss(weights: Array, columns: Array, targets: Array) -> tuple[float, Array]:
    """The mean log loss of a logistic curve, and its gradient."""
    logits = columns @ weights
    penalty = RIDGE * np.append(0.0, weights[1:])
    loss = float(np.mean(np.logaddexp(0, logits) - targets * logits)) + float(penalty @ weights) / 2
    return loss, columns.T @ (expit(logits) - targets) / len(targets) + penalty


def no_match_confidence(curve: Curve, samples: Sequence[CalibrationSample]) -> float:
    """The threshold that the best hits of answerable queries reach, and those of off-catalog queries do not."""
    answerable, off_catalog = (best_confidences(curve, samples, answerable=which) for which in (True, False))
    if not len(answerable):
        return 0.0
    highest, lowest = np.quantile(answerable, [1 - share for share in PASS_SHARES])
    caught = np.quantile(off_catalog, CAUGHT_SHARE) if len(off_catalog) else lowest
    return round(float(np.clip(caught, lowest, highest)), 4)


def best_confidences(curve: Curve, samples: Sequence[CalibrationSample], *, answerable: bool) -> Array:
    """The highest confidence on the first page of each query that the catalog can, or cannot, answer."""
    return np.array(
        [
            confidences(curve, each)[:NO_MATCH_DEPTH].max()
            for each in samples
            if each.answerable is answerable and len(each.relevant)
        ]
    )


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
    answerable, off_catalog = (best_confidences(curve, samples, answerable=which) for which in (True, False))
    return CalibrationQuality(
        n_queries=len({each.key for each in samples}),
        n_hits=judged.n_hits,
        calibration_error=round(judged.calibration_error, 4),
        brier=round(judged.brier, 4),
        answerable_passed=share(answerable >= curve.no_match_confidence),
        off_catalog_caught=share(off_catalog < curve.no_match_confidence),
    )


def share(which: NDArray[np.bool_]) -> float | None:
    return round(float(np.mean(which)), 4) if len(which) else None
