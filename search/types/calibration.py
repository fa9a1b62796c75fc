"""Calibration: from what speaks for a hit to the probability that it is relevant.

A score orders the hits of one query; it cannot say whether even the best of them is any good, since it measures them
against the catalog's average. A confidence can: it rests on raw cosines, whose scale is the encoder's own, and on what
full-text search found. It is a logistic regression over several signals, Platt scaling (Platt 1999, "Probabilistic
outputs for support vector machines") where a hit has just one, fitted for each encoder and each kind of query by
``evaluation.calibration``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter
from scipy.special import expit

from vitrina.search.types.errors import EncoderError
from vitrina.search.types.models import read_entry, write_entry

Array = NDArray[np.float64]


class QueryKind(StrEnum):
    """What a query asks with. An encoder spreads its cosines differently for each."""

    TEXT = "text"
    IMAGE = "image"
    BOTH = "text and image"


class Signal(StrEnum):
    """One column of evidence. The cosines name the query's part first, then the item's.

    Where an item's own words say all that was asked for, its picture matters less, and has a signal of its own: an
    encoder that has never learnt what "striped" looks like must not outvote a title that says it.
    """

    TEXT_TO_IMAGE = "text to image"
    TEXT_TO_IMAGE_SAID = "text to image, all said"
    TEXT_TO_TEXT = "text to text"
    IMAGE_TO_IMAGE = "image to image"
    IMAGE_TO_TEXT = "image to text"
    SOME_WORDS = "some words"
    ALL_WORDS = "all words"
    WHOLE_VALUE = "whole value"
    NAME = "name"
    FIELDS = "fields"
    NO_IMAGE = "no image"
    NO_IMAGE_SAID = "no image, all said"
    NO_TEXT = "no text"
    LENGTH = "length of the text"


AGAINST = frozenset({Signal.NO_IMAGE, Signal.NO_IMAGE_SAID, Signal.NO_TEXT, Signal.LENGTH})
"""The signals that may speak against a hit; of any other, more never makes a hit less likely. A longer text asks for
more: of ten shirts as near to it as shirts are to "shirt", nine are not quite the one."""

CalibrationFeatures = Mapping[Signal, Array]
"""The signals of n hits, each of shape (n,)."""


@dataclass(frozen=True, slots=True)
class CalibrationQuality:
    """How a calibration did on queries that it was not fitted on.

    ``calibration_error`` is the expected one over ten bins, ``brier`` the mean squared error, both over the ``n_hits``
    of the answerable queries' first pages; ``answerable_passed`` and ``off_catalog_caught`` are the shares of queries
    that the no-match threshold judged rightly, None without any.
    """

    n_queries: int
    n_hits: int
    calibration_error: float
    brier: float
    answerable_passed: float | None = None
    off_catalog_caught: float | None = None


@dataclass(frozen=True, slots=True)
class Curve:
    """The calibration of one kind of query: a logistic function of the signals' weighted sum.

    A query none of whose ten best hits reaches ``no_match_confidence`` has no good match.
    """

    intercept: float
    weights: Mapping[Signal, float]
    no_match_confidence: float
    measured: CalibrationQuality | None = None

    def confidence(self, features: CalibrationFeatures) -> Array:
        """The probability that each hit is relevant, shape (n,), from signals of that shape."""
        total = self.intercept + sum(self.weights.get(signal, 0.0) * column for signal, column in features.items())
        return np.asarray(expit(total), np.float64)


@dataclass(frozen=True, slots=True)
class Calibration:
    """An encoder's curves, by kind of query; a kind that nobody measured has none. ``source`` says on what."""

    curves: Mapping[QueryKind, Curve]
    source: str = ""


def read_calibration(path: Path) -> Calibration | None:
    """The ``calibration`` of a JSON file, or None where file or entry is missing. Raises EncoderError if damaged."""
    return read_entry(path, "calibration", _adapter, EncoderError)


def write_calibration(path: Path, calibration: Calibration) -> None:
    """Put a calibration into a JSON file, whose other entries stay. Raises StorageError where the disk refuses."""
    write_entry(path, "calibration", _adapter, calibration)


_adapter = TypeAdapter(Calibration)
