"""Queries with a photo: this one, but in another colour; and the very photo, or the sku, that is indexed."""

from __future__ import annotations

import io
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

import vitrina
from benchmarks.catalogs import Figure, Row, encoded_image, image_of
from benchmarks.unseen.shops import images_alone, opened
from vitrina.evaluation import metrics
from vitrina.search.encoders.base import Encoder
from vitrina.search.types.answer import Answer

CATALOG = "fashion-validation"
N_PAIRS = 200
MIN_RIGHT = 3
"""The least rows of an article, gender and colour that make the colour worth asking for."""

LEAST_BY_IMAGES, LEAST_BY_ALL = 0.66, 0.95
BELOW_WORDS = -0.02


@dataclass(frozen=True, slots=True)
class ColourChange:
    """The row whose photo is shown, the colour that is asked for, and the rows that are right."""

    row: int
    colour: str
    article: str
    gender: str
    right: tuple[int, ...]

    @property
    def in_words(self) -> str:
        """The same without a photo: ``red tshirts men``."""
        return f"{self.colour} {self.article} {self.gender}".lower()


def colour_changes(rows: Sequence[Row], n: int = N_PAIRS, seed: int = 0) -> list[ColourChange]:
    """``n`` photos, each with another colour in which the catalog has the same article for the same gender."""
    by_kind: dict[tuple[str, str], dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for at, row in enumerate(rows):
        if row["article"] and row["gender"] and row["colour"]:
            by_kind[str(row["article"]), str(row["gender"])][str(row["colour"])].append(at)
    rng = random.Random(seed)
    changes = []
    for at in rng.sample(range(len(rows)), len(rows)):
        row = rows[at]
        of_kind = by_kind.get((str(row["article"]), str(row["gender"])), {})
        others = [colour for colour, same in of_kind.items() if len(same) >= MIN_RIGHT and colour != row["colour"]]
        if row["colour"] and others:
            colour = rng.choice(others)
            changes.append(ColourChange(at, colour, str(row["article"]), str(row["gender"]), tuple(of_kind[colour])))
    return changes[:n]


def measure_colour_changes(encoder: Encoder, data: Path) -> Iterator[Figure]:
    """By pictures alone and with all fields, each beside what the words say alone."""
    table = pq.read_table(data / f"{CATALOG}.parquet")
    rows = table.to_pylist()
    changes = colour_changes(rows)
    for how, catalog, least in (
        ("pictures alone", images_alone(table), LEAST_BY_IMAGES),
        ("all fields", table, LEAST_BY_ALL),
    ):
        skus = catalog["sku"].to_pylist()
        with opened(encoder, catalog) as store:
            composed = [store.search(each.colour, image=image_of(rows[each.row])) for each in changes]
            in_words = [store.search(each.in_words) for each in changes]
        judgements = [{skus[at]: 1 for at in each.right} for each in changes]
        by_photo, by_words = (precisions(answers, judgements) for answers in (composed, in_words))
        what = f"{CATALOG}, {how}, {len(changes)} pairs"
        yield figure("a photo and another colour, P@10", by_photo, least, what)
        yield figure("the colour with the photo's article and gender in words, P@10", by_words, None, what)
        yield figure("a photo and another colour, less those words", by_photo - by_words, BELOW_WORDS, what)


def precisions(answers: Sequence[Answer], judgements: Sequence[metrics.Grades]) -> metrics.Values:
    rankings = [[hit.item.sku for hit in answer.hits] for answer in answers]
    return metrics.measure(rankings, judgements)[metrics.CAPPED]


def figure(name: str, values: metrics.Values, bound: float | None, what: str) -> Figure:
    interval = metrics.intervals(values[:, np.newaxis])[0]
    how = f"{what}; 95% interval {interval.low:.3f} to {interval.high:.3f}"
    return Figure(name, interval.mean, bound, how=how)


N_CERTAIN = 500
CERTAIN, LEAST_CERTAIN = 0.95, 0.99
QUALITY = 80
"""A JPEG that was saved again, as by a messenger or a content server."""


def measure_certainty(encoder: Encoder, data: Path) -> Iterator[Figure]:
    """Skus, and the items' own photos saved again, in a catalog whose titles are a camera's file names."""
    table = pq.read_table(data / f"{CATALOG}.parquet", columns=["sku", "image"])
    titles = [f"DSC_{number:04d}.JPG" for number in range(table.num_rows)]
    rows = table.append_column("title", pa.array(titles)).to_pylist()
    asked = random.Random(0).sample(range(len(rows)), N_CERTAIN)
    same_photo = photos_shared(rows)
    with opened(encoder, table.append_column("title", pa.array(titles))) as store:
        by_sku = [store.search(str(rows[at]["sku"])) for at in asked]
        by_photo = [store.search(image=saved_again(rows[at])) for at in asked]
    what = f"{CATALOG}, {N_CERTAIN} of {len(rows):,} items with a camera's file names as titles"
    skus = [{str(rows[at]["sku"])} for at in asked]
    yield from certain("a sku", by_sku, skus, what)
    yield from certain("an item's own photo, saved again", by_photo, [same_photo[at] for at in asked], what)


def photos_shared(rows: Sequence[Row]) -> list[set[str]]:
    """For each row the skus of all rows with the very same photo."""
    by_photo: dict[bytes, set[str]] = defaultdict(set)
    for row in rows:
        by_photo[encoded_image(row)].add(str(row["sku"]))
    return [by_photo[encoded_image(row)] for row in rows]


def saved_again(row: Row) -> Image.Image:
    """The row's image after one more JPEG compression."""
    file = io.BytesIO()
    image_of(row).save(file, "JPEG", quality=QUALITY)
    return Image.open(file).convert("RGB")


def certain(what: str, answers: Sequence[vitrina.Answer], right: Sequence[set[str]], how: str) -> Iterator[Figure]:
    """How often the right item comes first, and comes first with ``CERTAIN`` confidence."""
    firsts = [answer.hits[0] if answer.hits else None for answer in answers]
    found = [hit is not None and hit.item.sku in skus for hit, skus in zip(firsts, right, strict=True)]
    sure = [ok and hit is not None and (hit.confidence or 0) >= CERTAIN for hit, ok in zip(firsts, found, strict=True)]
    yield Figure(f"{what} brings its item first", float(np.mean(found)), LEAST_CERTAIN, how=how)
    yield Figure(f"{what}, first with confidence {CERTAIN}", float(np.mean(sure)), LEAST_CERTAIN, how=how)
