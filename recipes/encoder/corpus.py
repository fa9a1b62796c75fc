"""The corpus: labelled images from Parquet files, collages and drawings, with a part held out for tuning."""

from __future__ import annotations

import hashlib
import io
import math
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image, ImageDraw, ImageFilter

from recipes.boutique.export import write_parquet
from recipes.encoder.images import decode
from recipes.encoder.labels import LabelledProduct, key

TRAINING_FILES = ("fashion-train.parquet", "grocery-train.parquet", "clothing-train.parquet")
ROWS_A_CLASS = 8

CATALOG_FILE = "grocery-iconic.parquet"
"""The clean catalog images of the grocery shop, one a class: a shop has its catalog when it trains."""

HELD_OUT_ONE_IN = 25
"""4% of the training rows, 1,504 of them fashion: as many as the held-out files have, to within a quarter."""

RUN_LENGTH = 8
RUNS_HELD_OUT_ONE_IN = 12
"""Photos numbered one after the other (``aubergine_017``) show one shelf a moment apart. They are held out in runs, or
a row held out would have a twin that was trained on; and more of them, since a run says little more than a row."""

_NUMBERED = re.compile(r"(?P<name>.+_)(?P<number>\d{3})")


@dataclass(frozen=True, slots=True)
class LabelledRows:
    """Products and, at the same positions, their encoded images. ``source`` is the file's stem. Of rows that are
    ``is_whole`` none are held out."""

    source: str
    products: tuple[LabelledProduct, ...]
    images: tuple[bytes, ...]
    is_whole: bool = False

    def split(self) -> tuple[LabelledRows, LabelledRows]:
        """Rows to train on, and held-out rows; which is which depends on the sku alone."""
        held_out = [not self.is_whole and is_held_out(product.sku) for product in self.products]
        return self.where([not held for held in held_out]), self.where(held_out)

    def where(self, keep: Sequence[bool]) -> LabelledRows:
        products = tuple(product for product, kept in zip(self.products, keep, strict=True) if kept)
        images = tuple(image for image, kept in zip(self.images, keep, strict=True) if kept)
        return LabelledRows(self.source, products, images, self.is_whole)


def is_held_out(sku: str) -> bool:
    """Whether a training row is kept for tuning, by a hash of its sku, or of its run's, that never changes."""
    numbered = _NUMBERED.fullmatch(sku)
    if numbered is None:
        return _hash(sku) % HELD_OUT_ONE_IN == 0
    return _hash(f"{numbered['name']}{int(numbered['number']) // RUN_LENGTH}") % RUNS_HELD_OUT_ONE_IN == 0


def read_rows(path: Path) -> LabelledRows:
    """Read one Parquet file with a ``sku`` and an ``image`` (encoded bytes) column; other columns may be missing.

    Raises OSError or pyarrow.ArrowException where the file cannot be read.
    """
    products: list[LabelledProduct] = []
    images: list[bytes] = []
    for row in _rows(path):
        image = row["image"]
        if isinstance(image, bytes):
            products.append(LabelledProduct.from_row(row))
            images.append(image)
    return LabelledRows(path.stem, tuple(with_fine_classes(products)), tuple(images))


def with_fine_classes(products: Sequence[LabelledProduct]) -> Sequence[LabelledProduct]:
    """The products of one file; where its titles are classes, of ``ROWS_A_CLASS`` rows on average, with these."""
    if len({product.title for product in products}) * ROWS_A_CLASS > len(products):
        return products
    return [replace(product, fine=product.title) if _is_finer(product) else product for product in products]


RARE_NAME, RARE_COLOUR = 0.003, 0.01
MAX_REPEATS = 4.0
"""Products whose finest name or whose colour is rarer than these shares of the rows are seen up to ``MAX_REPEATS``
times an epoch, by the square root rule of LVIS (arXiv 1908.03195): a query for a rare article counts as much as one for
T-shirts. Two thirds of a shop's colours are on less than 1% of its rows."""


def repeat_factors(products: Sequence[LabelledProduct]) -> torch.Tensor:
    """How often each product is seen in an epoch, at least once; float, shape (n,)."""
    by_name = _rarity([product.names[0] if product.names else "" for product in products], RARE_NAME)
    by_colour = _rarity([product.colour for product in products], RARE_COLOUR)
    return torch.tensor([max(1.0, *both) for both in zip(by_name, by_colour, strict=True)])


def _rarity(values: Sequence[str], share: float) -> list[float]:
    """Each value's factor, below 1 where it is on more than ``share`` of the rows; 0 for none."""
    counts = Counter(values)
    wanted = share * len(values)
    return [min(MAX_REPEATS, math.sqrt(wanted / counts[value])) if value else 0.0 for value in values]


def _is_finer(product: LabelledProduct) -> bool:
    return bool(product.kinds) and key(product.title) != key(product.kinds[0])


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def _rows(path: Path) -> Iterator[dict[str, object]]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=1000):
            yield from batch.to_pylist()


SIDE = 160
JPEG_QUALITY = 90
WHITE = 18
"""How far from white, of 255, the ground of a catalog image may be."""

HEAPS = (1, 1, 2, 3, 5, 8, 14)
"""How many of a thing a collage may show."""

UPRIGHT = "Packages"
"""The category whose things stand upright; all others lie at any angle."""


