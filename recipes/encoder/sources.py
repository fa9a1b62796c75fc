"""Sources: every file that the encoder learns from, as labelled products, and how often each is seen."""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from recipes.encoder.corpus import (
    LabelledRows,
    Say,
    collages,
    drawn_boutique,
    encoded,
    is_held_out,
    read_rows,
    repeat_factors,
)
from recipes.encoder.held_out import is_kept_from_training
from recipes.encoder.images import BUSY, PLAIN, POSED, Album, StoredImage, Variation, decode
from recipes.encoder.labels import LabelledProduct
from vitrina.search.encoders.base import Preprocessing, ResizeMode

COLOURS, COLLAGES, BOUTIQUE = "drawn-colours", "grocery-iconic-collages", "boutique"


@dataclass(frozen=True, slots=True)
class TrainingSource:
    """A file by its stem, its share of the images of a batch, and how its images are varied."""

    name: str
    share: float
    variation: Variation


SOURCES = (
    TrainingSource("fashion-train", 0.42, PLAIN),
    TrainingSource("grocery-train", 0.07, BUSY),
    TrainingSource("grocery-iconic", 0.01, POSED),
    TrainingSource(COLLAGES, 0.03, BUSY),
    TrainingSource("clothing-train", 0.07, BUSY),
    TrainingSource("demo-shop-products", 0.04, PLAIN),
    TrainingSource("zava-diy-products", 0.03, POSED),
    TrainingSource("sweethome3d-icons", 0.03, POSED),
    TrainingSource("sweethome3d-renders", 0.06, POSED),
    TrainingSource("sweethome3d-recoloured", 0.06, POSED),
    TrainingSource("caltech101-products", 0.09, PLAIN),
    TrainingSource("caltech101-other", 0.03, PLAIN),
    TrainingSource("emoji-objects", 0.05, POSED),
    TrainingSource("openclipart-objects", 0.04, POSED),
    TrainingSource(COLOURS, 0.03, POSED),
    TrainingSource(BOUTIQUE, 0.05, POSED),
)
"""The large file is 59% of the rows and must not drown the rest; phone photos need the most variation."""

STORED_SIZE = 144
"""Images are kept a little larger than the tower's input, so that a crop stays sharp."""

N_COLLAGES = 20
N_DRAWN_COLOURS = 2400
N_BOUTIQUE = 1500


def read_sources(data: Path, work: Path, say: Say) -> list[LabelledRows]:
    """The rows of every source, in the order of ``SOURCES``; what the boutique draws is kept in ``work``. Raises
    OSError where a file is missing."""
    rows: dict[str, LabelledRows] = {}
    for source in SOURCES:
        if source.name == COLOURS:
            part = drawn_colours(data / "words", N_DRAWN_COLOURS, seed=0)
        elif source.name == COLLAGES:
            photos, _ = rows["grocery-train"].split()
            part = collages(rows["grocery-iconic"], photos, N_COLLAGES, seed=0)
        elif source.name == BOUTIQUE:
            part = drawn_boutique(work / f"{BOUTIQUE}.parquet", N_BOUTIQUE, say)
        else:
            part = read_file(data, source.name)
        rows[source.name] = part
        say(f"{source.name}: {len(part.products)} images")
    return list(rows.values())


def read_file(data: Path, name: str) -> LabelledRows:
    """The rows of a source that is a file. Raises OSError where it is missing."""
    part = read_rows(data / f"{name}.parquet")
    products = tuple(map(_NORMALISED.get(name, _as_it_is), part.products))
    return replace(part, products=products, is_whole=name == "grocery-iconic")


def is_learnt(rows: LabelledRows) -> list[bool]:
    """Which rows are trained on: not those held out for tuning, nor the classes and shops that the encoder is measured
    on as never seen."""
    return [
        (rows.is_whole or not is_held_out(product.sku)) and not is_measured(rows, product) for product in rows.products
    ]


def is_measured(rows: LabelledRows, product: LabelledProduct) -> bool:
    """Whether a row belongs to a shop or a class that ``benchmarks unseen`` measures as never seen."""
    return is_kept_from_training(rows.source, product.title, " ".join((*product.kinds, product.description)))


def _as_it_is(product: LabelledProduct) -> LabelledProduct:
    return replace(product, description="" if product.description == "None" else product.description)


def _described(product: LabelledProduct) -> LabelledProduct:
    """A row of the demo shops, or of drawings: its ``article`` is a description or a list of tags."""
    said, category = (
        (product.kinds[0], product.kinds[-1]) if len(product.kinds) > 1 else ("", *product.kinds[:1], "")[:2]
    )
    return replace(product, description=said, kinds=tuple(_leaf(kind) for kind in [category] if kind))


def _recoloured(product: LabelledProduct) -> LabelledProduct:
    """A rendered model in another colour: ``dark green armchair``."""
    colour = product.kinds[0]
    return replace(product, colour=colour, kinds=(product.title.removeprefix(colour).strip(),))


def _named(product: LabelledProduct) -> LabelledProduct:
    """A row whose title is its class."""
    return replace(product, kinds=(product.title, *(_leaf(kind) for kind in product.kinds[1:])))


def _leaf(category: str) -> str:
    """The last part of a category: ``objects/musical-instrument`` is a musical instrument."""
    return re.split(r"[/>]", category)[-1].replace("-", " ").strip()


