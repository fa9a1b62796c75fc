"""The interface of rerankers, and the candidates that they judge."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vitrina.search.images.decode import decode_image
from vitrina.search.reranking.fusion import FusionWeights
from vitrina.search.store.images import ImageStore
from vitrina.search.types.errors import ImageError, NotFoundError, StorageError
from vitrina.search.types.item import StoredItem
from vitrina.search.types.models import RerankerIdentity

Probabilities = NDArray[np.float32]
"""P(yes) of each statement about each candidate, shape (n candidates, n statements); NaN where there was no time."""


IMAGE_SIDE_PX = 512
"""The smallest thumbnail that fills the 448 x 448 pixels which most backends show their models."""

OpenImage = Callable[[], Image.Image | None]
"""Reads and decodes an image; None if it cannot be opened. Blocks for milliseconds."""


@dataclass(frozen=True)
class RerankCandidate:
    """One candidate as a reranker sees it.

    ``image`` is upright RGB, or a function that opens it, or None if the item has no image; ``pixels`` opens it.
    ``listing`` is the catalog's text about the item, which a backend quotes as data and never follows; empty where the
    catalog's fields are hidden. ``key`` identifies image and listing by their content, for caches.
    """

    key: str
    image: Image.Image | OpenImage | None
    listing: str = ""

    @property
    def has_image(self) -> bool:
        """Whether there is an image, as far as is known without opening it."""
        return self.image is not None

    @cached_property
    def pixels(self) -> Image.Image | None:
        """The image, opened when first asked for; None if there is none, or if it cannot be opened."""
        return self.image() if callable(self.image) else self.image

    @property
    def is_blank(self) -> bool:
        """Whether opening its image failed."""
        return self.has_image and "pixels" in vars(self) and self.pixels is None


@dataclass(frozen=True, slots=True)
class Box:
    """A region of an image: corners as shares of its width and height, 0 to 1, from the upper left."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def area(self) -> float:
        """As a share of the image's, 0 to 1."""
        return (self.right - self.left) * (self.bottom - self.top)

    def overlap(self, other: Box) -> float:
        """Intersection over union, 0 to 1."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        shared = max(0.0, width) * max(0.0, height)
        return shared / (self.area + other.area - shared)


class Scoring(StrEnum):
    """Where a backend's probabilities come from, best first."""

    LOGITS = "logits"
    """From the model's logits of yes and no."""
    GRADES = "grades"
    """From a grade that the model chose from a few, where a server returns no logits."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a backend can do, found out by probing it and not from its documentation: servers drop fields silently.

    ``writes``: explanations; ``schema``: they follow a JSON schema; ``boxes``: it locates statements in images. The
    longer side of images is scaled to ``image_side_px`` at most.
    """

    scoring: Scoring
    writes: bool = False
    schema: bool = False
    boxes: bool = False
    image_side_px: int = IMAGE_SIDE_PX


@dataclass(frozen=True, slots=True)
class Deadline:
    """The moment by which an answer is needed, ``at`` seconds of ``time.monotonic``; or earlier, when the caller sets
    ``cancelled``."""

    at: float
    cancelled: threading.Event | None = None

    @classmethod
    def within(cls, seconds: float, cancelled: threading.Event | None = None) -> Deadline:
        """A deadline in so many seconds from now."""
        return cls(time.monotonic() + seconds, cancelled)

    def sooner(self, part: float) -> Deadline:
        """A deadline after a share of the time left, 0 to 1; it is cancelled with this one."""
        return Deadline.within(part * self.seconds_left, self.cancelled)

    @property
    def seconds_left(self) -> float:
        """Never below 0."""
        return 0.0 if self.is_cancelled else max(0.0, self.at - time.monotonic())

    @property
    def is_cancelled(self) -> bool:
        """Whether the caller has cancelled."""
        return self.cancelled is not None and self.cancelled.is_set()