def collages(catalog: LabelledRows, photos: LabelledRows, n_each: int, seed: int) -> LabelledRows:
    """``n_each`` collages of every image of a catalog over random photos; encoded as JPEG, 160 pixels square."""
    rng = random.Random(seed)
    products, images = [], []
    for product, image in zip(catalog.products, catalog.images, strict=True):
        thing = cut_out(decode(image))
        lean = 15 if UPRIGHT in product.kinds else 180
        for number in range(n_each):
            ground = _ground(decode(rng.choice(photos.images)), rng)
            products.append(replace(product, sku=f"{product.sku}-collage-{number}"))
            images.append(encoded(_heaped(thing, ground, rng, lean)))
    return LabelledRows(f"{catalog.source}-collages", tuple(products), tuple(images), is_whole=True)


def cut_out(image: Image.Image) -> Image.Image:
    """The image with the white around its thing made transparent, cropped to the thing; mode RGBA."""
    padded = Image.new("RGB", (image.width + 2, image.height + 2), "white")
    padded.paste(image, (1, 1))
    marked = padded.copy()
    marker = (255, 0, 254)
    ImageDraw.floodfill(marked, (0, 0), marker, thresh=WHITE)
    is_ground = (np.asarray(marked) == marker).all(axis=-1)
    alpha = Image.fromarray(np.where(is_ground, 0, 255).astype(np.uint8))
    alpha = alpha.filter(ImageFilter.MinFilter(3)).filter(ImageFilter.GaussianBlur(0.6))  # no white fringe
    padded.putalpha(alpha)
    return padded.crop(alpha.getbbox())


def _ground(photo: Image.Image, rng: random.Random) -> Image.Image:
    """A part of a photo, blurred, so that it shows light and colours but nothing with a name."""
    part = rng.uniform(0.4, 1.0)
    width, height = part * photo.width, part * photo.height
    left, top = rng.uniform(0, photo.width - width), rng.uniform(0, photo.height - height)
    ground = photo.resize((SIDE, SIDE), Image.Resampling.BILINEAR, (left, top, left + width, top + height))
    return ground.filter(ImageFilter.GaussianBlur(rng.uniform(4, 12)))


def _heaped(thing: Image.Image, ground: Image.Image, rng: random.Random, lean: float) -> Image.Image:
    n = rng.choice(HEAPS)
    side = SIDE * rng.uniform(0.8, 1.5) / math.sqrt(n)
    for x, y in _places(n, rng):
        scale = side * rng.uniform(0.85, 1.15) / max(thing.size)
        size = (max(4, round(thing.width * scale)), max(4, round(thing.height * scale)))
        pasted = thing.resize(size, Image.Resampling.LANCZOS)
        pasted = pasted.rotate(rng.uniform(-lean, lean), Image.Resampling.BICUBIC, expand=True)
        shade = rng.uniform(0.65, 1.1)
        lit = pasted.convert("RGB").point([min(255, round(level * shade)) for level in range(256)] * 3)
        corner = (round(x * SIDE - pasted.width / 2), round(y * SIDE - pasted.height / 2))
        ground.paste(lit, corner, pasted.getchannel("A"))
    return ground


def _places(n: int, rng: random.Random) -> Iterator[tuple[float, float]]:
    """Centres spread over the image, in parts of its side, in any order."""
    across = math.ceil(math.sqrt(n))
    cells: Sequence[tuple[int, int]] = [(column, row) for row in range(across) for column in range(across)]
    for column, row in rng.sample(cells, n):
        yield tuple(min(0.85, max(0.15, (at + rng.uniform(0.2, 0.8)) / across)) for at in (column, row))  # type: ignore[misc]


def encoded(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=JPEG_QUALITY)
    return file.getvalue()


Say = Callable[[str], None]

GROCERIES, CATALOG, CLOTHES = "grocery-train", "grocery-iconic", "clothing-train"

N_COLLAGES = 50
"""Collages of each catalog image."""

BOUTIQUE_SEED = 1000
"""The demo draws with seed 0; training must not have seen its drawings."""


def read_corpus(data: Path, work: Path, n_drawings: int, say: Say) -> list[LabelledRows]:
    """The shared training files; the groceries' catalog and collages of it; and drawings of the boutique, rendered into
    ``work`` where they are missing."""
    shops = [read_rows(data / name) for name in TRAINING_FILES]
    catalog = replace(read_rows(data / CATALOG_FILE), is_whole=True)
    say(f"pasting {N_COLLAGES * len(catalog.products)} collages of {catalog.source}")
    photos, _ = next(shop for shop in shops if shop.source == GROCERIES).split()
    made = [catalog, collages(catalog, photos, N_COLLAGES, seed=0)]
    if n_drawings:
        made.append(drawn_boutique(work / f"boutique-{n_drawings}.parquet", n_drawings, say))
    return [*shops, *made]


def drawn_boutique(path: Path, n: int, say: Say) -> LabelledRows:
    """``n`` products of the boutique, rendered into ``path`` where it is missing."""
    if not path.is_file():
        say(f"drawing {n} boutique products")
        partial = path.with_suffix(".partial")
        write_parquet(partial, n, seed=BOUTIQUE_SEED)
        partial.replace(path)
    return read_rows(path)
