"""What is drawn over images."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from vitrina.search.images.drawing import in_columns, label, plasma, with_box, with_heatmap


def pixels(image: Image.Image) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    return np.asarray(image, np.int16)


def test_a_heatmap_shows_where_it_is_high() -> None:
    image = Image.new("RGB", (80, 40), (200, 30, 40))
    ramp = np.tile(np.linspace(0, 1, 16, dtype=np.float32), (8, 1))
    drawn = with_heatmap(image, ramp)
    assert (drawn.size, drawn.mode) == ((80, 40), "RGB")
    saturation = pixels(drawn).max(axis=2) - pixels(drawn).min(axis=2)
    assert saturation[:, :4].max() < 80 < saturation[:, -4:].min()
    assert np.abs(pixels(drawn)[20, -4] - (200, 30, 40)).max() > 40
    line = np.abs(pixels(drawn) - (204, 71, 120)).max(axis=2) < 12
    assert line[:, 37:43].any(axis=1).all()


def test_the_map_is_plasma_from_end_to_end() -> None:
    ends = plasma(np.array([[0.0, 0.5, 1.0]], np.float32))
    assert ends.tolist() == [[[0x0D, 0x08, 0x87], [0xCC, 0x47, 0x78], [0xF0, 0xF9, 0x21]]]


def test_its_lightness_rises_evenly() -> None:
    lightness = plasma(np.linspace(0, 1, 64, dtype=np.float32)[None])[0] @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(lightness) > 0).all()


def test_a_box_leaves_what_is_in_it_alone() -> None:
    image = Image.new("RGB", (100, 60), (10, 20, 30))
    drawn = pixels(with_box(image, (0.2, 0.25, 0.7, 0.75)))
    assert (drawn[25:35, 30:60] == (10, 20, 30)).all()
    assert (drawn[:10, :10] > 100).all()
    edge = drawn[13:17, 18:22].reshape(-1, 3)
    assert (np.abs(edge - (204, 71, 120)).max(axis=1) < 3).any()


@pytest.mark.parametrize("corners", [(0.0, 0.0, 1.0, 1.0), (0.5, 0.5, 0.5, 0.5), (0.99, 0.99, 1.0, 1.0)])
@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 3), (64, 64)])
def test_any_box_on_any_image(corners: tuple[float, float, float, float], size: tuple[int, int]) -> None:
    drawn = with_box(Image.new("RGB", size), corners)
    label(drawn, "x" * 200, corners[:2])
    assert with_heatmap(drawn, np.ones((1, 1), np.float32)).size == size


def test_a_label_stays_within_the_image_and_dark() -> None:
    for at in ((0.0, 0.0), (1.0, 1.0)):
        image = Image.new("RGB", (200, 100), "white")
        label(image, "a rather long claim about the pockets of a shirt", at)
        written = pixels(image).min(axis=2) < 128
        assert written.any()
        assert not written[[0, -1]].any()
        assert not written[:, [0, -1]].any()


def test_panels_form_one_row() -> None:
    red, blue = Image.new("RGB", (10, 20), "red"), Image.new("RGB", (10, 20), "blue")
    row = in_columns([red, blue])
    assert row.size == (28, 20)
    assert [row.getpixel((x, 10)) for x in (5, 14, 23)] == [(255, 0, 0), (255, 255, 255), (0, 0, 255)]
    assert in_columns([red]) is red
