"""Fingerprints: one photo, encoded again or scaled, is recognised; a photo of something alike is not."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter
from scipy.fft import dctn
from scipy.ndimage import gaussian_filter

from vitrina.search.images.fingerprint import (
    BLANK,
    BLUR_PX,
    BLUR_REACH,
    COSINES,
    HASH_FREQUENCIES,
    HASH_SIDE,
    N_BYTES,
    blur,
    fingerprint,
    is_same_photo,
    nearest,
)

SIZE = (120, 160)


def studio_photo(
    shade: tuple[int, int, int] = (150, 40, 60), seed: int = 1, size: tuple[int, int] = SIZE
) -> Image.Image:
    """A shirt with a grain of its own before a white wall; ``shade`` is the colour of a small part of it."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (240, 320), "white")
    draw = ImageDraw.Draw(image)
    draw.polygon(
        [(60, 60), (180, 60), (220, 120), (180, 130), (180, 280), (60, 280), (60, 130), (20, 120)], (60, 90, 140)
    )
    draw.rectangle((130, 100, 160, 130), shade)
    for _ in range(12):
        x, y, dx, dy = rng.integers((60, 70, -40, -40), (170, 270, 40, 40)).tolist()
        draw.line((x, y, x + dx, y + dy), (30, 50, 90), 3)
    return image.filter(ImageFilter.GaussianBlur(1)).resize(size, Image.Resampling.LANCZOS)


def encoded(image: Image.Image, form: str, quality: int, scale: float = 1.0) -> Image.Image:
    size = round(image.width * scale), round(image.height * scale)
    out = io.BytesIO()
    image.resize(size, Image.Resampling.LANCZOS).save(out, form, quality=quality)
    return Image.open(io.BytesIO(out.getvalue())).convert("RGB")


def n_bits_apart(one: Image.Image, other: Image.Image) -> int:
    bits = np.frombuffer(fingerprint(one), np.uint8) ^ np.frombuffer(fingerprint(other), np.uint8)
    return int(np.bitwise_count(bits).sum())


def words_of(*images: Image.Image) -> np.ndarray[tuple[int, ...], np.dtype[np.uint64]]:
    return np.ascontiguousarray(np.frombuffer(b"".join(map(fingerprint, images)), np.uint64).reshape(-1, 4).T)


@pytest.mark.parametrize("scale", [1.0, 0.75, 0.5])
@pytest.mark.parametrize(("form", "quality"), [("JPEG", 60), ("JPEG", 80), ("JPEG", 95), ("WEBP", 60), ("WEBP", 90)])
def test_a_photo_encoded_again_is_the_same(form: str, quality: int, scale: float) -> None:
    photo = studio_photo()
    again = encoded(photo, form, quality, scale)
    assert nearest(fingerprint(again), words_of(studio_photo(seed=9), photo), 5).tolist() == [1]
    assert is_same_photo(again, photo)
    assert is_same_photo(photo, again), "whichever of the two is the larger one"


@pytest.mark.parametrize(
    "other",
    [
        studio_photo(shade=(120, 60, 60)),
        studio_photo(shade=(60, 90, 140)),
        studio_photo(seed=2),
        studio_photo().transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        studio_photo().crop((0, 10, 120, 160)),
        Image.new("RGB", SIZE, "white"),
    ],
)
def test_a_photo_of_something_alike_is_another_one(other: Image.Image) -> None:
    assert not is_same_photo(studio_photo(), other)
    assert not is_same_photo(encoded(other, "JPEG", 75), studio_photo())


def test_the_hash_alone_does_not_tell_shades_apart() -> None:
    assert n_bits_apart(studio_photo(), studio_photo(shade=(120, 60, 60))) <= 40, "so the pixels have to decide"


def test_an_image_that_shows_nothing_has_no_fingerprint() -> None:
    assert fingerprint(Image.new("RGB", (50, 50), (200, 10, 10))) == BLANK
    assert len(fingerprint(Image.new("RGB", (1, 1)))) == N_BYTES


def test_the_nearest_come_first_and_no_more_than_asked_for() -> None:
    photo = studio_photo()
    alike = [encoded(photo, "JPEG", 60, 0.5), photo, studio_photo(seed=5), encoded(photo, "JPEG", 90)]
    found = nearest(fingerprint(photo), words_of(*alike), 2).tolist()
    assert found[0] == 1
    assert len(found) == 2
    assert nearest(fingerprint(photo), np.empty((4, 0), np.uint64), 8).tolist() == []


def test_the_blur_and_the_cosines_are_those_of_scipy() -> None:
    rng = np.random.default_rng(0)
    for shape in ((40, 30, 3), (3, 5, 3), (1, 1, 3)):
        values = rng.normal(size=shape)
        expected = gaussian_filter(values, (BLUR_PX, BLUR_PX, 0.0), truncate=BLUR_REACH)
        np.testing.assert_allclose(blur(values), expected, atol=1e-6)
    grey = rng.uniform(0, 255, (HASH_SIDE, HASH_SIDE))
    low = dctn(grey, norm="ortho")[:HASH_FREQUENCIES, :HASH_FREQUENCIES]
    np.testing.assert_allclose(COSINES @ grey @ COSINES.T, low, atol=1e-3)
