"""Folders of encoders: the names that they are loaded by, their fingerprint, and the card beside the weights."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol, Self, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from vitrina.search.types.calibration import Calibration
from vitrina.search.types.errors import EncoderError
from vitrina.search.types.models import LOCAL_PREFIX, EncoderIdentity, Pixels, Vectors

EMBEDDED = "embedded"
EMBEDDED_FOLDER = Path(__file__).parent / "embedded"
HUB_PREFIX = "hf-hub:"
CARD_FILE = "vitrina.json"
"""The card beside a model: what Vitrina measured about it. Not part of the fingerprint."""

KNOWN_NAMES = (
    f"Use '{EMBEDDED}', '{LOCAL_PREFIX}FOLDER' with an open_clip folder, 'MODEL/WEIGHTS' as in "
    f"'ViT-B-16-SigLIP/webli', or '{HUB_PREFIX}ORGANISATION/MODEL'."
)

FINGERPRINTED_SUFFIXES = {".safetensors", ".bin", ".pth", ".json", ".txt", ".model", ".onnx"}


def full_name(name: str) -> str:
    """The name to load an encoder by, for one as the user typed it, which may be the path of a folder."""
    is_path = name != EMBEDDED and not name.startswith((LOCAL_PREFIX, HUB_PREFIX)) and Path(name).expanduser().is_dir()
    if is_path or name.startswith(LOCAL_PREFIX):
        return f"{LOCAL_PREFIX}{Path(name.removeprefix(LOCAL_PREFIX)).expanduser().resolve()}"
    return name


def identity_name(name: str) -> str:
    """The name that an encoder's identity has: a folder's with its absolute path."""
    folder = encoder_folder(name)
    return f"{LOCAL_PREFIX}{folder}" if folder and name != EMBEDDED else name


def encoder_folder(name: str) -> Path | None:
    """The folder that ``name`` stands for, or None if it names no folder. Raises EncoderError where the folder holds no
    encoder."""
    if name == EMBEDDED:
        folder = EMBEDDED_FOLDER
    elif name.startswith(LOCAL_PREFIX):
        folder = Path(name.removeprefix(LOCAL_PREFIX)).expanduser().resolve()
    else:
        return None
    if not (folder / "open_clip_config.json").is_file():
        raise EncoderError(f"There is no encoder in {folder}: it holds no open_clip_config.json.", remedy=KNOWN_NAMES)
    return folder


def reads(identity: EncoderIdentity, language: str) -> bool:
    """Whether an encoder may have learnt from texts in a language (ISO 639-1, empty if it is not known): the embedded
    one knows English alone, and of others nothing is known."""
    return identity.name != EMBEDDED or language in ("", "en")


def fingerprint_of(folder: Path) -> str:
    """SHA-256 over the configuration, weight and tokenizer files; the readme and ``vitrina.json`` may change."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in FINGERPRINTED_SUFFIXES and path.name != CARD_FILE:
            digest.update(f"{path.name}:{path.stat().st_size}:".encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


Size = tuple[int, int]
"""Height, width in pixels."""

ResizeMode = Literal["longest", "shortest", "squash"]


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """Resize, crop or pad, and normalise, to the same pixels as ``open_clip.image_transform`` at inference.

    ``longest`` fits the image inside and pads with ``fill_color`` (one grey level, 0 to 255), ``shortest`` fills the
    square and crops the centre, ``squash`` ignores the aspect ratio. ``mean`` and ``std`` are per channel for values
    in [0, 1]. Written with PIL and NumPy because decoder threads run it and torchvision's chain is slower: 2,100
    images of 60 x 80 to 64 pixels a second against 3,800, measured.
    """

    size: Size
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    resize_mode: ResizeMode = "shortest"
    interpolation: str = "bicubic"
    fill_color: int = 0

    @classmethod
    def from_config(cls, config: Mapping[str, object]) -> Self:
        """Read the ``preprocess_cfg`` that open_clip attaches to a model's image tower."""
        size = config["size"]
        height, width = (size, size) if isinstance(size, int) else cast(Size, size)
        return cls(
            size=(height, width),
            mean=_three(config["mean"]),
            std=_three(config["std"]),
            resize_mode=cast(ResizeMode, config["resize_mode"]),
            interpolation=cast(str, config["interpolation"]),
            fill_color=cast(int, config.get("fill_color", 0)),
        )

    def __call__(self, image: Image.Image) -> NDArray[np.float32]:
        """Prepare one image; shape (3, height, width)."""
        return self.normalised(self.levels(image))

    def levels(self, image: Image.Image) -> NDArray[np.uint8]:
        """Resize, crop or pad one image; shape (3, height, width), 0 to 255: a quarter of the memory of what
        ``normalised`` makes of it."""
        if image.mode != "RGB":
            image = image.convert("RGB")
        filter_ = Image.Resampling.BILINEAR if self.interpolation == "bilinear" else Image.Resampling.BICUBIC
        resized = image.resize(self._resized(image.width, image.height), filter_)
        levels = np.asarray(_centre(resized, self.size, self.fill_color))
        return np.ascontiguousarray(levels.transpose(2, 0, 1))

    def normalised(self, levels: NDArray[Any]) -> NDArray[np.float32]:
        """Normalise the levels of one image or several, uint8, shape (..., 3, height, width); float32 is left as it
        is."""
        if levels.dtype != np.uint8:
            return levels
        std = np.array(self.std, dtype=np.float32)[:, None, None]
        pixels = levels.astype(np.float32)
        pixels *= 1 / (255 * std)
        pixels -= np.array(self.mean, dtype=np.float32)[:, None, None] / std
        return pixels

    def _resized(self, width: int, height: int) -> tuple[int, int]:
        """The image's width and height after scaling, never less than one pixel."""
        target_height, target_width = self.size
        if self.resize_mode == "squash":
            return target_width, target_height
        ratios = height / target_height, width / target_width
        if self.resize_mode == "longest":
            return max(1, round(width / max(ratios))), max(1, round(height / max(ratios)))
        if target_height != target_width:
            return round(width / min(ratios)), round(height / min(ratios))
        # torchvision truncates the long side, open_clip's own resize rounds it
        long = int(target_width * max(width, height) / min(width, height))
        return (target_width, long) if width <= height else (long, target_width)


def _centre(image: Image.Image, size: Size, fill_color: int) -> Image.Image:
    """Pad with one grey level and crop, both about the centre, to exactly ``size``."""
    height, width = size
    missing_x, missing_y = max(0, width - image.width), max(0, height - image.height)
    if missing_x or missing_y:
        border = (missing_x // 2, missing_y // 2, (missing_x + 1) // 2, (missing_y + 1) // 2)
        image = ImageOps.expand(image, border, fill=(fill_color,) * 3)
    if image.size == (width, height):
        return image
    left, top = round((image.width - width) / 2), round((image.height - height) / 2)
    return image.crop((left, top, left + width, top + height))


def _three(value: object) -> tuple[float, float, float]:
    """Per-channel constants; open_clip lets a single number stand for three."""
    if isinstance(value, int | float):
        return (float(value),) * 3
    red, green, blue = cast("tuple[float, float, float]", value)
    return float(red), float(green), float(blue)


class TextEncoder(Protocol):
    """Embeds texts. Safe to call from several threads."""

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Embed texts, truncated to the context length; shape (len(texts), dimension), unit rows. Blocks."""


class Encoder(TextEncoder, Protocol):
    """Embeds images and texts into one vector space. Every method is safe to call from several threads."""

    @property
    def identity(self) -> EncoderIdentity:
        """Identifies the encoder; vectors of another identity cannot be compared with its own."""

    @property
    def calibration(self) -> Calibration | None:
        """How its cosines become probabilities of relevance, or None if that was not measured."""

    def prepare(self, image: Image.Image) -> Pixels:
        """Resize one upright RGB image to what the model sees, of a shape that ends in height and width. Runs no model,
        so decoder threads call it."""

    def encode_pixels(self, batch: Sequence[Pixels]) -> Vectors:
        """Embed prepared images; shape (len(batch), dimension), unit rows. Blocks; uses the GPU if there is one."""

    def encode_images(self, images: Sequence[Image.Image]) -> Vectors:
        """``prepare`` and ``encode_pixels`` in one step, for the few images of a query."""


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
    copy of a folder. With ``exact`` PyTorch computes in float32 on a CPU, as tuning needs, even if bfloat16 is faster.
    """

    device: str = "auto"
    runtime: Runtime = Runtime.AUTO
    n_threads: int | None = None
    known_as: str | None = None
    exact: bool = False


EncoderPlugin = Callable[[str, EncoderOptions], Encoder]
"""Loads an encoder by name. Plug-ins of the group ``vitrina.encoders`` are such callables. Raises EncoderError."""


class LoadEncoder(Protocol):
    """How a process loads encoders: ``registry.load_encoder`` with options of its choice."""

    def __call__(self, name: str, *, known_as: str | None = None) -> Encoder:
        """Load an encoder by name; ``known_as``, if given, replaces the name in its identity. Raises EncoderError."""


def unit_rows(rows: NDArray[np.floating]) -> Vectors:
    """Rows, shape (..., d), of length 1; a row of zeros stays one."""
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12), np.float32)


def beside_image(texts: Vectors, image: Vectors) -> Vectors:
    """Text vectors, shape (n, d), as an image, shape (d,), is compared with them: unit rows without the dimensions in
    which it is 0. The embedded encoder's texts have some of their own, which say how alike texts are."""
    return unit_rows(texts * (image != 0))


class BesideImages:
    """An encoder in the dimensions that its images have, d of them: there texts are compared with images."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder

    def encode_images(self, images: Sequence[Image.Image]) -> Vectors:
        """As ``Encoder.encode_images``; shape (n, d)."""
        return self._encoder.encode_images(images)[:, self.example != 0]

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """As ``Encoder.encode_texts``; shape (n, d)."""
        return beside_image(self._encoder.encode_texts(texts), self.example)[:, self.example != 0]

    @property
    def dimension(self) -> int:
        """How many dimensions images have."""
        return int((self.example != 0).sum())

    @cached_property
    def example(self) -> Vectors:
        """The vector of some image, shape (all dimensions,)."""
        return np.asarray(self._encoder.encode_images([Image.linear_gradient("L").convert("RGB")])[0], np.float32)
