"""Confidences from signals, and calibrations on disk."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import ArrayLike

from tests.fakes import CALIBRATION
from vitrina.search.types.calibration import (
    AGAINST,
    Calibration,
    CalibrationQuality,
    Cohort,
    Curve,
    MatchCurve,
    PageSignal,
    QueryKind,
    Signal,
    read_calibration,
    write_calibration,
)
from vitrina.search.types.errors import EncoderError, StorageError
from vitrina.search.types.models import Vectors


def signals(**given: float) -> dict[Signal, np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
    """One hit's evidence, 0 where nothing is given."""
    return {signal: np.array([given.get(signal.name, 0.0)]) for signal in Signal}


def test_a_curve_is_logistic_in_the_weighted_sum() -> None:
    curve = Curve(-3.0, {Signal.TEXT_TO_IMAGE: 4.0, Signal.NO_TEXT: -1.0}, no_match_confidence=0.2)
    assert curve.confidence(signals(TEXT_TO_IMAGE=0.5)) == pytest.approx([1 / (1 + np.exp(1))])
    assert curve.confidence(signals(TEXT_TO_IMAGE=0.5, NO_TEXT=1)) == pytest.approx([1 / (1 + np.exp(2))])
    assert curve.confidence(signals(IMAGE_TO_IMAGE=1)) == pytest.approx([1 / (1 + np.exp(3))])


def test_a_curve_without_weights_gives_everyone_the_same() -> None:
    assert Curve(0.0, {}, no_match_confidence=0.2).confidence(signals(NAME=1)) == pytest.approx([0.5])


def test_a_match_curve_takes_the_place_of_the_threshold() -> None:
    features, page = signals(NAME=1), {PageSignal.NAMES: 0.5}
    curve = Curve(0.0, {Signal.NAME: 1.0}, no_match_confidence=0.2)
    assert curve.has_good_match(features, page)
    doubting = replace(curve, match=MatchCurve(1.0, 1.0, {PageSignal.NAMES: -5.0}))
    assert not doubting.has_good_match(features, page)
    assert doubting.has_good_match(features, {PageSignal.NAMES: 0.3})


def test_what_a_signal_adds_is_piecewise_linear_and_level_beyond_its_corners() -> None:
    match = MatchCurve(0.0, 1.0, {PageSignal.NAMES: ((0.4, 0.0), (0.6, -2.0), (0.8, -2.5))})
    added = [match.margin(0.0, {PageSignal.NAMES: value}) for value in (0.1, 0.4, 0.5, 0.7, 0.8, 2.0)]
    assert added == pytest.approx([0.0, 0.0, -1.0, -2.25, -2.5, -2.5])


def unit(*rows: ArrayLike) -> Vectors:
    return np.array([np.asarray(row) / np.linalg.norm(row) for row in rows], np.float32)


def test_a_cohort_keeps_its_vectors_and_tells_who_is_close_to_the_same_names() -> None:
    rng = np.random.default_rng(0)
    names = unit(*rng.normal(size=(200, 16)))
    cohort = Cohort.of(names)
    np.testing.assert_allclose(cohort.vectors, names, atol=0.005)
    query, other = names[3], unit(rng.normal(size=16))[0]
    assert cohort.mean_closest(query) == pytest.approx(np.sort(names @ query)[-8:].mean(), abs=0.01)
    alike, unlike = cohort.shared(query, np.stack([unit(query + 0.3 * other)[0], -query]))
    assert cohort.shared(query, query[None])[0] == pytest.approx(np.log(1.001), abs=1e-4)
    assert 0 > alike > unlike


def test_what_is_written_is_read_and_other_entries_stay(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "vitrina.json"
    measured = CalibrationQuality(200, 6000, 0.02, 0.1, answerable_passed=0.98)
    match, cohort = (
        MatchCurve(-1.0, ((0.0, 0.0), (1.5, 2.0)), {PageSignal.NAMES: -3.0}),
        Cohort.of(unit([1, 2], [3, 4])),
    )
    calibration = Calibration(
        {QueryKind.BOTH: Curve(-1.5, {Signal.NAME: 2.0}, 0.1, measured, match)}, "some rows", cohort=cohort
    )
    write_calibration(path, CALIBRATION)
    path.write_text(json.dumps({**json.loads(path.read_text()), "trained_on": {"rows": 3}}))
    write_calibration(path, calibration)
    assert read_calibration(path) == calibration
    assert json.loads(path.read_text())["trained_on"] == {"rows": 3}
    assert [each.name for each in path.parent.iterdir()] == ["vitrina.json"]


def test_a_file_that_has_none(tmp_path: Path) -> None:
    assert read_calibration(tmp_path / "nothing.json") is None
    (tmp_path / "other.json").write_text('{"schedule": {}}')
    assert read_calibration(tmp_path / "other.json") is None


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"calibration": 3}',
        '{"calibration": {"curves": {"smell": {"intercept": 0, "weights": {}, "no_match_confidence": 0}}}}',
        '{"calibration": {"curves": {"text": {"intercept": "much", "weights": {}, "no_match_confidence": 0}}}}',
        '{"calibration": {"curves": {"text": {"intercept": 0, "weights": {"smell": 1}, "no_match_confidence": 0}}}}',
        '{"calibration": {"curves": {}, "cohort": {"dimension": 3, "scale": 0.1, "levels": "AAAA!"}}}',
        '{"calibration": {"curves": {}, "cohort": {"dimension": 2, "scale": 0.1, "levels": "AAAA"}}}',
        '{"calibration": {"curves": {}, "cohort": {"dimension": 2, "scale": 0.1, "levels": ""}}}',
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "vitrina.json"
    path.write_text(text)
    with pytest.raises(EncoderError, match="damaged"):
        read_calibration(path)


def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        write_calibration(tmp_path / "file" / "vitrina.json", CALIBRATION)


def test_only_a_lack_may_speak_against_a_hit() -> None:
    assert {Signal.NO_IMAGE, Signal.NO_IMAGE_SAID, Signal.NO_TEXT, Signal.LENGTH, Signal.BEHIND} == AGAINST
