"""Pictures as tensors: decoded once, kept small in memory, varied anew for every step."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import affine_grid, grid_sample

from search.encoders.preprocessing import Preprocessing, Size

NATIVE_SCALE = 1.25
"""Pictures at least this much larger than the tower's input are kept at twice its size, so that a crop stays sharp."""

ASPECT = 0.1
SHIFT = 0.05
PLAIN_CROP = 0.7
BUSY_CROP = 0.45
"""The least side of a crop, as a part of the picture. A studio photo is filled by its product; a phone photo shows
several, or one somewhere in it, so it bears harder crops."""


@dataclass(frozen=True, slots=True)
class Stored:
    """Pictures of one size; uint8, shape (n, 3, h, w). ``least_crop`` is the least side of a crop, as a part."""

    pictures: torch.Tensor
    least_crop: float

    def vary(self, indices: torch.Tensor, size: Size, dice: torch.Generator) -> torch.Tensor:
        """A random crop, stretch and mirror image of each picture, scaled to [-1, 1]; float32, (n, 3, *size).

        Colours stay as they are: shoppers search by them. What falls outside a picture is white.
        """
        n = len(indices)
        scale = torch.empty(n).uniform_(self.least_crop, 1.05, generator=dice)
        aspect = torch.empty(n).uniform_(1 - ASPECT, 1 + ASPECT, generator=dice)
        mirror = torch.randint(0, 2, (n,), generator=dice) * 2.0 - 1.0
        room = (1 - scale).clamp(min=0) + SHIFT
        theta = torch.zeros(n, 2, 3)
        theta[:, 0, 0] = scale * aspect * mirror
        theta[:, 1, 1] = scale / aspect
        theta[:, :, 2] = torch.empty(n, 2).uniform_(-1, 1, generator=dice) * room[:, None]
        grid = affine_grid(theta, [n, 3, *size], align_corners=False)
        darkness = (255 - self.pictures[indices]).float()  # so that the zeros outside are white
        return 1 - grid_sample(darkness, grid, mode="bilinear", padding_mode="zeros", align_corners=False) / 127.5


class Album:
    """All pictures to train on, source after source, each source at the size that suits it."""

    def __init__(self, parts: Sequence[Stored]) -> None:
        self._parts = parts
        self._ends = np.cumsum([len(part.pictures) for part in parts])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def vary(self, indices: torch.Tensor, size: Size, dice: torch.Generator) -> torch.Tensor:
        """Pictures at positions in the whole album, each varied as its source allows; float32, shape (n, 3, *size)."""
        varied = torch.empty(len(indices), 3, *size)
        start = 0
        for part, end in zip(self._parts, self._ends.tolist(), strict=True):
            here = (indices >= start) & (indices < end)
            varied[here] = part.vary(indices[here] - start, size, dice)
            start = end
        return varied


def decode(picture: bytes) -> Image.Image:
    """Decode an encoded picture as RGB. Raises OSError where it is damaged."""
    with Image.open(io.BytesIO(picture)) as image:
        return image.convert("RGB")


def store(pictures: Sequence[bytes], size: Size) -> Stored:
    """Decode pictures and squash them to ``size``, or to twice that where they are larger.

    Larger pictures are taken for phone photos, see ``BUSY_CROP``.
    """
    height = max((decode(picture).height for picture in pictures[:100]), default=0)
    is_large = height > NATIVE_SCALE * size[0]
    height, width = (2 * size[0], 2 * size[1]) if is_large else size
    fit = Preprocessing((height, width), (0.0, 0.0, 0.0), (1 / 255,) * 3, resize_mode="squash")
    stacked = torch.empty((len(pictures), 3, height, width), dtype=torch.uint8)
    for index, picture in enumerate(pictures):
        stacked[index] = torch.from_numpy(np.rint(fit(decode(picture))).astype(np.uint8))
    return Stored(stacked, BUSY_CROP if is_large else PLAIN_CROP)
