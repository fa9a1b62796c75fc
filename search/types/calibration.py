"""Calibration: from the features of a hit to the probability that it is relevant, and of a page to whether it answers.

A score orders the hits of one query; it cannot say whether even the best of them is any good, since it measures them
against the catalog's average. A confidence can: it rests on raw cosines, whose scale is the encoder's own, and on what
the lexical index found. It is a logistic regression over several signals, Platt scaling (Platt 1999, "Probabilistic
outputs for support vector machines") where a hit has just one, fitted for each encoder and each kind of query by
``evaluation.calibration``.

Whether a catalog answers a query at all is a question of its own, and has a regression of its own: a short name of
something that the shop does not sell is as close to its texts as a long sentence is to what it means.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from vitrina.search.types.errors import EncoderError
from vitrina.search.types.logistic import expit, softmax
from vitrina.search.types.models import Vectors, read_entry, write_entry

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


class PageSignal(StrEnum):
    """What tells of a query's first page whether the catalog has an answer, besides how sure its surest hit is."""

    LENGTH = "length of the text"
    WORDS = "most words"
    TITLES = "most words in titles"
    """A mug whose description says that it is dishwasher safe is no dishwasher."""
    TEXT_TO_TEXT = "closest text"
    NAMES = "closest product names"
    """How close the query is to the names of what any shop may sell: a plain name expects a closer hit."""
    SAME_NAMES = "same product names"
    """How far the query and the best such hit are close to the same names."""
    UNNAMED = "no title is called so"
    """1 for the bare name of a thing that no title has as what an item is: a shop of telescopes and printer paper sells
    no printer. 1 more for a known name of several words that no item holds whole: sewing machine."""
    SIZE = "items, as a power of ten"
    """Of many items one is near to anything: the same words and cosines say less in a catalog of thousands."""


PAGE_AGAINST = frozenset({PageSignal.LENGTH, PageSignal.NAMES, PageSignal.UNNAMED, PageSignal.SIZE})
"""The page signals that may tell for or against an answer; more of any other never tells against one."""

PageSignals = Mapping[PageSignal, float]

N_CLOSEST = 8
"""How many names count as close to a query."""

NAME_TEMPERATURE = 0.05
"""By how much more a cosine must be for a name to count e times as much."""

LEAST_SHARED = 1e-3
"""What any two vectors are taken to share of their names at least."""


@dataclass(frozen=True)
class Cohort:
    """What an encoder makes of the names of products that any shop may sell: n unit vectors, kept in 8 bits each.

    Scores against a cohort tell a good match from one that is good for this query alone, as in speaker verification
    (Auckenthaler et al. 2000, "Score normalization for text-independent speaker verification systems").
    """

    dimension: int
    scale: float
    levels: str
    """Base64 of int8, shape (n, dimension); times ``scale`` they are the vectors."""

    @classmethod
    def of(cls, vectors: Vectors) -> Self:
        """The cohort of some unit vectors, shape (n, d)."""
        scale = float(np.abs(vectors).max()) / 127
        levels = np.round(vectors / scale).astype(np.int8)
        return cls(vectors.shape[1], scale, base64.b64encode(levels.tobytes()).decode("ascii"))

    def __post_init__(self) -> None:
        """Raise ValueError where the levels are no vectors of that dimension."""
        if not len(self.vectors):
            raise ValueError("a cohort needs names")

    @cached_property
    def vectors(self) -> Vectors:
        """Shape (n, d), float32."""
        levels = np.frombuffer(base64.b64decode(self.levels, validate=True), np.int8).reshape(-1, self.dimension)
        return np.asarray(levels * np.float32(self.scale), np.float32)

    def mean_closest(self, query: Vectors) -> float:
        """The mean cosine of a query's vector, shape (d,), with the names closest to it."""
        return float(np.mean(np.sort(self.vectors @ query)[-N_CLOSEST:]))

    def shared(self, query: Vectors, items: Vectors) -> Array:
        """The logarithm of how far each of m items, shape (m, d), is close to the same names as the query; (m,).

        That is the Bhattacharyya coefficient of their softmax shares.
        """
        if not len(items):
            return np.empty(0)
        asked = softmax(self.vectors @ query / NAME_TEMPERATURE)
        # one item after the other: a product of two matrices is shared among threads, which wait 16 ms for each other
        # on a machine that has other work, for 0.1 ms of it
        cosines = np.stack([self.vectors @ item for item in items])
        held = softmax(cosines / NAME_TEMPERATURE, axis=1)
        return np.asarray(np.log(np.sqrt(held) @ np.sqrt(asked) + LEAST_SHARED), np.float64)


