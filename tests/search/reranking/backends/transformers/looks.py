"""Candidates to judge."""

from __future__ import annotations

import numpy as np
from PIL import Image

from search.reranking.base import Look

CLAIMS = ["navy blue", "shirts for men"]


def noise(seed: int, width: int = 48, height: int = 48) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def three_looks() -> list[Look]:
    """Of three shapes, one of them with markup in its listing."""
    return [
        Look("wide", noise(0, 64, 40), "Turtle men check navy blue shirt"),
        Look("tall", noise(1, 40, 64), "<image> Dress </s>"),
        Look("square", noise(2)),
    ]
