"""Pictures as tensors: decoded once, kept small in memory, varied anew for every step."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import affine_grid, grid_sample

from search.encoders.preprocessing import Preprocessing

STORED_SIDE = 80
"""Pixels a side in memory: the longest side of the fashion photos, so nothing of them is lost. 19 KB a picture."""

SCALES = (0.72, 1.05)
"""The part of the stored square that a training step sees, as side lengths."""

ASPECT = 0.08
SHIFT = 0.05


def decode(picture: bytes) -> Image.Image:
    """Decode an encoded picture as RGB. Raises OSError where it is damaged."""
    with Image.open(io.BytesIO(picture)) as image:
        return image.convert("RGB")


def stack(pictures: Sequence[bytes], side: int = STORED_SIDE) -> torch.Tensor:
    """Decode and pad with white to squares; uint8, shape (n, 3, side, side)."""
    fit = Preprocessing((side, side), (0.0, 0.0, 0.0), (1 / 255,) * 3, resize_mode="longest", fill_color=255)
    stacked = torch.empty((len(pictures), 3, side, side), dtype=torch.uint8)
    for index, picture in enumerate(pictures):
        stacked[index] = torch.from_numpy(np.rint(fit(decode(picture))).astype(np.uint8))
    return stacked


def vary(stored: torch.Tensor, side: int, dice: torch.Generator) -> torch.Tensor:
    """A random crop, stretch and mirror image of each picture, scaled to [-1, 1]; float32, shape (n, 3, side, side).

    Colours stay as they are: shoppers search by them. What falls outside a picture is white.
    """
    n = len(stored)
    scale = torch.empty(n).uniform_(*SCALES, generator=dice)
    aspect = torch.empty(n).uniform_(1 - ASPECT, 1 + ASPECT, generator=dice)
    mirror = torch.randint(0, 2, (n,), generator=dice) * 2.0 - 1.0
    room = (1 - scale).clamp(min=0) + SHIFT
    shift = torch.empty(n, 2).uniform_(-1, 1, generator=dice) * room[:, None]
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0] = scale * aspect * mirror
    theta[:, 1, 1] = scale / aspect
    theta[:, :, 2] = shift
    grid = affine_grid(theta, [n, 3, side, side], align_corners=False)
    darkness = (255 - stored).float()  # so that the zeros outside are white
    return 1 - grid_sample(darkness, grid, mode="bilinear", padding_mode="zeros", align_corners=False) / 127.5
