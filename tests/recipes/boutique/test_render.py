"""Images: deterministic, true to their attributes, with boxes where things are drawn."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from recipes.boutique.articles import ARTICLES, COLOURS, lab
from recipes.boutique.catalog import Product, product, products
from recipes.boutique.render import Rendering, render

SIZE = 96
NAMES = list(COLOURS)
LARGELY_OTHER_MATERIAL = {"sunglasses", "lamp", "sandals", "vase", "watch", "belt"}
"""Articles of which lenses, shade, footbed, clear glass, dial or the space between take up the most of the box."""


def _pixels(rendering: Rendering) -> NDArray[np.float64]:
    return np.asarray(rendering.image, dtype=np.float64) / 255


def _difference(pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each pixel is from the backdrop at the edges of its row, in L*a*b* with shadows discounted."""
    colours = lab(pixels)
    backdrop = (colours[:, :1] + colours[:, -1:]) / 2
    gap: NDArray[np.float64] = np.linalg.norm((colours - backdrop) * np.array([0.6, 1.5, 1.5]), axis=-1)
    return gap


def _main_colour(item: Product) -> str:
    rendering = render(item, size=SIZE)
    pixels = _pixels(rendering)
    left, top, right, bottom = (round(edge * SIZE) for edge in rendering.boxes[item.attributes["article"]])
    drawn = lab(pixels)[top:bottom, left:right][_difference(pixels)[top:bottom, left:right] > 12]
    palette = lab(np.array([COLOURS[name] for name in NAMES]))
    gaps = (((drawn[:, None] - palette) * np.array([0.5, 1, 1])) ** 2).sum(axis=-1)
    return NAMES[Counter(gaps.argmin(axis=1).tolist()).most_common(1)[0][0]]


def test_the_same_product_gives_the_same_pixels_and_another_variation_others() -> None:
    item = product(5)
    first, again, other = (_pixels(render(item, size=SIZE, variation=number)) for number in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("article", range(len(ARTICLES)))
def test_every_article_fills_a_good_part_of_its_image(article: int) -> None:
    for index in (article, article + len(ARTICLES)):
        item = product(index)
        rendering = render(item, size=SIZE)
        assert (rendering.image.mode, rendering.image.size) == ("RGB", (SIZE, SIZE))
        left, top, right, bottom = rendering.boxes[item.attributes["article"]]
        assert 0 <= left < right <= 1
        assert 0 <= top < bottom <= 1
        assert max(right - left, bottom - top) > 0.42, item.title
        assert len(rendering.boxes) >= 2


@pytest.mark.slow
def test_no_two_of_four_hundred_products_have_the_same_image() -> None:
    small = [np.asarray(render(item, size=32).image, dtype=np.float32).ravel() for item in products(400)]
    stack = np.stack(small)
    square = (stack**2).sum(axis=1)
    gaps = square[:, None] + square[None] - 2 * stack @ stack.T
    np.fill_diagonal(gaps, np.inf)
    assert np.sqrt(gaps.min() / stack.shape[1]) > 2.0


def test_plain_products_are_mostly_of_the_colour_they_are_said_to_be() -> None:
    plain = [
        item
        for item in products(200)
        if item.attributes["pattern"] == "solid" and item.attributes["article"] not in LARGELY_OTHER_MATERIAL
    ]
    right = sum(_main_colour(item) == item.attributes["colour"] for item in plain)
    assert right / len(plain) >= 0.95


def test_a_print_changes_the_image() -> None:
    base = product(0)
    means = []
    for pattern in ("solid", "striped", "checked", "dotted", "floral", "zigzag"):
        item = replace(base, attributes={**base.attributes, "pattern": pattern, "colour": "blue"})
        rendering = render(item, size=SIZE)
        left, top, right, bottom = (round(edge * SIZE) for edge in rendering.boxes["body"])
        body = _pixels(rendering)[top:bottom, left:right].mean(axis=2)
        means.append(float(body[8:-8, 8:-8].std()))
    assert all(spread > 1.5 * means[0] for spread in means[1:]), means


def test_boxes_are_tight_around_what_is_drawn() -> None:
    """Measured against the image itself; two pixels of slack for antialiasing, the soft shadow discounted."""
    for item in products(96):
        if item.attributes["colour"] in ("white", "beige", "grey", "black") or item.attributes["material"] == "glass":
            continue
        rendering = render(item, size=SIZE)
        vivid = np.abs(lab(_pixels(rendering))[..., 1:] - lab(_pixels(rendering))[:, :1, 1:]).max(axis=-1) > 9
        left, top, right, bottom = (round(edge * SIZE) for edge in rendering.boxes[item.attributes["article"]])
        outside = vivid.copy()
        outside[max(0, top - 2) : bottom + 2, max(0, left - 2) : right + 2] = False
        assert not outside.any(), item.title
        changed = _difference(_pixels(rendering)) > 6
        for edge in (changed[top : top + 3], changed[bottom - 3 : bottom]):
            assert edge[:, left:right].any(), item.title
        for edge in (changed[:, left : left + 3], changed[:, right - 3 : right]):
            assert edge[top:bottom].any(), item.title


def test_parts_lie_within_the_article() -> None:
    for item in products(64):
        boxes = render(item, size=SIZE).boxes
        whole = boxes[item.attributes["article"]]
        for box in boxes.values():
            assert whole[0] <= box[0] < box[2] <= whole[2]
            assert whole[1] <= box[1] < box[3] <= whole[3]


@pytest.mark.parametrize("size", [0, -5, 15])
def test_an_image_too_small_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=str(size)):
        render(product(0), size=size)


@pytest.mark.parametrize("size", [16, 33, 640])
def test_any_other_size_is_drawn(size: int) -> None:
    for index in range(4):
        assert render(product(index), size=size).image.size == (size, size)
