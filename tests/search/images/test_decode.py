"""Untrusted bytes become one upright RGB image, or a clear error."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vitrina.search.images.decode import DecodedImage, decode_image
from vitrina.search.images.formats import FORMATS, PLUGIN_FORMATS, formats_of, jxl_size
from vitrina.search.types.errors import ImageError


def decode(data: bytes, max_pixels: int = 50_000_000, max_side_px: int = 1024) -> DecodedImage:
    return decode_image(data, max_bytes=20_000_000, max_pixels=max_pixels, max_side_px=max_side_px)


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def reds(data: bytes) -> list[int]:
    return [int(red) for red in np.asarray(decode(data).pixels)[..., 0].ravel()]


def near(image: Image.Image, spot: tuple[int, int], colour: tuple[int, int, int], tolerance: int) -> bool:
    return np.allclose(np.asarray(image)[spot[1], spot[0]], colour, atol=tolerance)


def flag(width_px: int = 40, height_px: int = 30) -> Image.Image:
    """Red left half, blue right half."""
    image = Image.new("RGB", (width_px, height_px), "red")
    image.paste("blue", (width_px // 2, 0, width_px, height_px))
    return image


def png_header(width_px: int, height_px: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width_px, height_px, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("kind", [*FORMATS, *PLUGIN_FORMATS])
def test_every_format_gives_the_same_image(kind: str) -> None:
    formats_of(b"\xff\x0a" if kind == "JXL" else b"\0\0\0\x18ftypheic")  # loads the plug-in, which also writes
    lossy = kind in ("JPEG", "WEBP", "AVIF", "HEIF", "JXL")
    image = decode(encode(flag(), kind, **({"quality": 95} if lossy else {})))
    assert (image.format, image.width_px, image.height_px, image.pixels.mode) == (kind, 40, 30, "RGB")
    difference = np.abs(np.asarray(image.pixels, dtype=int) - np.asarray(flag(), dtype=int))
    assert np.median(difference) <= 4


@pytest.mark.parametrize("kind", PLUGIN_FORMATS)
def test_the_size_of_a_plugins_format_is_checked_before_it_is_decoded(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    formats_of(b"\xff\x0a" if kind == "JXL" else b"\0\0\0\x18ftypheic")
    data = encode(Image.new("RGB", (1000, 700)), kind)
    monkeypatch.setattr(Image.Image, "load", lambda *_: pytest.fail("It was decoded."))
    with pytest.raises(ImageError, match="1,000 x 700"):
        decode_image(data, max_pixels=600_000)


@pytest.mark.parametrize("size", [(1, 1), (40, 30), (256, 256), (320, 200), (300, 1000), (1920, 1080), (5000, 16)])
@pytest.mark.parametrize("boxed", [True, False])
def test_the_size_in_a_jpeg_xl_header(size: tuple[int, int], boxed: bool) -> None:
    formats_of(b"\xff\x0a")
    assert jxl_size(encode(Image.new("RGB", size), "JXL", use_container=boxed)) == size


def test_a_photo_of_two_images_is_its_first() -> None:
    both = encode(flag(), "MPO", save_all=True, append_images=[Image.new("RGB", (40, 30), "green")])
    image = decode(both)
    assert (image.format, image.is_web_ready) == ("MPO", False)
    assert image.pixels.getpixel((2, 2))[0] > 200  # type: ignore[index]


def test_one_pixel_is_an_image() -> None:
    image = decode(encode(Image.new("RGB", (1, 1), (9, 8, 7)), "PNG"))
    assert image.pixels.size == (1, 1)
    assert image.pixels.getpixel((0, 0)) == (9, 8, 7)


def test_transparency_lies_over_white() -> None:
    clear = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    half = Image.new("RGBA", (4, 4), (0, 0, 0, 128))
    assert decode(encode(clear, "PNG")).pixels.getpixel((0, 0)) == (255, 255, 255)
    assert decode(encode(half, "PNG")).pixels.getpixel((0, 0)) == (127, 127, 127)
    assert decode(encode(half.convert("LA"), "PNG")).pixels.getpixel((0, 0)) == (127, 127, 127)


def test_palettes_keep_colours_and_transparency() -> None:
    palette = flag().convert("P", palette=Image.Palette.ADAPTIVE, colors=4)
    assert decode(encode(palette, "PNG")).pixels.getpixel((1, 1)) == (255, 0, 0)
    red = palette.getpixel((1, 1))
    for transparency in (red, bytes(0 if index == red else 255 for index in range(4))):
        pixels = decode(encode(palette, "PNG", transparency=transparency)).pixels
        assert pixels.getpixel((1, 1)) == (255, 255, 255)
        assert pixels.getpixel((39, 1)) == (0, 0, 255)


def test_colour_key_transparency_lies_over_white() -> None:
    assert decode(encode(flag(), "PNG", transparency=(255, 0, 0))).pixels.getpixel((1, 1)) == (255, 255, 255)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_turns_into_its_colours(kind: str) -> None:
    assert near(decode(encode(flag().convert("CMYK"), kind)).pixels, (5, 5), (255, 0, 0), 6)


@pytest.mark.parametrize(("mode", "kind"), [("I;16", "PNG"), ("I;16", "TIFF"), ("I;16B", "TIFF")])
def test_sixteen_bits_are_scaled_not_clipped(mode: str, kind: str) -> None:
    samples = np.array([[0, 16_384, 32_768, 65_535]], dtype=np.uint16)
    grey = Image.fromarray(samples)
    if mode == "I;16B":
        grey = Image.frombytes("I;16B", (4, 1), samples.astype(">u2").tobytes())
    assert reds(encode(grey, kind)) == [0, 64, 128, 255]


def test_float_and_wide_integers_fill_the_range() -> None:
    unit = Image.fromarray(np.array([[0.0, 0.5, np.nan, 1.0]], dtype=np.float32))
    wide = Image.fromarray(np.array([[0, 32_768, 65_535, -5]], dtype=np.int32))
    assert reds(encode(unit, "TIFF")) == [0, 128, 0, 255]
    assert reds(encode(wide, "TIFF")) == [0, 128, 255, 0]


def test_one_bit_is_black_and_white() -> None:
    assert decode(encode(Image.new("1", (8, 8), 1), "PNG")).pixels.getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_several_frames_the_first(kind: str) -> None:
    frames = {"save_all": True, "append_images": [Image.new("RGB", (40, 30), "lime")]}
    if kind == "WEBP":
        frames["lossless"] = True
    image = decode(encode(flag(), kind, **frames))
    assert image.pixels.getpixel((1, 1)) == (255, 0, 0)
    assert not image.is_web_ready


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_undone(orientation: int, kind: str) -> None:
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    upright = flag()
    upright.paste("lime", (0, 0, 10, 10))
    turned = upright.transpose(turns[orientation]) if orientation in turns else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = decode(encode(turned, kind, exif=exif, **({"quality": 95} if kind == "JPEG" else {})))
    assert (image.width_px, image.height_px) == upright.size == image.pixels.size
    for spot, colour in (((3, 3), (0, 255, 0)), ((3, 26), (255, 0, 0)), ((36, 15), (0, 0, 255))):
        assert near(image.pixels, spot, colour, 20)


def test_corrupt_exif_is_no_reason_to_lose_an_image() -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    data = bytearray(encode(flag(), "JPEG", exif=exif))
    data[data.index(b"Exif") + 16] = 0xFF
    with warnings.catch_warnings(record=True) as leaked:
        warnings.simplefilter("always")
        assert max(decode(bytes(data)).pixels.size) == 40
    assert leaked == []


def test_large_images_are_downscaled_in_proportion() -> None:
    image = decode(encode(flag(3000, 1500), "JPEG"), max_side_px=256)
    assert (image.pixels.size, image.width_px, image.height_px) == ((256, 128), 3000, 1500)
    assert near(image.pixels, (20, 60), (255, 0, 0), 6)
    assert decode(encode(flag(3000, 1), "PNG"), max_side_px=100).pixels.size == (100, 1)


def test_only_plain_small_web_images_are_web_ready() -> None:
    exif = Image.Exif()
    exif[0x010F] = "maker"
    assert all(decode(encode(flag(), kind)).is_web_ready for kind in ("JPEG", "PNG", "WEBP"))
    assert not decode(encode(flag(), "BMP")).is_web_ready
    assert not decode(encode(flag().convert("CMYK"), "JPEG")).is_web_ready
    assert not decode(encode(flag(), "JPEG", exif=exif)).is_web_ready
    assert not decode(encode(flag(), "JPEG"), max_side_px=20).is_web_ready


@pytest.mark.parametrize("side_px", [60_000, 10_000])
def test_a_bomb_is_refused_by_its_header(side_px: int) -> None:
    with pytest.raises(ImageError, match=r"limit is 50,000,000.*Downscale"):
        decode(png_header(side_px, side_px))


def test_the_limits_themselves_are_allowed() -> None:
    assert decode(encode(flag(), "PNG"), max_pixels=1200).width_px == 40
    with pytest.raises(ImageError, match="40 x 30"):
        decode(encode(flag(), "PNG"), max_pixels=1199)
    with pytest.raises(ImageError, match=r"bytes; the limit is 10\b"):
        decode_image(b"x" * 11, max_bytes=10, max_pixels=100)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"<!doctype html><html><body>Not found</body></html>", "web page"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG drawing.*Export"),
        (b"\0\0\0\x18ftypheic" + b"\0" * 40, "damaged"),
        (b"\xff\x0a" + b"\0" * 40, "damaged"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + b"\0" * 40, "damaged"),
        (b"%PDF-1.7 and so on", "not an image.*JPEG"),
        (png_header(8, 8)[:40], "damaged"),
    ],
)
def test_what_is_no_image_says_what_it_is(data: bytes, message: str) -> None:
    with pytest.raises(ImageError, match=f"(?s){message}"):
        decode(data)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "TIFF"])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9])
def test_truncated_images_are_refused(kind: str, kept: float) -> None:
    noise = Image.effect_noise((64, 64), 90).convert("RGB")
    data = encode(noise, kind)
    with pytest.raises(ImageError):
        decode(data[: int(len(data) * kept)])


def test_pillows_warnings_do_not_leak_from_threads() -> None:
    broken = encode(flag(), "TIFF")
    broken = broken[:4] + struct.pack("<I", len(broken) - 20) + broken[8:]

    def attempt(_: int) -> bool:
        try:
            decode(broken)
        except ImageError:
            return False
        return True

    with warnings.catch_warnings(record=True) as leaked:
        warnings.simplefilter("always")
        with ThreadPoolExecutor(4) as threads:
            assert not any(threads.map(attempt, range(20)))
    assert leaked == []
