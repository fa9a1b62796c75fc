"""What decoding takes, known before it begins, and the bound on all that is decoded at a time."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pillow_heif
import pytest
from PIL import Image, features

from vitrina.search.images import decode
from vitrina.search.images.decode import decode_image
from vitrina.search.images.memory import DecodingMemory, decoding_bytes, is_buffered
from vitrina.search.types.errors import ImageError

SIDE_PX = 400
KINDS: Mapping[str, tuple[str, str, dict[str, object]]] = {
    "lossless WebP": ("WEBP", "RGB", {"lossless": True}),
    "lossless WebP with alpha": ("WEBP", "RGBA", {"lossless": True}),
    "PNG": ("PNG", "RGB", {}),
    "16-bit PNG": ("PNG", "I;16", {}),
    "PNG with a transparent colour": ("PNG", "RGB", {"transparency": (0, 0, 0)}),
    "float TIFF": ("TIFF", "F", {}),
    "TIFF": ("TIFF", "RGB", {}),
    "GIF": ("GIF", "P", {}),
    "BMP": ("BMP", "RGB", {}),
    "progressive JPEG": ("JPEG", "RGB", {"progressive": True}),
    "HEIC": ("HEIF", "RGB", {}),
    **({"AVIF": ("AVIF", "RGB", {})} if features.check("avif") else {}),
}


pillow_heif.register_heif_opener()


def encoded(kind: str, side_px: int = SIDE_PX) -> bytes:
    format_, mode, options = KINDS[kind]
    out = io.BytesIO()
    Image.new(mode, (side_px, side_px)).save(out, format_, **options)
    return out.getvalue()


@pytest.mark.parametrize("kind", KINDS)
def test_what_takes_too_much_is_refused_by_its_header(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    data = encoded(kind)
    with Image.open(io.BytesIO(data)) as image:
        image.draft(None, (64, 64))
        needed = decoding_bytes(image, data)
    assert needed >= 3 * SIDE_PX * SIDE_PX
    monkeypatch.setattr(decode, "MAX_IMAGE_BYTES", needed)
    assert decode_image(data, max_side_px=64).pixels.size == (64, 64)
    monkeypatch.setattr(decode, "MAX_IMAGE_BYTES", needed - 1)
    monkeypatch.setattr(decode, "_decode", lambda *_: pytest.fail("It was decoded."))
    with pytest.raises(ImageError) as caught:
        decode_image(data, max_side_px=64)
    assert f"{SIDE_PX} x {SIDE_PX} pixels" in caught.value.message
    assert "Downscale" in caught.value.remedy
    assert caught.value.details["max_pixels"]


def test_a_bomb_of_a_few_kilobytes_is_refused() -> None:
    out = io.BytesIO()
    Image.new("1", (7_900, 7_900)).save(out, "PNG")
    with pytest.raises(ImageError, match="MB to decode"):
        decode_image(out.getvalue())


def test_a_jpeg_xl_is_refused_before_its_plug_in_decodes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pillow_jxl")
    out = io.BytesIO()
    Image.new("RGB", (SIDE_PX, SIDE_PX)).save(out, "JXL")
    assert decode_image(out.getvalue(), max_side_px=64).pixels.size == (64, 64)
    monkeypatch.setattr(decode, "MAX_IMAGE_BYTES", SIDE_PX * SIDE_PX)
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("It was opened."))
    with pytest.raises(ImageError, match="MB to decode"):
        decode_image(out.getvalue())


def test_a_large_photo_of_a_camera_is_decoded_at_a_part_of_its_size() -> None:
    out = io.BytesIO()
    Image.new("L", (7_900, 7_900), 90).save(out, "JPEG")
    decoded = decode_image(out.getvalue())
    assert (decoded.width_px, decoded.pixels.size) == (7_900, (1_024, 1_024))


@pytest.mark.parametrize("between", [b"", b"\xff\xfe\0\4\xff\xd9"])
def test_a_jpeg_of_very_many_scans_is_refused(between: bytes) -> None:
    """Each takes longer to decode than to send; 20 MB of them took days. What looks like the end may be a comment."""
    data = encoded("progressive JPEG")
    scan = data[data.rindex(b"\xff\xda") : -2]
    assert decode_image(data[:-2] + 80 * (between + scan) + b"\xff\xd9").format == "JPEG"
    with pytest.raises(ImageError, match="more than 100 scans"):
        decode_image(data[:-2] + 100 * (between + scan) + b"\xff\xd9")


def test_a_jpeg_of_very_many_segments_is_refused_and_what_comes_after_its_end_is_not_counted() -> None:
    data = encoded("progressive JPEG")
    assert decode_image(data + 20_000 * b"\xff\xda\0\2").format == "JPEG"
    with pytest.raises(ImageError, match="10,000 segments"):
        decode_image(data[:2] + 10_000 * b"\xff\xfe\0\2" + data[2:])


def test_jpegs_that_are_held_as_a_whole() -> None:
    plain, progressive = io.BytesIO(), encoded("progressive JPEG")
    Image.new("RGB", (64, 64)).save(plain, "JPEG")
    data = plain.getvalue()
    assert not is_buffered(data)
    assert is_buffered(progressive)
    scan = data.index(b"\xff\xda")
    one_channel_a_scan = data[: scan + 4] + b"\1" + data[scan + 5 :]
    assert is_buffered(one_channel_a_scan)
    assert is_buffered(data[: scan - 1]), "what cannot be told takes most"


def test_large_images_with_alpha_are_the_same_reduced_before_or_after() -> None:
    out = io.BytesIO()
    image = Image.new("RGBA", (300, 300), (200, 30, 30, 0))
    image.paste((200, 30, 30, 255), (0, 0, 300, 150))
    image.save(out, "PNG")
    pixels = decode_image(out.getvalue(), max_side_px=30).pixels
    assert (pixels.getpixel((15, 4)), pixels.getpixel((15, 25))) == ((200, 30, 30), (255, 255, 255))


def test_what_is_decoded_at_a_time_stays_below_the_total() -> None:
    memory, most, lock = DecodingMemory(100), [0], threading.Lock()

    def decode_one(n_bytes: int) -> None:
        with memory.taking(n_bytes):
            with lock:
                most[0] = max(most[0], memory.n_bytes)
            time.sleep(0.002)

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(decode_one, [60, 30, 500, 10, 99, 1] * 20))
    assert memory.n_bytes == 0
    assert 90 <= most[0] <= 100


def test_room_is_given_back_where_decoding_fails() -> None:
    memory = DecodingMemory(100)
    with pytest.raises(OSError, match="cut short"), memory.taking(80):
        raise OSError("cut short")
    assert memory.n_bytes == 0
