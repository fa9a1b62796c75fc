"""Pictures that are damaged, by chance or on purpose: an image or an ImageError, soon, and within the memory bound."""

from __future__ import annotations

import faulthandler
import io
import multiprocessing
import random
import resource
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
from PIL import Image

from vitrina.search.images.decode import MAX_PIXELS, decode_image
from vitrina.search.images.formats import formats_of
from vitrina.search.images.memory import MAX_IMAGE_BYTES
from vitrina.search.types.errors import ImageError

N_IMAGES, N_SLOW_IMAGES = 300, 10_000
MAX_SECONDS = 10.0
"""For one picture, on a busy machine; a hang is ended after that."""

HUGE = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 12_000, 65_535)
"""What sizes, counts and offsets are set to."""


@dataclass(frozen=True)
class Decoded:
    """What became of mutated pictures."""

    n_decoded: int
    n_refused: int
    slowest_s: float
    grown_bytes: int
    """By how much the process's peak memory grew."""


def originals() -> list[bytes]:
    """A small picture in every format and usual mode."""
    formats_of(b"\xff\x0a"), formats_of(b"\0\0\0\x18ftypheic")  # loads the plug-ins, which also write
    photo = Image.effect_noise((48, 36), 60).convert("RGB")
    photo.paste("navy", (8, 8, 30, 30))
    kinds: Sequence[tuple[str, str, dict[str, object]]] = (
        ("JPEG", "RGB", {"quality": 80}),
        ("JPEG", "RGB", {"progressive": True}),
        ("JPEG", "CMYK", {}),
        ("PNG", "RGB", {}),
        ("PNG", "P", {}),
        ("PNG", "RGBA", {}),
        ("PNG", "I;16", {}),
        ("GIF", "P", {}),
        ("WEBP", "RGB", {}),
        ("WEBP", "RGBA", {"lossless": True}),
        ("BMP", "RGB", {}),
        ("TIFF", "RGB", {"compression": "tiff_lzw"}),
        ("TIFF", "1", {"compression": "group4"}),
        ("TIFF", "F", {}),
        ("AVIF", "RGB", {}),
        ("HEIF", "RGB", {}),
        ("JXL", "RGB", {}),
    )
    written = []
    for kind, mode, options in kinds:
        file = io.BytesIO()
        photo.convert("L").convert(mode).save(file, kind, **options) if mode == "I;16" else photo.convert(mode).save(
            file, kind, **options
        )
        written.append(file.getvalue())
    return written


def flipped(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 2, 8, 64))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def overwritten(data: bytearray, chance: random.Random) -> None:
    """A number near the beginning, where headers are, becomes another, in either byte order."""
    form = chance.choice((">I", "<I", ">H", "<H"))
    at = chance.randrange(min(len(data) - 4, chance.choice((64, 256, 4096))))
    struct.pack_into(form, data, at, chance.choice(HUGE) & (0xFFFF if form[1] == "H" else 0xFFFFFFFF))


def cut(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(4, len(data)) :]


def removed(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(data))
    del data[at : at + chance.choice((1, 4, 32))]


def repeated(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(data))
    data[at:at] = data[at : at + chance.choice((1, 16, 256))] * chance.choice((1, 4, 64))


MUTATIONS: Sequence[Callable[[bytearray, random.Random], None]] = (flipped, overwritten, cut, removed, repeated)


def mutated(written: Sequence[bytes], chance: random.Random) -> bytes:
    """One of the pictures with one to four mutations, or the beginning of one and the end of another."""
    data = bytearray(chance.choice(written))
    if chance.random() < 0.1:
        other = chance.choice(written)
        data = data[: chance.randrange(8, len(data))] + bytearray(other[chance.randrange(len(other)) :])
    for _ in range(chance.randrange(1, 5)):
        if len(data) > 8:
            chance.choice(MUTATIONS)(data, chance)
    return bytes(data)


def decode_all(n_images: int, seed: int) -> Decoded:
    """Decode mutated pictures in this process; ends it where one hangs."""
    chance, written = random.Random(seed), originals()
    for data in written:
        decode_image(data)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    n_decoded, slowest_s = 0, 0.0
    for _ in range(n_images):
        data = mutated(written, chance)
        faulthandler.dump_traceback_later(MAX_SECONDS, exit=True)
        started = time.monotonic()
        try:
            image = decode_image(data)
        except ImageError:
            pass
        else:
            n_decoded += 1
            assert image.pixels.mode == "RGB"
            assert max(image.pixels.size) <= 1024
            assert image.width_px * image.height_px <= MAX_PIXELS
        slowest_s = max(slowest_s, time.monotonic() - started)
    faulthandler.cancel_dump_traceback_later()
    grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    return Decoded(n_decoded, n_images - n_decoded, slowest_s, grown)


def decoded_apart(n_images: int, seed: int) -> Decoded:
    """The same in a process of its own, which may crash. Raises BrokenProcessPool."""
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as processes:
        return processes.submit(decode_all, n_images, seed).result()


def check(decoded: Decoded, n_images: int) -> None:
    assert decoded.n_decoded + decoded.n_refused == n_images
    assert decoded.n_decoded > n_images // 50, "some are damaged where it does not matter"
    assert decoded.n_refused > n_images // 10
    assert decoded.slowest_s < MAX_SECONDS
    assert decoded.grown_bytes < 1.5 * MAX_IMAGE_BYTES


def test_mutated_images() -> None:
    check(decoded_apart(N_IMAGES, seed=1), N_IMAGES)


@pytest.mark.marathon
@pytest.mark.timeout(3_600)
def test_ten_thousand_mutated_images() -> None:
    decoded = decoded_apart(N_SLOW_IMAGES, seed=2)
    print(decoded)  # noqa: T201
    check(decoded, N_SLOW_IMAGES)
