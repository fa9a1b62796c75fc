"""Collages: a shop's catalog pictures cut out and heaped up on other photos, as they would lie on its shelves.

A catalog shows one thing on white, a shopper's phone shows a heap of them in a box. What a catalog picture shows is
pasted over blurred photos of the same shop, once or many times, so that a tower learns that both are one class.
"""

from __future__ import annotations

import io
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from training.corpus import Rows
from training.pictures import decode

SIDE = 160
JPEG_QUALITY = 90
WHITE = 18
"""How far from white, of 255, the ground of a catalog picture may be."""

HEAPS = (1, 1, 2, 3, 5, 8, 14)
"""How many of a thing a collage may show."""

UPRIGHT = "Packages"
"""The category whose things stand; all others lie as they fell."""


def collages(catalog: Rows, photos: Rows, n_each: int, seed: int) -> Rows:
    """``n_each`` collages of every picture of a catalog over random photos; encoded as JPEG, 160 pixels square."""
    dice = random.Random(seed)
    products, pictures = [], []
    for product, picture in zip(catalog.products, catalog.pictures, strict=True):
        thing = cut_out(decode(picture))
        lean = 15 if UPRIGHT in product.kinds else 180
        for number in range(n_each):
            ground = _ground(decode(dice.choice(photos.pictures)), dice)
            products.append(replace(product, sku=f"{product.sku}-collage-{number}"))
            pictures.append(_encoded(_heaped(thing, ground, dice, lean)))
    return Rows(f"{catalog.source}-collages", tuple(products), tuple(pictures), is_whole=True)


def cut_out(picture: Image.Image) -> Image.Image:
    """The picture with the white around its thing made transparent, cropped to the thing; mode RGBA."""
    padded = Image.new("RGB", (picture.width + 2, picture.height + 2), "white")
    padded.paste(picture, (1, 1))
    marked = padded.copy()
    marker = (255, 0, 254)
    ImageDraw.floodfill(marked, (0, 0), marker, thresh=WHITE)
    is_ground = (np.asarray(marked) == marker).all(axis=-1)
    alpha = Image.fromarray(np.where(is_ground, 0, 255).astype(np.uint8))
    alpha = alpha.filter(ImageFilter.MinFilter(3)).filter(ImageFilter.GaussianBlur(0.6))  # no white fringe
    padded.putalpha(alpha)
    return padded.crop(alpha.getbbox())


def _ground(photo: Image.Image, dice: random.Random) -> Image.Image:
    """A part of a photo, blurred, so that it shows light and colours but nothing with a name."""
    part = dice.uniform(0.4, 1.0)
    width, height = part * photo.width, part * photo.height
    left, top = dice.uniform(0, photo.width - width), dice.uniform(0, photo.height - height)
    ground = photo.resize((SIDE, SIDE), Image.Resampling.BILINEAR, (left, top, left + width, top + height))
    return ground.filter(ImageFilter.GaussianBlur(dice.uniform(4, 12)))


def _heaped(thing: Image.Image, ground: Image.Image, dice: random.Random, lean: float) -> Image.Image:
    n = dice.choice(HEAPS)
    side = SIDE * dice.uniform(0.8, 1.5) / math.sqrt(n)
    for x, y in _places(n, dice):
        scale = side * dice.uniform(0.85, 1.15) / max(thing.size)
        size = (max(4, round(thing.width * scale)), max(4, round(thing.height * scale)))
        pasted = thing.resize(size, Image.Resampling.LANCZOS)
        pasted = pasted.rotate(dice.uniform(-lean, lean), Image.Resampling.BICUBIC, expand=True)
        shade = dice.uniform(0.65, 1.1)
        lit = pasted.convert("RGB").point([min(255, round(level * shade)) for level in range(256)] * 3)
        corner = (round(x * SIDE - pasted.width / 2), round(y * SIDE - pasted.height / 2))
        ground.paste(lit, corner, pasted.getchannel("A"))
    return ground


def _places(n: int, dice: random.Random) -> Iterator[tuple[float, float]]:
    """Centres spread over the picture, in parts of its side, in any order."""
    across = math.ceil(math.sqrt(n))
    cells: Sequence[tuple[int, int]] = [(column, row) for row in range(across) for column in range(across)]
    for column, row in dice.sample(cells, n):
        yield tuple(min(0.85, max(0.15, (at + dice.uniform(0.2, 0.8)) / across)) for at in (column, row))  # type: ignore[misc]


def _encoded(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=JPEG_QUALITY)
    return file.getvalue()
