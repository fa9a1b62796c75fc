"""Pictures travel small, and without anything but their pixels."""

from __future__ import annotations

import base64
import io

import pytest
from PIL import Image

from vitrina.search.reranking.backends.remote.chat import encode_image


@pytest.mark.parametrize("size", [(3, 2), (600, 300), (5_000, 1), (1, 5_000), (2_000, 3_000)])
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_the_limit_holds_and_the_shape_stays(size: tuple[int, int], mode: str) -> None:
    image = Image.open(io.BytesIO(base64.b64decode(encode_image(Image.new(mode, size), max_pixels=10_000))))
    assert (image.format, image.mode) == ("JPEG", "RGB")
    assert image.width * image.height <= 10_000
    if min(size) > 100:
        assert image.width / image.height == pytest.approx(size[0] / size[1], rel=0.03)
    if size == (3, 2):
        assert image.size == size


def test_metadata_stays_behind() -> None:
    image = Image.new("RGB", (8, 8))
    image.info["comment"] = b"secret"
    exif = image.getexif()
    exif[0x010E] = "secret"
    image.info["exif"] = exif.tobytes()
    assert b"secret" not in base64.b64decode(encode_image(image))
