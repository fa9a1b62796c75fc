"""What every encoder offers, whatever engine runs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vitrina.search.types.calibration import Calibration

Vectors = NDArray[np.float32]
"""Embeddings, shape (n, dimension), one unit vector a row."""

Pixels = NDArray[np.float32]
"""One prepared picture, shape (3, height, width), normalised as the encoder's image tower expects."""


@dataclass(frozen=True, slots=True)
class EncoderIdentity:
    """Names one embedding space. Two encoders share a space only when name, fingerprint and dimension are equal.

    ``fingerprint`` is a SHA-256 (hex) over the weights and the preprocessing, so a retrained model under an old name
    is noticed.
    """

    name: str
    fingerprint: str
    dimension: int

    @property
    def key(self) -> str:
        """What this encoder's files in a home are named after: 16 hex digits of the fingerprint."""
        return self.fingerprint[:16]


class Encoder(Protocol):
    """Embeds pictures and texts into one space. Every method is safe to call from several threads."""

    @property
    def identity(self) -> EncoderIdentity:
        """The space this encoder's vectors live in."""

    @property
    def calibration(self) -> Calibration | None:
        """How its cosines become probabilities of relevance, or None where nobody measured it."""

    def prepare(self, image: Image.Image) -> Pixels:
        """Resize and normalise one upright RGB picture. Needs no model, so decoder threads call it."""

    def encode_pixels(self, batch: Sequence[Pixels]) -> Vectors:
        """Embed prepared pictures; shape (len(batch), dimension), unit rows. Blocks; on the GPU if any."""

    def encode_images(self, images: Sequence[Image.Image]) -> Vectors:
        """``prepare`` and ``encode_pixels`` in one step, for a query's few pictures."""

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Embed texts, truncated to the context length; shape (len(texts), dimension), unit rows. Blocks."""


class LoadEncoder(Protocol):
    """How a process loads encoders: ``search.encoders.openclip.load_encoder``, on the device of its choice."""

    def __call__(self, name: str, *, known_as: str | None = None) -> Encoder:
        """Load an encoder by name; its identity bears ``known_as`` instead, where given. Raises EncoderError."""
