"""Calibration: from the features of a hit to the probability that it is relevant.

A score orders the hits of one query; it cannot say whether even the best of them is any good, since it measures them
against the catalog's average. A confidence can: it rests on raw cosines, whose scale is the encoder's own, and on what
the lexical index found. It is a logistic regression over several signals, Platt scaling (Platt 1999, "Probabilistic
outputs for support vector machines") where a hit has just one, fitted for each encoder and each kind of query by
``evaluation.calibration``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
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
    """A calibration feature. The cosines name the query's part first, then the item's.

    If an item's text says all that was asked for, its image matters less, and has a feature of its own: an encoder that
    never learned what "striped" looks like must not outvote a title that says it.
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
    BEHIND = "behind the best"


AGAINST = frozenset({Signal.NO_IMAGE, Signal.NO_IMAGE_SAID, Signal.NO_TEXT, Signal.LENGTH, Signal.BEHIND})
"""The features that may lower a hit's probability; more of any other never does. A longer text asks for more: of ten
shirts as close to it as shirts are to "shirt", nine are not quite the one. ``BEHIND`` is how far the hit's score lies
below the best one's: what is right in a shop that has a hundred such things may not be in one that has two."""

CalibrationFeatures = Mapping[Signal, Array]
"""The features of n hits, each of shape (n,)."""


@dataclass(frozen=True, slots=True)
class CalibrationQuality:
    """How good a calibration is on queries that it was not fitted on.

    ``calibration_error`` is the expected one over ten bins, ``brier`` the mean squared error, both over the ``n_hits``
    of the answerable queries' first pages; ``answerable_passed`` and ``off_catalog_caught`` are the shares of queries
    that the no-match threshold classifies correctly, None without any.
    """

    n_queries: int
    n_hits: int
    calibration_error: float
    brier: float
    answerable_passed: float | None = None
    off_catalog_caught: float | None = None


@dataclass(frozen=True, slots=True)
class Curve:
    """The calibration of one kind of query: a logistic function of the features' weighted sum.

    A query none of whose ten best hits reaches ``no_match_confidence`` has no good match.
    """

    intercept: float
    weights: Mapping[Signal, float]
    no_match_confidence: float
    measured: CalibrationQuality | None = None

    def confidence(self, features: CalibrationFeatures) -> Array:
        """The probability that each hit is relevant, shape (n,), from features of that shape."""
        total = self.intercept + sum(self.weights.get(signal, 0.0) * column for signal, column in features.items())
        return np.asarray(expit(total), np.float64)


@dataclass(frozen=True, slots=True)
class Calibration:
    """An encoder's curves by kind of query; a kind that was not measured has none. ``of_images`` are those of catalogs
    that have no words at all, where cosines alone must tell. ``source`` says on what data."""

    curves: Mapping[QueryKind, Curve]
    source: str = ""
    of_images: Mapping[QueryKind, Curve] = field(default_factory=dict)

    def curve(self, kind: QueryKind, *, images_alone: bool) -> Curve | None:
        """The curve for one kind of query to a catalog with words or without; None where there is none."""
        return (self.of_images.get(kind) if images_alone else None) or self.curves.get(kind)

    def measured_curves(self) -> Iterator[tuple[str, Curve, CalibrationQuality]]:
        """Every curve whose quality was measured, with what it is for in words."""
        for curves, of in ((self.curves, ""), (self.of_images, ", images alone")):
            for kind, curve in curves.items():
                if curve.measured is not None:
                    yield f"{kind}{of}", curve, curve.measured


def read_calibration(path: Path) -> Calibration | None:
    """The ``calibration`` in a JSON file, or None if the file or the entry is missing. Raises EncoderError."""
    return read_entry(path, "calibration", _adapter, EncoderError)


def write_calibration(path: Path, calibration: Calibration) -> None:
    """Put a calibration into a JSON file, whose other entries stay. Raises StorageError."""
    write_entry(path, "calibration", _adapter, calibration)


_adapter = TypeAdapter(Calibration)