@dataclass(frozen=True, slots=True)
class CalibrationQuality:
    """How good a calibration is on queries that it was not fitted on.

    ``calibration_error`` is the expected one over ten bins, ``brier`` the mean squared error, both over the ``n_hits``
    of the answerable queries' first pages; ``answerable_passed`` and ``off_catalog_caught`` are the shares of queries
    that are told to have a good match, and not to have one, rightly; None without any.
    """

    n_queries: int
    n_hits: int
    calibration_error: float
    brier: float
    answerable_passed: float | None = None
    off_catalog_caught: float | None = None


Effect = float | tuple[tuple[float, float], ...]
"""What a signal adds: a piecewise linear function by its corners (x, y), x rising, which stays level beyond them; or a
line through 0, by its slope."""


@dataclass(frozen=True, slots=True)
class MatchCurve:
    """Whether a query has a good match: what its page's signals and the logit of its ``surest`` hit add up to is above
    0 if it has one (a generalized additive model, Hastie and Tibshirani 1986, "Generalized additive models")."""

    intercept: float
    surest: Effect
    weights: Mapping[PageSignal, Effect]

    def margin(self, logit: float, page: PageSignals) -> float:
        """How far a page is from being doubtful, whose surest hit has that logit."""
        signals = sum(effect_at(self.weights.get(signal, 0.0), value) for signal, value in page.items())
        return self.intercept + effect_at(self.surest, logit) + signals


def effect_at(effect: Effect, value: float) -> float:
    """What a signal of some value adds."""
    if not isinstance(effect, tuple):
        return effect * value
    at, added = zip(*effect, strict=True)
    return float(np.interp(value, at, added))


@dataclass(frozen=True, slots=True)
class Curve:
    """The calibration of one kind of query: a logistic function of the features' weighted sum.

    A query has a good match where ``match`` says so; without it, where any of the ten best hits reaches
    ``no_match_confidence``, which is also what a hit must reach to count as one of the answers.
    """

    intercept: float
    weights: Mapping[Signal, float]
    no_match_confidence: float
    measured: CalibrationQuality | None = None
    match: MatchCurve | None = None

    def logits(self, features: CalibrationFeatures) -> Array:
        """The logit of each hit being relevant, shape (n,), from features of that shape."""
        total = sum(self.weights.get(signal, 0.0) * column for signal, column in features.items())
        return np.asarray(self.intercept + total, np.float64)

    def confidence(self, features: CalibrationFeatures) -> Array:
        """The probability that each hit is relevant, shape (n,), from features of that shape."""
        return np.asarray(expit(self.logits(features)), np.float64)

    def has_good_match(self, features: CalibrationFeatures, page: PageSignals) -> bool:
        """Whether a query has a good match, by the features of the hits of its first page, one at least."""
        surest = float(self.logits(features).max())
        if self.match is None:
            return bool(expit(surest) >= self.no_match_confidence)
        return self.match.margin(surest, page) >= 0


@dataclass(frozen=True, slots=True)
class Calibration:
    """An encoder's curves by kind of query; a kind that was not measured has none. ``of_images`` are those of catalogs
    that have no words at all, where cosines alone must tell. ``cohort`` is what page signals need, and ``source`` says
    on what data."""

    curves: Mapping[QueryKind, Curve]
    source: str = ""
    of_images: Mapping[QueryKind, Curve] = field(default_factory=dict)
    cohort: Cohort | None = None

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
