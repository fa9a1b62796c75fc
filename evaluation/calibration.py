"""Fitting a calibration to queries whose answers are known, and measuring it on queries kept from the fit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from evaluation.observation import SIGNALS, Observation, halves
from evaluation.reliability import FIRST_HITS, reliability
from search.calibration import AGAINST, Calibration, Curve, Measured, QueryKind
from search.engine import NO_MATCH_DEPTH

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


def fit(observations: Sequence[Observation], source: str = "") -> Calibration:
    """Fit a curve to each kind of query that has enough of them. ``source`` says what they are.

    What is stored as measured comes from a fit to one half of the queries and a look at the other.
    """
    kinds: dict[QueryKind, list[Observation]] = defaultdict(list)
    for observation in observations:
        kinds[observation.kind].append(observation)
    curves = {kind: fit_measured(kinds[kind]) for kind in QueryKind if is_enough(kinds[kind])}
    return Calibration(curves, source)


def is_enough(observations: Sequence[Observation]) -> bool:
    return len({each.key for each in observations}) >= MIN_QUERIES and any(each.relevant.any() for each in observations)


def fit_measured(observations: Sequence[Observation]) -> Curve:
    """A curve fitted to all observations of one kind, with what its like, fitted to half of them, was measured at."""
    fitted, others = halves(observations)
    return replace(fit_curve(observations), measured=measure(fit_curve(fitted), others))


def fit_curve(observations: Sequence[Observation]) -> Curve:
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


def no_match_confidence(curve: Curve, observations: Sequence[Observation]) -> float:
    """The threshold that the best hits of answerable queries reach, and those of off-catalog queries do not."""
    answerable, off_catalog = (best_confidences(curve, observations, answerable=which) for which in (True, False))
    if not len(answerable):
        return 0.0
    highest, lowest = np.quantile(answerable, [1 - share for share in PASS_SHARES])
    wanted = np.quantile(off_catalog, CAUGHT_SHARE) if len(off_catalog) else lowest
    return round(float(np.clip(wanted, lowest, highest)), 4)


def best_confidences(curve: Curve, observations: Sequence[Observation], *, answerable: bool) -> Array:
    """The highest confidence on the first page of each query that the catalog can, or cannot, answer."""
    return np.array(
        [
            confidences(curve, each)[:NO_MATCH_DEPTH].max()
            for each in observations
            if each.answerable is answerable and len(each.relevant)
        ]
    )


def confidences(curve: Curve, observation: Observation) -> Array:
    """The confidence of each hit, shape (n,)."""
    return curve.confidence(dict(zip(SIGNALS, observation.signals.T, strict=True)))


def measure(curve: Curve, observations: Sequence[Observation]) -> Measured | None:
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
    return Measured(
        n_queries=len({each.key for each in observations}),
        n_hits=judged.n_hits,
        calibration_error=round(judged.calibration_error, 4),
        brier=round(judged.brier, 4),
        answerable_passed=share(answerable >= curve.no_match_confidence),
        off_catalog_caught=share(off_catalog < curve.no_match_confidence),
    )


def share(which: NDArray[np.bool_]) -> float | None:
    return round(float(np.mean(which)), 4) if len(which) else None
