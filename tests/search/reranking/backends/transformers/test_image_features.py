from __future__ import annotations

from collections import OrderedDict

import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from vitrina.search.reranking.backends.transformers.image_features import (
    MAX_RATIO,
    MIN_SIDE_PX,
    FeatureMemory,
    ImageFeatures,
    fit_image,
)


@given(st.integers(1, 3000), st.integers(1, 3000), st.sampled_from([10_000, 200_704]))
def test_an_image_fits_its_limits(width: int, height: int, max_pixels: int) -> None:
    image = fit_image(Image.new("RGB", (width, height)), max_pixels)
    assert image.width * image.height <= max(max_pixels, MIN_SIDE_PX * max(image.size))
    assert min(image.size) >= MIN_SIDE_PX
    assert max(image.size) <= (MAX_RATIO + 1) * min(image.size)


def test_a_small_image_is_left_alone() -> None:
    image = Image.new("RGB", (300, 400))
    assert fit_image(image, 448 * 448) is image


def test_a_reduced_image_keeps_its_shape() -> None:
    image = fit_image(Image.new("RGB", (3000, 1500)), 448 * 448)
    assert image.size == (633, 316)


def test_a_slim_image_stands_on_white() -> None:
    image = fit_image(Image.new("RGB", (4, 40), "black"), 448 * 448)
    assert image.size == (32, 40)
    assert image.getpixel((0, 0)) == (255, 255, 255)
    assert image.getpixel((16, 20)) == (0, 0, 0)


def _features_of(n_bytes: int) -> ImageFeatures:
    features = OrderedDict(pooler_output=[torch.zeros(n_bytes, dtype=torch.uint8)])
    return ImageFeatures(features=features, grids={}, placeholder=(1,), expansion=(), kinds={})


def test_the_memory_forgets_what_was_not_asked_for_the_longest() -> None:
    memory = FeatureMemory(max_bytes=250)
    memory.put("a", _features_of(100))
    memory.put("b", _features_of(100))
    assert memory.get("a")
    memory.put("c", _features_of(100))
    assert memory.get("b") is None
    assert memory.get("a")
    assert memory.get("c")


def test_the_memory_never_holds_more_than_its_bytes() -> None:
    memory = FeatureMemory(max_bytes=250)
    memory.put("large", _features_of(300))
    assert len(memory) == 0
    memory.put("a", _features_of(100))
    memory.put("a", _features_of(100))
    memory.put("b", _features_of(150))
    assert len(memory) == 2
    memory.put("c", _features_of(1))
    assert len(memory) == 2
