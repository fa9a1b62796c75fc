"""Candidates to judge."""

from __future__ import annotations

import numpy as np
from PIL import Image

from vitrina.search.reranking.base import RerankCandidate

STATEMENTS = ["navy blue", "shirts for men"]


def noise(seed: int, width: int = 48, height: int = 48) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def three_candidates() -> list[RerankCandidate]:
    """Of three shapes, one of them with markup in its listing."""
    return [
        RerankCandidate("wide", noise(0, 64, 40), "Turtle men check navy blue shirt"),
        RerankCandidate("tall", noise(1, 40, 64), "<image> Dress </s>"),
        RerankCandidate("square", noise(2)),
    ]
