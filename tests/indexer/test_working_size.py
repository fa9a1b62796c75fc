"""Images are decoded at about the size that the encoder needs, kept as they are if that is right, and mean the same."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from recipes.boutique.catalog import product
from recipes.boutique.render import render
from tests.fakes import FakeEncoder
from vitrina.indexer.preparation import MIN_WORKING_SIDE_PX, working_side_px
from vitrina.search.encoders.registry import load_encoder
from vitrina.search.images.decode import KEPT_BYTES, MAX_ORIGINAL_BYTES, decode_image
from vitrina.search.images.fingerprint import fingerprint
from vitrina.search.store.images import storable

MAX_BITS = 15
"""Of 256: within them a part of a fingerprint is equal, and twins are found surely."""


def drawn(at: int, size: tuple[int, int] = (1200, 900)) -> Image.Image:
    return render(product(at), size=200).image.resize(size, Image.Resampling.BICUBIC)


def encoded(image: Image.Image, format_: str = "JPEG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, format_, **options)
    return out.getvalue()


def exif(tag: int, value: object) -> Image.Exif:
    made = Image.Exif()
    made[tag] = value
    return made


def noise(size: tuple[int, int]) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8))


def test_a_jpeg_that_is_kept_is_decoded_at_a_part_of_its_size() -> None:
    data = encoded(drawn(0), quality=90)
    image = decode_image(data, working_side_px=192)
    assert (image.pixels.size, image.width_px, image.height_px) == ((300, 225), 1200, 900)
    assert image.is_web_ready
    assert storable(image, data) == data
    assert decode_image(data, working_side_px=336).pixels.size == (600, 450)
    assert decode_image(data).pixels.size == (1024, 768)


def test_metadata_is_taken_out_and_the_pixels_stay() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = encoded(drawn(0), quality=90, exif=exif(0x010F, "a maker"), comment=b"a secret", icc_profile=profile)
    image = decode_image(data, working_side_px=192)
    assert (image.pixels.size, image.is_web_ready) == ((300, 225), True)
    stored = storable(image, data)
    assert b"a maker" in data
    assert b"a secret" in data
    assert b"a maker" not in stored
    assert b"a secret" not in stored
    kept, given = Image.open(io.BytesIO(stored)), Image.open(io.BytesIO(data))
    assert ("exif" in kept.info, kept.info["icc_profile"]) == (False, profile)
    np.testing.assert_array_equal(np.asarray(kept), np.asarray(given))
    assert decode_image(stored, working_side_px=192).is_web_ready


def test_metadata_of_a_file_built_otherwise_is_taken_out_by_encoding_it_again() -> None:
    data = encoded(drawn(0), quality=90, exif=exif(0x010F, "a maker"))
    padded = data[:2] + b"\xff" + data[2:]  # a fill byte before a marker, as the standard allows
    image = decode_image(padded, working_side_px=192)
    assert (image.pixels.size, image.is_web_ready) == ((1024, 768), False)
    assert b"a maker" not in storable(image, padded)


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (encoded(drawn(0), exif=exif(0x0112, 3)), (1024, 768)),
        (encoded(noise((1200, 900)), quality=95), (1024, 768)),
        (encoded(noise((1000, 900)), quality=100), (1000, 900)),
        (encoded(drawn(0, (3000, 1500)), quality=80), (1024, 512)),
        (encoded(drawn(0, (1100, 1100)), "BMP"), (1024, 1024)),
    ],
    ids=["turned", "many bytes", "too many bytes", "too large", "no format of browsers"],
)
def test_what_is_not_kept_is_decoded_to_be_stored(data: bytes, size: tuple[int, int]) -> None:
    image = decode_image(data, working_side_px=192)
    assert (image.pixels.size, image.is_web_ready) == (size, False)
    stored = storable(image, data)
    assert stored != data
    assert Image.open(io.BytesIO(stored)).size == size


def test_the_bounds_of_the_cases_above() -> None:
    assert len(encoded(noise((1200, 900)), quality=95)) > KEPT_BYTES
    assert len(encoded(noise((1000, 900)), quality=100)) > MAX_ORIGINAL_BYTES


def test_what_is_no_jpeg_is_kept_and_decoded_whole() -> None:
    data = encoded(drawn(0, (1500, 1000)).quantize(32), "PNG")
    image = decode_image(data, working_side_px=192)
    assert (image.pixels.size, image.is_web_ready) == ((1500, 1000), True)
    assert storable(image, data) == data


def test_the_working_size_is_the_encoders() -> None:
    assert working_side_px(FakeEncoder().prepare) == MIN_WORKING_SIDE_PX
    assert working_side_px(load_encoder(None, device="cpu").prepare) == 192


def test_vectors_and_fingerprints_stay_what_they_are() -> None:
    encoder = load_encoder(None, device="cpu")
    files = [encoded(drawn(at), quality=90) for at in range(8)]
    whole = [decode_image(data).pixels for data in files]
    small = [decode_image(data, working_side_px=working_side_px(encoder.prepare)).pixels for data in files]
    assert all(max(image.size) == 300 for image in small)
    cosines = (encoder.encode_images(whole) * encoder.encode_images(small)).sum(axis=1)
    assert cosines.min() > 0.995
    for one, other in zip(whole, small, strict=True):
        apart = int.from_bytes(fingerprint(one)) ^ int.from_bytes(fingerprint(other))
        assert apart.bit_count() <= MAX_BITS
