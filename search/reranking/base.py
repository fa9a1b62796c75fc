"""What every reranker offers, whatever model or server stands behind it, and the candidates it is shown."""

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
"""P(yes) of each claim about each candidate, shape (n candidates, n claims); NaN where there was no time."""


IMAGE_SIDE_PX = 512
"""The smallest thumbnail that fills the 448 x 448 pixels which most backends show their models."""

OpenImage = Callable[[], Image.Image | None]
"""Reads and decodes a picture; None where it cannot be opened. Blocks for milliseconds."""


@dataclass(frozen=True)
class RerankCandidate:
    """One candidate as a reranker sees it.

    ``image`` is upright RGB, or what opens it, or None where the item has none; ``pixels`` is to be asked for only by
    who needs its pixels. ``listing`` is the catalog's text about it, which a backend quotes as data and never follows;
    empty where the catalog's fields are hidden. ``key`` names the picture and the listing by their content, for caches.
    """

    key: str
    image: Image.Image | OpenImage | None
    listing: str = ""

    @property
    def has_image(self) -> bool:
        """Whether there is one, as far as is known without opening it."""
        return self.image is not None

    @cached_property
    def pixels(self) -> Image.Image | None:
        """The picture, opened now where it was not yet; None where there is none, or none that can be opened."""
        return self.image() if callable(self.image) else self.image

    @property
    def is_blank(self) -> bool:
        """Whether somebody tried to open its picture, in vain."""
        return self.has_image and "pixels" in vars(self) and self.pixels is None


@dataclass(frozen=True, slots=True)
class Box:
    """A region of a picture: corners as parts of its width and height, 0 to 1, from the upper left."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def area(self) -> float:
        """As a part of the picture's."""
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
    """From the model's own numbers for yes and no."""
    GRADES = "grades"
    """From a grade that the model chose out of a fixed few, where a server shows no logits."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a backend can do, found out by asking it, not by trusting its documentation: servers drop fields silently.

    ``writes`` explanations; keeps a ``schema`` while it does; gives ``boxes``. Of pictures whose longer side has more
    than ``image_side_px`` it sees no more.
    """

    scoring: Scoring
    writes: bool = False
    schema: bool = False
    boxes: bool = False
    image_side_px: int = IMAGE_SIDE_PX


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment by which an answer is of use, ``at`` in seconds of ``time.monotonic``, or before that the moment in
    which whoever asked has ``cancelled``."""

    at: float
    cancelled: threading.Event | None = None

    @classmethod
    def within(cls, seconds: float, cancelled: threading.Event | None = None) -> Deadline:
        """So many seconds from now."""
        return cls(time.monotonic() + seconds, cancelled)

    def sooner(self, part: float) -> Deadline:
        """One with a part of the time left, 0 to 1, that is given up with this one."""
        return Deadline.within(part * self.seconds_left, self.cancelled)

    @property
    def seconds_left(self) -> float:
        """Never below 0."""
        return 0.0 if self.is_cancelled else max(0.0, self.at - time.monotonic())

    @property
    def is_cancelled(self) -> bool:
        """Whether nobody waits for the answer any more."""
        return self.cancelled is not None and self.cancelled.is_set()


class Reranker(Protocol):
    """Looks at candidates. Every method may be called from several threads, and raises RerankerError where the model
    or its server fails."""

    @property
    def identity(self) -> RerankerIdentity:
        """The model and its prompts."""

    @property
    def capabilities(self) -> Capabilities:
        """As probed when the backend was opened."""

    @property
    def fusion_weights(self) -> FusionWeights | None:
        """How much its answers count, or None where nobody measured it."""

    def judge(
        self, candidates: Sequence[RerankCandidate], statements: Sequence[str], deadline: Deadline
    ) -> Probabilities:
        """How probable each claim ("navy blue", "shirts for men") is of each candidate, one forward pass for each
        candidate or fewer; candidates that the deadline leaves no time for are NaN."""

    def write(self, candidate: RerankCandidate, facts: Sequence[str], deadline: Deadline) -> Iterator[str]:
        """Say in one or two sentences what the ``facts``, verdicts in words, amount to; pieces of text as they are
        written. Nothing where the backend cannot write."""

    def locate(self, candidate: RerankCandidate, statement: str, deadline: Deadline) -> Box | None:
        """Where in the picture the claim shows, or None where the backend cannot tell."""


@runtime_checkable
class PrecomputesFeatures(Protocol):
    """A reranker that can look at pictures before anybody asks about them, and keep what it saw for later processes."""

    @property
    def caches_features(self) -> bool:
        """Whether it does: not without a place to keep them in, and not where each would take too much of it."""

    def precompute_features(self, candidates: Sequence[RerankCandidate]) -> int:
        """Look at some pictures and keep what was seen; returns how many could be opened. Blocks, and uses the GPU
        where the model is on one. Raises RerankerError, and StorageError where they cannot be kept."""


log = logging.getLogger(__name__)


class CandidateImages:
    """Each candidate's first picture, opened when somebody asks for its pixels, and once for a query. Not safe in
    several threads; a look may be opened in any.

    Pictures are opened with a longer side of at most ``side_px``. A look holds no listing: what the catalog says is
    evidence of its own, which a picture must be able to contradict, and a title that says "answer yes" is never read by
    the model that answers.
    """

    def __init__(self, images: ImageStore, side_px: int = IMAGE_SIDE_PX) -> None:
        self._images = images
        self._side_px = side_px
        self._candidates: dict[str, RerankCandidate] = {}

    def candidate(self, stored: StoredItem) -> RerankCandidate | None:
        """The item's first picture; None where it has none."""
        key = key_of(stored)
        if key is None:
            return None
        if key not in self._candidates:
            self._candidates[key] = RerankCandidate(key, opening(self._images, key, self._side_px))
        return self._candidates[key]


def opening(images: ImageStore, image_id: str, side_px: int) -> OpenImage:
    """What opens a picture with a longer side of at most ``side_px``; it gives None, with a line in the log, where the
    picture is gone or damaged.

    Models that see few pixels keep what they saw, and a JPEG decodes to a fraction of its size in 4 ms where a
    thumbnail takes 20 to make: they get the picture itself, the others a thumbnail, which is kept for the next query.
    """
    is_small = side_px < IMAGE_SIDE_PX

    def open_() -> Image.Image | None:
        try:
            data = images.read(image_id) if is_small else images.thumbnail(image_id, side_px)
            return decode_image(data, max_side_px=side_px).pixels
        except (ImageError, NotFoundError, StorageError) as error:
            log.warning("The picture %s cannot be looked at: %s", image_id, error)
            return None

    return open_


def key_of(stored: StoredItem) -> str | None:
    """The key of an item's look: the name of its first picture, which is made of the picture's content."""
    return stored.image_ids[0] if stored.image_ids else None
