"""The sources that the embedded models are made from: files of real shops, collages, and drawings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from boutique.export import write_parquet
from training.collages import collages
from training.corpus import CATALOG_FILE, TRAINING_FILES, Rows, read_rows

Say = Callable[[str], None]

GROCERIES, CATALOG, CLOTHES = "grocery-train", "grocery-iconic", "clothing-train"

N_COLLAGES = 50
"""Collages of each catalog picture."""

BOUTIQUE_SEED = 1000
"""The demo draws with seed 0; training must not have seen its drawings."""


def read_corpus(data: Path, work: Path, n_drawings: int, say: Say) -> list[Rows]:
    """The shared training files; the groceries' catalog and collages of it; and drawings of the boutique, rendered into
    ``work`` where they are missing."""
    shops = [read_rows(data / name) for name in TRAINING_FILES]
    catalog = replace(read_rows(data / CATALOG_FILE), is_whole=True)
    say(f"pasting {N_COLLAGES * len(catalog.products)} collages of {catalog.source}")
    photos, _ = next(shop for shop in shops if shop.source == GROCERIES).split()
    made = [catalog, collages(catalog, photos, N_COLLAGES, seed=0)]
    if n_drawings:
        drawings = work / f"boutique-{n_drawings}.parquet"
        if not drawings.is_file():
            say(f"drawing {n_drawings} boutique products")
            partial = drawings.with_suffix(".partial")
            write_parquet(partial, n_drawings, seed=BOUTIQUE_SEED)
            partial.replace(drawings)
        made.append(read_rows(drawings))
    return [*shops, *made]
