"""The interface of an encoder, and how one is loaded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from PIL import Image

from vitrina.search.types.calibration import Calibration
from vitrina.search.types.models import EncoderIdentity, Pixels, Vectors


class Encoder(Protocol):
    """Embeds images and texts into one vector space. Every method is safe to call from several threads."""

    @property
    def identity(self) -> EncoderIdentity:
        """Identifies the encoder; vectors of another identity cannot be compared with its own."""

    @property
    def calibration(self) -> Calibration | None:
        """How its cosines become probabilities of relevance, or None if that was not measured."""

    def prepare(self, image: Image.Image) -> Pixels:
        """Resize and normalise one upright RGB image. Runs no model, so decoder threads call it."""

    def encode_pixels(self, batch: Sequence[Pixels]) -> Vectors:
        """Embed prepared images; shape (len(batch), dimension), unit rows. Blocks; uses the GPU if there is one."""

    def encode_images(self, images: Sequence[Image.Image]) -> Vectors:
        """``prepare`` and ``encode_pixels`` in one step, for the few images of a query."""

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Embed texts, truncated to the context length; shape (len(texts), dimension), unit rows. Blocks."""


class Runtime(StrEnum):
    """What runs an encoder; ``AUTO`` is ONNX Runtime on a CPU if the encoder was exported, else PyTorch."""

    AUTO = "auto"
    TORCH = "torch"
    ONNX = "onnx"


@dataclass(frozen=True, slots=True)
class EncoderOptions:
    """How to load an encoder.

    ``device`` is ``auto`` (CUDA if there is a GPU), ``cpu``, ``cuda`` or ``cuda:N``; ``n_threads`` bounds the CPU
    threads, with PyTorch those of the whole process. ``known_as`` replaces the name in the encoder's identity, for a
    copy of a folder.
    """

    device: str = "auto"
    runtime: Runtime = Runtime.AUTO
    n_threads: int | None = None
    known_as: str | None = None


EncoderPlugin = Callable[[str, EncoderOptions], Encoder]
"""Loads an encoder by name. Plug-ins of the group ``vitrina.encoders`` are such callables. Raises EncoderError."""


class LoadEncoder(Protocol):
    """How a process loads encoders: ``registry.load_encoder`` with options of its choice."""

    def __call__(self, name: str, *, known_as: str | None = None) -> Encoder:
        """Load an encoder by name; ``known_as``, if given, replaces the name in its identity. Raises EncoderError."""
