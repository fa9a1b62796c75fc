"""Memory: what decoding an image takes, known from its header, and a bound on what all of them take together."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from PIL import Image

MAX_IMAGE_BYTES = 200_000_000
"""The most memory that decoding one image may take."""

MAX_TOTAL_BYTES = 400_000_000
"""The most that decoding takes at a time: others wait for their turn, some tens of milliseconds."""

BYTES_PER_PIXEL: Final[Mapping[str, Mapping[str, int]]] = {
    "PNG": {"L": 2, "1": 6, "P": 6, "RGB": 6, "RGBA": 10, "LA": 14, "I;16": 5},
    "WEBP": {"RGB": 14, "RGBA": 18},
    "AVIF": {"RGB": 12, "RGBA": 16},
    "HEIF": {"RGB": 12, "RGBA": 16},
    "JXL": {"RGB": 14, "RGBA": 20},
    "GIF": {"L": 3, "P": 7, "RGB": 10, "RGBA": 12},
    "BMP": {"L": 3, "1": 6, "P": 6, "RGB": 6, "RGBA": 10},
    "TIFF": {"L": 4, "1": 6, "P": 8, "RGB": 12, "RGBA": 16, "LA": 16, "CMYK": 16, "I;16": 8},
}
"""At the peak, measured on 16 million pixels of one colour with Pillow 13 and rounded up: the decoder's own buffers,
the pixels, four bytes each even without alpha, and copies in other modes. A TIFF's strip may be all of the image."""

TRANSPARENCY_BYTES_PER_PIXEL = 9
"""What is added where one colour is transparent."""

OTHER_BYTES_PER_PIXEL = 20
"""For modes that are rare, such as floats."""

JPEGS: Final = frozenset({"JPEG", "MPO"})
"""MPO is a JPEG with others behind it, as phones and stereo cameras write it; the first is read."""

MAX_SCANS = 100
"""The most scans of a JPEG. Usual are 1 to 20; one of 23 bytes takes 0.35 ms for a million pixels to decode, so that a
file of 20 MB takes days. libtiff's own bound, too (LIBTIFF_JPEG_MAX_ALLOWED_SCAN_NUMBER)."""

MAX_SEGMENTS = 10_000
"""The most segments of a JPEG, which are read one by one, each in a microsecond. Metadata takes hundreds."""

_MARKER = 0xFF
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
"""A zero is data, and eight markers are within a scan (ITU T.81, B.1.1)."""

_END = b"\xff\xd9"
_START_OF_SCAN = 0xDA
_METADATA = frozenset({0xE1, 0xED, 0xFE})
"""APP1 (EXIF, XMP), APP13 (IPTC) and comments. Colour profiles (APP2) and colour transforms (APP14) stay."""

_STARTS_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE_FRAMES = frozenset({0xC2, 0xC6, 0xCA, 0xCE})


def decoding_bytes(image: Image.Image, data: bytes) -> int:
    """The memory that decoding takes at its peak, in bytes. ``image`` is open and not loaded; a JPEG's size is the
    reduced one that it is decoded at, and ``data`` tells whether it holds its whole image in memory before that."""
    width, height = image.size
    if image.format in JPEGS:
        buffered = 0.0
        if is_buffered(data):  # two bytes for each coefficient
            full_width, full_height = full_size(data) or image.size
            buffered = 2.0 * full_width * full_height * samples_per_pixel(image)
        return int(10 * width * height + buffered)
    per_pixel = BYTES_PER_PIXEL.get(image.format or "", {}).get(image.mode, OTHER_BYTES_PER_PIXEL)
    transparent = TRANSPARENCY_BYTES_PER_PIXEL if "transparency" in image.info else 0
    return width * height * (per_pixel + transparent)


def is_buffered(data: bytes) -> bool:
    """Whether a JPEG has several scans, so that libjpeg keeps all of it until the last one."""
    n_components = 0
    for marker, body in jpeg_segments(data):
        if marker in _PROGRESSIVE_FRAMES:
            return True
        if marker in _STARTS_OF_FRAME and len(body) > 5:
            n_components = body[5]
        if marker == _START_OF_SCAN:
            return bool(body) and body[0] < n_components
    return True


def full_size(data: bytes) -> tuple[int, int] | None:
    """A JPEG's width and height by its header."""
    for marker, body in jpeg_segments(data):
        if marker in _STARTS_OF_FRAME and len(body) > 5:
            return int.from_bytes(body[3:5], "big"), int.from_bytes(body[1:3], "big")
    return None


def jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The markers of a JPEG and what follows them, to the first scan."""
    for marker, body in all_segments(data):
        yield marker, body
        if marker == _START_OF_SCAN:
            return


def all_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The markers of a JPEG and what follows them, to its end; of a scan, its header."""
    at = 2
    while (found := _NEXT_MARKER.search(data, at)) and found[0] != _END:
        start = found.end()
        length = int.from_bytes(data[start : start + 2], "big")
        yield found[0][1], data[start + 2 : start + length]
        at = start + length


def is_overlong(data: bytes) -> bool:
    """Whether a JPEG has more scans, or segments, than are read."""
    n_scans = 0
    for n_segments, (marker, _) in enumerate(all_segments(data), 1):
        n_scans += marker == _START_OF_SCAN
        if n_scans > MAX_SCANS or n_segments > MAX_SEGMENTS:
            return True
    return False


def without_metadata(data: bytes) -> bytes | None:
    """A JPEG without its EXIF, XMP, IPTC and comments, its pixels as they are; None where it is not built as usual."""
    kept = bytearray(data[:2])
    at = 2
    while at + 4 <= len(data) and data[at] == _MARKER:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == _START_OF_SCAN:
            return bytes(kept + data[at:])
        if marker in (0x00, _MARKER) or length < 2:
            return None
        if marker not in _METADATA:
            kept += data[at : at + 2 + length]
        at += 2 + length
    return None


def samples_per_pixel(image: Image.Image) -> float:
    """How many samples a JPEG has for each pixel, 1.5 to 4 with its channels."""
    layers = getattr(image, "layer", [])  # name, horizontal and vertical sampling, quantization table
    widest = max((horizontal for _, horizontal, _, _ in layers), default=1)
    highest = max((vertical for _, _, vertical, _ in layers), default=1)
    return sum(across * down for _, across, down, _ in layers) / (widest * highest) if layers else 4.0


class DecodingMemory:
    """A bound on the memory of all images that are being decoded. Safe to use from several threads."""

    def __init__(self, total_bytes: int = MAX_TOTAL_BYTES) -> None:
        self._total_bytes = total_bytes
        self._changed = threading.Condition()
        self._turn = threading.Lock()
        self.n_bytes = 0

    @contextmanager
    def taking(self, n_bytes: int) -> Iterator[None]:
        """Waits until there is room for so many bytes, in the order of arrival, and keeps it inside the context."""
        n_bytes = min(n_bytes, self._total_bytes)
        with self._turn, self._changed:
            self._changed.wait_for(lambda: self.n_bytes + n_bytes <= self._total_bytes)
            self.n_bytes += n_bytes
        try:
            yield
        finally:
            with self._changed:
                self.n_bytes -= n_bytes
                self._changed.notify_all()


MEMORY = DecodingMemory()
"""That of this process."""
