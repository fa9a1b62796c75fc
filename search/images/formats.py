"""The image formats read: Pillow's own, and those of plug-ins that are loaded when a file needs them."""

from __future__ import annotations

from functools import cache

from PIL import features

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", *(("AVIF",) if features.check("avif") else ()))
"""The formats read by Pillow itself, in its names; its other readers are old, rare and attack surface."""

PLUGIN_FORMATS = ("HEIF", "JXL")
"""Formats read by pillow-heif and by pillow-jxl-plugin, whose imports take 0.4 s."""

_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_JXL_CONTAINER = b"\x00\x00\x00\x0cJXL \x0d\x0a\x87\x0a"
_JXL_CODESTREAM = b"\xff\x0a"
_JXL_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_JXL_SIZE_BITS = (9, 13, 18, 30)


def formats_of(data: bytes) -> tuple[str, ...]:
    """The formats to open a file with, by its first bytes; loads the plug-in that it needs."""
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS and b"avif" not in data[8:32]:
        _load_heif()
        return ("HEIF",)
    if data.startswith((_JXL_CONTAINER, _JXL_CODESTREAM)):
        _load_jxl()
        return ("JXL",)
    return FORMATS


def jxl_size(data: bytes) -> tuple[int, int] | None:
    """The width and height of a JPEG XL file by its header, None for any other file.

    Needed beforehand, since the plug-in decodes a file when it opens it. ISO/IEC 18181-1, D.2 (SizeHeader) and
    18181-2 (boxes). Raises ValueError for a header that makes no sense.
    """
    start = 0
    if data.startswith(_JXL_CONTAINER):
        start = data.find(_JXL_CODESTREAM, len(_JXL_CONTAINER))
    if not data.startswith(_JXL_CODESTREAM, max(0, start)):
        if start < 0:
            raise ValueError("a container without a codestream")
        return None
    bits = _Bits(int.from_bytes(data[start + 2 : start + 18], "little"))
    is_small = bits.take(1)
    height = 8 * (bits.take(5) + 1) if is_small else bits.size()
    ratio = bits.take(3)
    if ratio:
        across, down = _JXL_RATIOS[ratio - 1]
        return height * across // down, height
    return (8 * (bits.take(5) + 1) if is_small else bits.size()), height


class _Bits:
    """Reads bits, the least significant first."""

    def __init__(self, value: int) -> None:
        self._value = value

    def take(self, n: int) -> int:
        taken = self._value & ((1 << n) - 1)
        self._value >>= n
        return taken

    def size(self) -> int:
        return self.take(_JXL_SIZE_BITS[self.take(2)]) + 1


@cache
def _load_heif() -> None:
    from pillow_heif import register_heif_opener

    register_heif_opener(thumbnails=False)


@cache
def _load_jxl() -> None:
    import pillow_jxl  # noqa: F401 - registers itself