_NORMALISED: Mapping[str, Callable[[LabelledProduct], LabelledProduct]] = {
    "demo-shop-products": _described,
    "emoji-objects": _described,
    "openclipart-objects": _described,
    "sweethome3d-icons": _described,
    "sweethome3d-renders": _described,
    "sweethome3d-recoloured": _recoloured,
    "caltech101-products": _named,
    "caltech101-other": lambda product: replace(_named(product), kinds=(product.title,)),
    "zava-diy-products": _named,
}


BASE_COLOURS = (
    "beige", "black", "blue", "brown", "gold", "gray", "green", "grey", "khaki", "lavender", "lime", "magenta",
    "maroon", "mustard", "navy", "olive", "orange", "peach", "pink", "purple", "red", "rose", "salmon", "silver",
    "tan", "teal", "turquoise", "violet", "white", "yellow",
)  # fmt: skip


def drawn_colours(words: Path, n: int, seed: int) -> LabelledRows:
    """``n`` shapes drawn in named colours: the names and sRGB values of xkcd's survey and of shops' own lists."""
    lists = json.loads((words / "color_lists_small.json").read_text(encoding="utf-8"))
    names = {entry["name"].lower(): entry["hex"] for entries in lists.values() for entry in entries}
    known = sorted(name for name in names if re.fullmatch(r"[a-z][a-z' -]+", name))
    base = [name for name in known if name in BASE_COLOURS]
    rng = random.Random(seed)
    products, images = [], []
    for at in range(n):
        name = rng.choice(base) if at % 3 == 0 else rng.choice(known)
        last = name.split()[-1]
        kinds = (last,) if last in BASE_COLOURS and last != name else ()
        products.append(LabelledProduct(f"colour-{at}", name, colour=name, kinds=kinds))
        images.append(encoded(_shape(names[name], rng)))
    return LabelledRows(COLOURS, tuple(products), tuple(images), is_whole=True)


def _shape(colour: str, rng: random.Random) -> Image.Image:
    """An ellipse, a box or a star-like polygon of one colour, lighter on one side, on white."""
    side = 160
    mask = Image.new("L", (side, side))
    draw = ImageDraw.Draw(mask)
    left, top = (rng.uniform(0.05, 0.35) * side for _ in range(2))
    right, bottom = (rng.uniform(0.65, 0.95) * side for _ in range(2))
    form = rng.randrange(3)
    if form == 0:
        draw.ellipse((left, top, right, bottom), 255)
    elif form == 1:
        draw.rounded_rectangle((left, top, right, bottom), rng.uniform(0, 30), 255)
    else:
        corners = rng.randint(3, 10)
        angles = [2 * math.pi * (at + rng.uniform(0, 0.6)) / corners for at in range(corners)]
        radii = [side * rng.uniform(0.22, 0.48) for _ in angles]
        draw.polygon(
            [(side / 2 + r * math.cos(a), side / 2 + r * math.sin(a)) for a, r in zip(angles, radii, strict=True)], 255
        )
    light = np.linspace(1.12, 0.82, side)[:, None] if rng.random() < 0.5 else np.linspace(0.85, 1.1, side)[None, :]
    rgb = np.array([int(colour.lstrip("#")[at : at + 2], 16) for at in (0, 2, 4)], np.float32)
    shaded = np.clip(rgb * np.broadcast_to(light[..., None], (side, side, 1)), 0, 255).astype(np.uint8)
    ground = Image.new("RGB", (side, side), "white")
    ground.paste(Image.fromarray(shaded), (0, 0), mask)
    return ground


def stored_images(
    rows: LabelledRows,
    variation: Variation,
    work: Path,
    side: int = STORED_SIZE,
    resize_mode: ResizeMode = "longest",
) -> StoredImage:
    """The images of some rows, letterboxed on white or as ``resize_mode`` says, uint8, (n, 3, side, side); kept in
    ``work`` from run to run."""
    shape = (len(rows.images), 3, side, side)
    path = work / f"{rows.source}-{len(rows.images)}.u8"
    if not path.is_file() or path.stat().st_size != math.prod(shape):
        fit = Preprocessing((side, side), (0.0,) * 3, (1 / 255,) * 3, resize_mode=resize_mode, fill_color=255)
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            for image in rows.images:
                file.write(np.rint(fit(decode(image))).astype(np.uint8).tobytes())
        partial.replace(path)
    pixels = torch.from_file(str(path), shared=False, size=math.prod(shape), dtype=torch.uint8)
    return StoredImage(pixels.view(shape), variation)


def album_of(rows: Sequence[LabelledRows], work: Path) -> Album:
    """The images of some sources, each varied as suits it; kept in ``work`` from run to run."""
    variations = {source.name: source.variation for source in SOURCES}
    return Album([stored_images(part, variations[part.source], work) for part in rows])


def sampling_weights(rows: Sequence[LabelledRows], learnt: torch.Tensor) -> torch.Tensor:
    """How likely each product is to be drawn: its source's share, more where its name or colour is rare, 0 for those
    that are not ``learnt``, bool (n products,); float64, (n products,), sums to one."""
    shares = {source.name: source.share for source in SOURCES}
    parts = []
    for part, kept in zip(rows, torch.split(learnt, [len(part.products) for part in rows]), strict=True):
        factors = repeat_factors(part.products).double() * kept
        parts.append(shares[part.source] * factors / factors.sum().clamp(min=1e-9))
    weights = torch.cat(parts)
    return weights / weights.sum()
