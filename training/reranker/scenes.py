"""Scenes: drawings of the boutique with the box of every thing in them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from boutique.export import write_folder
from search.reranking.base import Box
from training.corpus import Rows
from training.product import Product

SCENE_SEED = 2000
"""Neither the demo's drawings (0) nor the encoder's (1000)."""

SCENE_SIZE = 96

Boxes = Mapping[str, Mapping[str, Box]]
"""By sku, the box of the article and of each named part."""


def read_scenes(work: Path, n: int, say: Callable[[str], None], *, seed: int = SCENE_SEED) -> tuple[Rows, Boxes]:
    """``n`` drawings, rendered into ``work`` where they are missing, by a process a core. Blocks."""
    folder = work / f"scenes-{n}"
    if not folder.is_dir():
        say(f"drawing {n} boutique products")
        partial = folder.with_suffix(".partial")
        write_folder(partial, n, seed=seed, size=SCENE_SIZE)
        partial.replace(folder)
    rows = [json.loads(line) for line in _lines(folder / "catalog.jsonl")]
    places = [json.loads(line) for line in _lines(folder / "boxes.jsonl")]
    boxes = {row["sku"]: {name: Box(*box) for name, box in row["boxes"].items()} for row in places}
    pictures = tuple((folder / row["image"]).read_bytes() for row in rows)
    return Rows("boutique", tuple(Product.from_row(row) for row in rows), pictures), boxes


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()
