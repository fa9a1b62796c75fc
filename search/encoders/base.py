"""What every encoder offers, whatever engine runs it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from PIL import Image

from vitrina.search.types.calibration import Calibration
from vitrina.search.types.models import EncoderIdentity, Pixels, Vectors


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
