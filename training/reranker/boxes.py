"""Boxes of drawn things, in the picture as it was drawn and as it is seen after a crop."""

from __future__ import annotations

import torch

from search.reranking.backends.transformers.boxes import N_PLACES, Measure, box_in
from search.reranking.base import Box
from training.reranker.template import PLACES

LEAST_SEEN = 0.6
"""Of a box's area, after a crop: what is cut off further is not asked for."""


def written(box: Box) -> str:
    """A box as the model writes it: left, top, right, bottom, each one of ``PLACES``."""
    sides = (box.left, box.top, box.right, box.bottom)
    return "".join(PLACES[round(min(1.0, max(0.0, side)) * (N_PLACES - 1))] for side in sides)


def read_box(text: str) -> Box | None:
    """The box that a model wrote, or None where it wrote something else, or an empty one."""
    return box_in(text, Measure.PLACES, (1, 1))


def seen(box: Box, placement: torch.Tensor) -> Box | None:
    """A box of a picture in a view of it; None where too little of it is left. ``placement`` is the affine matrix
    (2, 3) of ``Stored.vary_and_place``, without a turn."""
    (across, _, right), (_, down, low) = placement.tolist()
    sides = sorted((side * 2 - 1 - right) / across for side in (box.left, box.right))
    ends = sorted((end * 2 - 1 - low) / down for end in (box.top, box.bottom))
    whole = (sides[1] - sides[0]) * (ends[1] - ends[0])
    left, end = (min(1.0, max(-1.0, side)) for side in sides)
    top, bottom = (min(1.0, max(-1.0, side)) for side in ends)
    if (end - left) * (bottom - top) < LEAST_SEEN * whole:
        return None
    return Box((left + 1) / 2, (top + 1) / 2, (end + 1) / 2, (bottom + 1) / 2)
