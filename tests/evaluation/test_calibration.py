"""Calibrations fitted to samples whose true probabilities are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vitrina.evaluation.calibration import (
    MIN_QUERIES,
    confidences,
    fit_calibration,
    fit_curve,
    log_loss,
    measure_curve,
    product_names,
)
from vitrina.evaluation.samples import SIGNALS, CalibrationSample
from vitrina.search.types.calibration import PageSignal, QueryKind, Signal

COSINE, WORDS, NO_IMAGE = (SIGNALS.index(each) for each in (Signal.TEXT_TO_IMAGE, Signal.ALL_WORDS, Signal.NO_IMAGE))


def truth(
    cosine: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """The probability of relevance in the world of these tests."""
    return np.asarray(1 / (1 + np.exp(-(20 * cosine - 8))))


def samples(
    n: int, *, best: float = 0.8, answerable: bool = True, kind: QueryKind = QueryKind.TEXT
) -> list[CalibrationSample]:
    """Queries with 30 hits each, their cosines up to ``best``, falling with the rank."""
    rng = np.random.default_rng([n, int(best * 100)])
    made = []
    for number in range(n):
        signals = np.zeros((30, len(SIGNALS)))
        signals[:, COSINE] = np.sort(rng.uniform(0, best, 30))[::-1]
        relevant = rng.random(30) < truth(signals[:, COSINE]) if answerable else np.zeros(30, np.bool_)
        key = f"{rng.integers(2**32):08x}{number}"
        made.append(CalibrationSample(key, kind, answerable, signals, relevant))
    return made


def test_the_fit_finds_the_probabilities() -> None:
    curve = fit_curve(samples(400))
    assert curve.intercept == pytest.approx(-8, abs=0.8)
    assert curve.weights == {Signal.TEXT_TO_IMAGE: pytest.approx(20, abs=1.5)}
    for each in samples(5, best=0.7):
        np.testing.assert_allclose(confidences(curve, each), truth(each.signals[:, COSINE]), atol=0.06)


def test_what_is_measured_is_measured_on_other_queries() -> None:
    calibration = fit_calibration(samples(200), source="made up")
    curve = calibration.curves[QueryKind.TEXT]
    assert calibration.source == "made up"
    assert curve.measured is not None
    assert 60 < curve.measured.n_queries < 140
    assert curve.measured.n_hits == 10 * curve.measured.n_queries
    assert curve.measured.calibration_error < 0.04
    assert curve.measured.brier < 0.1


def test_the_measured_error_is_large_where_the_other_half_is_another_world() -> None:
    turned = [
        CalibrationSample(
            each.key, each.kind, True, each.signals, ~each.relevant if int(each.key[:8], 16) % 2 else each.relevant
        )
        for each in samples(200)
    ]
    measured = fit_calibration(turned).curves[QueryKind.TEXT].measured
    assert measured is not None
    assert measured.calibration_error > 0.3


def test_a_signal_of_support_never_counts_against_a_hit_and_a_lack_may() -> None:
    """Words that mislead here, and items without images that are worse."""
    rng = np.random.default_rng(0)
    made = []
    for each in samples(100):
        each.signals[:, WORDS] = ~each.relevant & (rng.random(30) < 0.5)
        each.signals[:, NO_IMAGE] = ~each.relevant & (rng.random(30) < 0.5)
        made.append(each)
    weights = fit_curve(made).weights
    assert Signal.ALL_WORDS not in weights
    assert weights[Signal.NO_IMAGE] < -1


def test_the_threshold_lets_the_answerable_pass_and_stops_the_rest() -> None:
    known = [each for each in samples(400) if each.relevant.any()]
    out_of_catalog = samples(100, best=0.2, answerable=False)
    curve = fit_curve([*known, *out_of_catalog])
    measured = measure_curve(curve, [*samples(300), *samples(90, best=0.2, answerable=False)])
    assert measured is not None
    assert measured.answerable_passed is not None
    assert measured.answerable_passed >= 0.9
    assert measured.off_catalog_caught is not None
    assert measured.off_catalog_caught >= 0.9


def test_off_catalog_queries_like_answerable_ones_refuse_no_more_than_three_in_a_hundred() -> None:
    alike = samples(300, answerable=False)
    curve = fit_curve([*samples(300), *alike])
    measured = measure_curve(curve, samples(500))
    assert measured is not None
    assert measured.answerable_passed is not None
    assert measured.answerable_passed >= 0.95


def plain_name(each: CalibrationSample) -> CalibrationSample:
    """The same for a query that is a product's plain name: a page as close as others, where a closer one is due."""
    return replace(each, key=f"{each.key} named", page={PageSignal.NAMES: 1.0})


def test_the_page_tells_where_the_surest_hit_does_not() -> None:
    known, unknown = samples(200), [plain_name(each) for each in samples(200, answerable=False)]
    measured = measure_curve(
        fit_curve([*known, *unknown]), [*samples(90), *map(plain_name, samples(60, answerable=False))]
    )
    assert measured is not None
    assert measured.answerable_passed is not None
    assert measured.answerable_passed >= 0.95
    assert measured.off_catalog_caught == 1.0


def test_a_page_signal_may_speak_against_an_answer_in_the_middle_alone() -> None:
    def known(n: int) -> list[CalibrationSample]:
        return [replace(each, page={PageSignal.NAMES: at % 2}) for at, each in enumerate(samples(n))]

    def unknown(n: int) -> list[CalibrationSample]:
        return [replace(each, page={PageSignal.NAMES: 0.5}) for each in samples(n, answerable=False)]

    measured = measure_curve(fit_curve([*known(200), *unknown(200)]), [*known(90), *unknown(60)])
    assert measured is not None
    assert measured.answerable_passed is not None
    assert measured.answerable_passed >= 0.95
    assert measured.off_catalog_caught == 1.0


def test_too_few_off_catalog_queries_leave_the_threshold_alone() -> None:
    few = samples(MIN_QUERIES - 1, best=0.2, answerable=False)
    assert fit_curve([*samples(100), *few]).match is None
    assert fit_curve([*samples(100), *samples(MIN_QUERIES, best=0.2, answerable=False)]).match is not None


def test_the_names_are_products_names() -> None:
    names = product_names()
    assert len(names) == len(set(names)) > 1000
    assert not [name for name in names if name.startswith("#") or not name.strip()]


def test_without_off_catalog_queries_the_threshold_passes_98_in_100() -> None:
    measured = measure_curve(fit_curve(samples(400)), samples(500))
    assert measured is not None
    assert measured.answerable_passed == pytest.approx(0.98, abs=0.02)
    assert measured.off_catalog_caught is None


def test_a_kind_with_few_queries_or_no_find_gets_no_curve() -> None:
    few = samples(MIN_QUERIES - 1, kind=QueryKind.IMAGE)
    blind = samples(60, answerable=False, kind=QueryKind.BOTH)
    assert set(fit_calibration([*samples(60), *few, *blind]).curves) == {QueryKind.TEXT}


def test_the_gradient_is_that_of_the_loss() -> None:
    rng = np.random.default_rng(3)
    columns, targets, weights = rng.normal(size=(50, 4)), rng.random(50), rng.normal(size=4)
    _, gradient = log_loss(weights, columns, targets)
    for at, step in enumerate(1e-6 * np.eye(4)):
        higher, lower = log_loss(weights + step, columns, targets)[0], log_loss(weights - step, columns, targets)[0]
        assert gradient[at] == pytest.approx((higher - lower) / 2e-6, abs=1e-6)
