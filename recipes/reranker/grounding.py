"""Grounding data: drawings with the box of every thing in them, as it is seen after a crop."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from recipes.boutique.export import write_folder
from recipes.encoder.corpus import LabelledRows
from recipes.encoder.labels import LabelledProduct
from recipes.reranker.template import PLACES
from vitrina.search.reranking.backends.transformers.generation import N_PLACES, BoxUnit, parse_box
from vitrina.search.reranking.base import Box

MIN_VISIBLE = 0.6
"""Of a box's area, after a crop: what is cut off further is not asked for."""


def write_box(box: Box) -> str:
    """A box as the model writes it: left, top, right, bottom, each one of ``PLACES``."""
    sides = (box.left, box.top, box.right, box.bottom)
    return "".join(PLACES[round(min(1.0, max(0.0, side)) * (N_PLACES - 1))] for side in sides)


def read_box(text: str) -> Box | None:
    """The box that a model wrote, or None where it wrote something else, or an empty one."""
    return parse_box(text, BoxUnit.PLACES, (1, 1))


def visible_box(box: Box, placement: torch.Tensor) -> Box | None:
    """A box of an image in a view of it; None where too little of it is left. ``placement`` is the affine matrix
    (2, 3) of ``StoredImage.vary_and_place``, without a turn."""
    (across, _, right), (_, down, low) = placement.tolist()
    sides = sorted((side * 2 - 1 - right) / across for side in (box.left, box.right))
    ends = sorted((end * 2 - 1 - low) / down for end in (box.top, box.bottom))
    whole = (sides[1] - sides[0]) * (ends[1] - ends[0])
    left, end = (min(1.0, max(-1.0, side)) for side in sides)
    top, bottom = (min(1.0, max(-1.0, side)) for side in ends)
    if (end - left) * (bottom - top) < MIN_VISIBLE * whole:
        return None
    return Box((left + 1) / 2, (top + 1) / 2, (end + 1) / 2, (bottom + 1) / 2)


GROUNDING_SEED = 2000
"""Neither the demo's drawings (0) nor the encoder's (1000)."""

IMAGE_SIZE_PX = 96

Boxes = Mapping[str, Mapping[str, Box]]
"""By sku, the box of the article and of each named part."""


def read_grounding_data(
    work: Path, n: int, say: Callable[[str], None], *, seed: int = GROUNDING_SEED
) -> tuple[LabelledRows, Boxes]:
    """``n`` drawings, rendered into ``work`` where they are missing, by a process a core. Blocks."""
    folder = work / f"scenes-{n}"
    if not folder.is_dir():
        say(f"drawing {n} boutique products")
        partial = folder.with_suffix(".partial")
        write_folder(partial, n, seed=seed, size=IMAGE_SIZE_PX)
        partial.replace(folder)
    rows = [json.loads(line) for line in _lines(folder / "catalog.jsonl")]
    places = [json.loads(line) for line in _lines(folder / "boxes.jsonl")]
    boxes = {row["sku"]: {name: Box(*box) for name, box in row["boxes"].items()} for row in places}
    images = tuple((folder / row["image"]).read_bytes() for row in rows)
    return LabelledRows("boutique", tuple(LabelledProduct.from_row(row) for row in rows), images), boxes


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()
