"""Our preparation against open_clip's own transform."""

import time

import numpy as np
import pytest
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image

from vitrina.search.encoders.base import Preprocessing, ResizeMode

SIZES = [(60, 80), (80, 60), (64, 64), (1, 1), (3, 200), (640, 481), (33, 32)]


def noise(size: tuple[int, int]) -> Image.Image:
    width, height = size
    return Image.fromarray(np.random.default_rng(7).integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("mode", ["longest", "shortest", "squash"])
def test_pixels_equal_open_clips(size: tuple[int, int], interpolation: str, mode: ResizeMode) -> None:
    config = PreprocessCfg(size=64, interpolation=interpolation, resize_mode=mode, fill_color=255)
    expected = image_transform_v2(config, is_train=False)(noise(size)).numpy()
    pixels = Preprocessing.from_config(vars(config))(noise(size))
    assert pixels.dtype == np.float32
    assert pixels.flags.c_contiguous
    np.testing.assert_allclose(pixels, expected, atol=1e-3)


@pytest.mark.parametrize("mode", ["longest", "shortest", "squash"])
def test_pixels_equal_open_clips_for_towers_that_are_not_square(mode: ResizeMode) -> None:
    config = PreprocessCfg(size=(48, 72), resize_mode=mode, fill_color=128)
    expected = image_transform_v2(config, is_train=False)(noise((91, 60))).numpy()
    np.testing.assert_allclose(Preprocessing.from_config(vars(config))(noise((91, 60))), expected, atol=1e-3)


def test_other_modes_become_rgb() -> None:
    prepare = Preprocessing((8, 8), (0.0,) * 3, (1.0,) * 3)
    grey = Image.new("L", (8, 8), 51)
    assert prepare(grey) == pytest.approx(np.full((3, 8, 8), 0.2), abs=1e-6)


def test_one_number_stands_for_three_channels() -> None:
    config: dict[str, object] = {
        "size": 8,
        "mean": 0.5,
        "std": 0.25,
        "resize_mode": "squash",
        "interpolation": "bicubic",
    }
    assert Preprocessing.from_config(config).std == (0.25, 0.25, 0.25)


def test_a_decoder_thread_prepares_far_more_than_the_encoder_embeds() -> None:
    prepare = Preprocessing((64, 64), (0.5,) * 3, (0.5,) * 3, resize_mode="longest", fill_color=255)
    image = noise((60, 80))
    begun = time.process_time()
    for _ in range(200):
        prepare(image)
    assert 200 / (time.process_time() - begun) > 1000
