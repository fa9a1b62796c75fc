"""The 25 classes that no encoder learned from: from their names to their pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.catalogs import Figure
from benchmarks.unseen.shops import images_alone, opened
from recipes.encoder.held_out import HELD_OUT_CLASSES, held_out_class
from vitrina.evaluation import metrics
from vitrina.search.encoders.base import Encoder

FILES = (
    "caltech101-products",
    "caltech101-other",
    "sweethome3d-icons",
    "sweethome3d-renders",
    "sweethome3d-recoloured",
)
AT_LEAST = 0.50


def measure_classes(encoder: Encoder, data: Path) -> Iterator[Figure]:
    """Precision among the pictures of these classes alone, and among all pictures of their files."""
    rows, classes = read_gallery(data)
    of_a_class = pa.array([name != "" for name in classes])
    kept = [name for name in classes if name]
    yield precision(encoder, rows.filter(of_a_class), kept, "their own pictures", AT_LEAST)
    yield precision(encoder, rows, classes, "all pictures of their files", None)


def read_gallery(data: Path) -> tuple[pa.Table, list[str]]:
    """The pictures, and the held-out class that each title names, empty for none. Rows whose article alone names one
    are left out: it may be shown beside other things."""
    tables, classes = [], []
    for file in FILES:
        table = pq.read_table(data / f"{file}.parquet", columns=["sku", "title", "article", "image"])
        titles, articles = table["title"].to_pylist(), table["article"].to_pylist()
        shown = [held_out_class(file, title) or "" for title in titles]
        beside = [not name and held_out_class(file, "", article) for name, article in zip(shown, articles, strict=True)]
        tables.append(table.select(["sku", "image"]).filter(pa.array([not each for each in beside])))
        classes += [name for name, left_out in zip(shown, beside, strict=True) if not left_out]
    return pa.concat_tables(tables, promote_options="permissive"), classes


def precision(encoder: Encoder, rows: pa.Table, classes: list[str], among: str, bound: float | None) -> Figure:
    """The mean P@10 of the classes' names, capped for a class of fewer pictures."""
    grades = {
        name: {str(at): 1 for at, shown in enumerate(classes) if shown == name}
        for name in HELD_OUT_CLASSES
        if name in classes
    }
    with opened(encoder, images_alone(rows)) as store:
        rankings = [[hit.item.sku for hit in store.search(name).hits] for name in grades]
    values = metrics.measure(rankings, list(grades.values()))[metrics.CAPPED]
    interval = metrics.intervals(values[:, np.newaxis])[0]
    how = f"{len(grades)} classes among {among}, {rows.num_rows:,}; 95% interval {interval.low:.3f} to "
    worst = ", ".join(sorted(grades, key=lambda name: float(values[list(grades).index(name)]))[:5])
    return Figure(
        "held-out class to picture, P@10", interval.mean, bound, how=f"{how}{interval.high:.3f}; worst: {worst}"
    )
