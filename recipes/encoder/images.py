"""Images as tensors: decoded once, kept small in memory, augmented for every step."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import affine_grid, grid_sample, interpolate

from vitrina.search.encoders.base import Preprocessing, Size

NATIVE_SCALE = 1.25
"""Images at least this much larger than the tower's input are kept at twice its size, so that a crop stays sharp."""

ASPECT = 0.1
SHIFT = 0.05


@dataclass(frozen=True, slots=True)
class Variation:
    """How much an image may change. ``least_crop`` is the least side of a crop, as a part of the image; ``turn`` the
    largest angle in degrees; ``light`` and ``tint`` the spread of the brightness, all channels together and each for
    itself, as the standard deviation of its logarithm."""

    least_crop: float
    turn: float = 0.0
    light: float = 0.0
    tint: float = 0.0


PLAIN = Variation(0.8)
"""A studio photo is filled by its product, and its colours are as they should be: shoppers search by them."""

BUSY = Variation(0.4, turn=35.0, light=0.3, tint=0.1)
"""A phone photo shows several products, or one somewhere in it, askew and in whatever light the shop has."""

POSED = Variation(0.75, turn=10.0, light=0.1)
"""A large catalog image of one thing on white: all of it matters, and no shopper's phone has been near it."""


@dataclass(frozen=True, slots=True)
class StoredImage:
    """Images of one size; uint8, shape (n, 3, h, w)."""

    images: torch.Tensor
    variation: Variation

    def plain(self, indices: torch.Tensor, size: Size) -> torch.Tensor:
        """Images as they are seen after training, in -1..1, float32, shape (n, 3, height, width)."""
        pixels = self.images[indices].float() / 127.5 - 1
        return pixels if pixels.shape[-2:] == size else interpolate(pixels, size=size, mode="area")

    def vary(self, indices: torch.Tensor, size: Size, rng: torch.Generator) -> torch.Tensor:
        """A random crop, stretch, turn and mirror image of each image in a random light, scaled to [-1, 1];
        float32, (n, 3, *size). What falls outside an image is white."""
        return self.vary_and_place(indices, size, rng)[0]

    def vary_and_place(
        self, indices: torch.Tensor, size: Size, rng: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """As ``vary``, and which part of each image is seen, as affine matrices (n, 2, 3): they take a place in what
        is seen to the same place in the image, both from -1 to 1."""
        darkness = (255 - self.images[indices]).float()  # so that the zeros outside are white
        placement = self._placement(len(indices), rng)
        grid = affine_grid(placement, [len(indices), 3, *size], align_corners=False)
        varied = 1 - grid_sample(darkness, grid, mode="bilinear", padding_mode="zeros", align_corners=False) / 127.5
        return self._lit(varied, rng) if self.variation.light else varied, placement

    def _placement(self, n: int, rng: torch.Generator) -> torch.Tensor:
        """Which part of each image is seen, as affine matrices, shape (n, 2, 3)."""
        scale = torch.empty(n).uniform_(self.variation.least_crop, 1.05, generator=rng)
        aspect = torch.empty(n).uniform_(1 - ASPECT, 1 + ASPECT, generator=rng)
        mirror = torch.randint(0, 2, (n,), generator=rng) * 2.0 - 1.0
        angle = torch.empty(n).uniform_(-1, 1, generator=rng) * math.radians(self.variation.turn)
        room = (1 - scale).clamp(min=0) + SHIFT
        theta = torch.empty(n, 2, 3)
        theta[:, 0, 0] = scale * aspect * mirror * angle.cos()
        theta[:, 0, 1] = -scale * angle.sin()
        theta[:, 1, 0] = scale * mirror * angle.sin()
        theta[:, 1, 1] = scale / aspect * angle.cos()
        theta[:, :, 2] = torch.empty(n, 2).uniform_(-1, 1, generator=rng) * room[:, None]
        return theta

    def _lit(self, varied: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
        n = len(varied)
        light = torch.randn(n, 1, 1, 1, generator=rng) * self.variation.light
        tint = torch.randn(n, 3, 1, 1, generator=rng) * self.variation.tint
        return ((varied + 1) * (light + tint).exp() - 1).clamp(max=1)


class Album:
    """All images to train on, source after source, each source at the size that suits it."""

    def __init__(self, parts: Sequence[StoredImage]) -> None:
        self._parts = parts
        self._ends = np.cumsum([len(part.images) for part in parts])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def plain(self, indices: torch.Tensor, size: Size) -> torch.Tensor:
        """Images at positions in the whole album, as they are; float32, shape (n, 3, *size)."""
        pixels = torch.empty(len(indices), 3, *size)
        for here, part, within in self._of_parts(indices):
            pixels[here] = part.plain(within, size)
        return pixels

    def vary(self, indices: torch.Tensor, size: Size, rng: torch.Generator) -> torch.Tensor:
        """Images at positions in the whole album, each varied as its source allows; float32, shape (n, 3, *size)."""
        return self.vary_and_place(indices, size, rng)[0]

    def vary_and_place(
        self, indices: torch.Tensor, size: Size, rng: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """As ``vary``, and which part of each image is seen, as ``StoredImage.vary_and_place`` says it."""
        varied = torch.empty(len(indices), 3, *size)
        placement = torch.empty(len(indices), 2, 3)
        for here, part, within in self._of_parts(indices):
            varied[here], placement[here] = part.vary_and_place(within, size, rng)
        return varied, placement

    def _of_parts(self, indices: torch.Tensor) -> Iterator[tuple[torch.Tensor, StoredImage, torch.Tensor]]:
        """Which of the indices are in each part, and their positions in it; parts without any are left out."""
        start = 0
        for part, end in zip(self._parts, self._ends.tolist(), strict=True):
            here = (indices >= start) & (indices < end)
            if here.any():
                yield here, part, indices[here] - start
            start = end


def decode(encoded: bytes) -> Image.Image:
    """Decode an encoded encoded as RGB. Raises OSError where it is damaged."""
    with Image.open(io.BytesIO(encoded)) as image:
        return image.convert("RGB")


def store(images: Sequence[bytes], size: Size, large: Variation = BUSY) -> StoredImage:
    """Decode images and squash them to ``size``, or to twice that where they are larger: these are taken for phone
    photos unless ``large`` says otherwise, and vary more."""
    height = max((decode(image).height for image in images[:100]), default=0)
    is_large = height > NATIVE_SCALE * size[0]
    height, width = (2 * size[0], 2 * size[1]) if is_large else size
    fit = Preprocessing((height, width), (0.0, 0.0, 0.0), (1 / 255,) * 3, resize_mode="squash")
    stacked = torch.empty((len(images), 3, height, width), dtype=torch.uint8)
    for index, image in enumerate(images):
        stacked[index] = torch.from_numpy(np.rint(fit(decode(image))).astype(np.uint8))
    return StoredImage(stacked, large if is_large else PLAIN)