class Reranker(Protocol):
    """Judges statements about candidates. Every method may be called from several threads, and raises RerankerError
    if the model or its server fails."""

    @property
    def identity(self) -> RerankerIdentity:
        """The model and its prompts."""

    @property
    def capabilities(self) -> Capabilities:
        """The capabilities probed when the backend was opened."""

    @property
    def fusion_weights(self) -> FusionWeights | None:
        """How much its answers count, or None if that was not measured."""

    def judge(
        self, candidates: Sequence[RerankCandidate], statements: Sequence[str], deadline: Deadline
    ) -> Probabilities:
        """The probability of each statement ("navy blue", "shirts for men") about each candidate, in one forward pass
        per candidate at most; NaN for candidates that the deadline leaves no time for."""

    def write(self, candidate: RerankCandidate, facts: Sequence[str], deadline: Deadline) -> Iterator[str]:
        """Sum up the ``facts``, verdicts in words, in one or two sentences; yields pieces of text as they are written.
        Yields nothing if the backend cannot write."""

    def locate(self, candidate: RerankCandidate, statement: str, deadline: Deadline) -> Box | None:
        """Where in the image the statement shows, or None if the backend cannot tell."""


Pair = tuple[RerankCandidate, str]
"""A candidate, and a statement about it."""


@runtime_checkable
class JudgesPairs(Protocol):
    """A reranker in this process. One forward pass takes pairs of any candidates and statements, so that those of
    concurrent queries are judged together. Rerankers without it, such as servers, get each query in a call of its own.
    """

    @property
    def batch_size(self) -> int:
        """How many pairs one forward pass takes. At least 1."""

    def judge_pairs(self, pairs: Sequence[Pair], deadline: Deadline) -> NDArray[np.float32]:
        """The probability of each pair's statement about its candidate, shape (n pairs,), in one forward pass: either
        all candidates have an image, or none has. NaN where the image cannot be opened, and for all where the model is
        not free before the deadline. Raises RerankerError; blocks."""


@runtime_checkable
class PrecomputesFeatures(Protocol):
    """A reranker that can compute image features ahead of queries, and cache them for later processes."""

    @property
    def caches_features(self) -> bool:
        """Whether it does: not without a cache, and not if the features of one image take too much of it."""

    def precompute_features(self, candidates: Sequence[RerankCandidate]) -> int:
        """Compute and cache the features of some images; returns how many could be opened. Blocks, and uses the GPU if
        the model is on one. Raises RerankerError, and StorageError if they cannot be stored."""


log = logging.getLogger(__name__)


class CandidateImages:
    """The candidates of one query with their first images, each opened once, when its pixels are needed.

    Images are opened with a longer side of at most ``side_px``. The candidates have no listing: what the catalog says
    is separate evidence, which an image must be able to contradict, and the model that answers never reads a title that
    says "answer yes". Not safe in several threads; a candidate's image may be opened in any.
    """

    def __init__(self, images: ImageStore, side_px: int = IMAGE_SIDE_PX) -> None:
        self._images = images
        self._side_px = side_px
        self._candidates: dict[str, RerankCandidate] = {}

    def candidate(self, stored: StoredItem) -> RerankCandidate | None:
        """The candidate of an item; None if it has no image."""
        key = key_of(stored)
        if key is None:
            return None
        if key not in self._candidates:
            self._candidates[key] = RerankCandidate(key, opening(self._images, key, self._side_px))
        return self._candidates[key]


def opening(images: ImageStore, image_id: str, side_px: int) -> OpenImage:
    """A function that opens an image with a longer side of at most ``side_px``; it logs a warning and returns None if
    the image is gone or damaged.

    Models that see few pixels cache their features, and a JPEG decodes to a fraction of its size in 4 ms while making a
    thumbnail takes 20 ms: they get the image itself, other models a thumbnail, which is stored for the next query.
    """
    is_small = side_px < IMAGE_SIDE_PX

    def open_() -> Image.Image | None:
        try:
            data = images.read(image_id) if is_small else images.thumbnail(image_id, side_px)
            return decode_image(data, max_side_px=side_px).pixels
        except (ImageError, NotFoundError, StorageError) as error:
            log.warning("The image %s cannot be opened: %s", image_id, error)
            return None

    return open_


def key_of(stored: StoredItem) -> str | None:
    """The key of an item's candidate: its first image's name, a hash of the content; None if it has no image."""
    return stored.image_ids[0] if stored.image_ids else None
