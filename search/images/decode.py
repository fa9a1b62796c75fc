"""Decode untrusted bytes into one clean image: verified, upright, RGB, no larger than asked."""

from __future__ import annotations

import io
import re
import struct
import warnings
import zlib
from dataclasses import dataclass

import numpy as np
from PIL import Image, UnidentifiedImageError

from vitrina.search.images.formats import FORMATS, PLUGIN_FORMATS, formats_of, jxl_size
from vitrina.search.images.memory import (
    MAX_IMAGE_BYTES,
    MAX_SCANS,
    MAX_SEGMENTS,
    MEMORY,
    OTHER_BYTES_PER_PIXEL,
    decoding_bytes,
    is_overlong,
    without_metadata,
)
from vitrina.search.types.errors import ImageError

_BROKEN = (
    UnidentifiedImageError,
    AttributeError,
    EOFError,
    IndexError,
    KeyError,
    MemoryError,
    OSError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    ZeroDivisionError,
    struct.error,
    zlib.error,
)
"""What Pillow's readers raise on damaged files, by their code and by 60,000 mutated images thrown at them."""

_MAGIC = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF", b"BM", b"II*\0", b"MM\0*")
_ORIENTATION_TAG = 0x0112  # EXIF 2.32, table 4
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_REDUCED_FIRST = frozenset({"L", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I;16"})
"""Modes that are reduced before they are converted, which takes less memory."""

_WEB_FORMATS = frozenset({"JPEG", "PNG", "WEBP"})
_WEB_MODES = frozenset({"1", "L", "LA", "P", "RGB", "RGBA"})


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """One image, decoded.

    ``pixels`` is upright RGB, transparency laid over white. ``format`` is Pillow's name of the original's format;
    ``width_px`` and ``height_px`` are the original's size, upright. ``is_web_ready`` says that a browser shows the
    original bytes as they are: a still JPEG, PNG or WebP, upright, 8-bit, not downscaled and without metadata; or
    ``stripped``, where there are any: those of a JPEG without its metadata.
    """

    pixels: Image.Image
    format: str
    width_px: int
    height_px: int
    is_web_ready: bool
    stripped: bytes | None = None


MAX_BYTES = 30 * 1024 * 1024
"""The largest file read, from a catalog, a URL or a query: room for a 64-megapixel camera's JPEG."""

MAX_PIXELS = 64_000_000
"""The largest image decoded: a JPEG, which is decoded at a part of its size. Others take up to 20 bytes a pixel and may
have as many as ``MAX_IMAGE_BYTES`` hold: 33 million in PNG, 14 million in WebP."""


MAX_ORIGINAL_BYTES = 1 << 20
"""Originals up to this size are kept as they are. A 1,024-pixel JPEG at quality 90 takes 150 to 400 KiB; 1 MiB leaves
room for a drawing in PNG and stops photographs in PNG."""

KEPT_SIDE_PX = 2048
KEPT_BYTES = 512 << 10
"""A web-ready file of more than 1,024 pixels within both is kept as it is: encoding its pixels at 1,024 again would
take as much disk, and three times as long as decoding them."""


def decode_image(
    data: bytes,
    *,
    max_bytes: int = MAX_BYTES,
    max_pixels: int = MAX_PIXELS,
    max_side_px: int = 1024,
    working_side_px: int | None = None,
) -> DecodedImage:
    """Decode one untrusted image; of an animation or a multi-page file, the first frame.

    Sizes are checked in the header, before any pixel is decoded. ``max_pixels`` is at most 178 million, Pillow's own
    limit. The result's longer side is at most ``max_side_px``; smaller images are left at their size. With
    ``working_side_px`` the pixels are for a model: a file that is to be stored as it is, within ``KEPT_SIDE_PX`` and
    ``KEPT_BYTES`` or of ``MAX_ORIGINAL_BYTES`` at most, is web-ready, and if it is a JPEG it is decoded at that part of
    its size whose shorter side is at least so long.
    Raises ImageError for anything but a whole image within the limits. Safe from several threads.
    """
    bounds = _Bounds(max_side_px, working_side_px)
    _refuse_bytes(data, max_bytes)
    _refuse_overlong(data)
    _hush_pillow()
    try:
        claimed = jxl_size(data)
        if claimed is None:
            return _opened(data, max_pixels, bounds)
        _refuse_size(claimed, max_pixels)  # its plug-in decodes it when it opens it
        n_bytes = OTHER_BYTES_PER_PIXEL * claimed[0] * claimed[1]
        _refuse_memory("JXL", claimed, n_bytes)
        with MEMORY.taking(n_bytes), Image.open(io.BytesIO(data), formats=formats_of(data)) as image:
            return _decode(image, image.size, len(data), bounds)
    except Image.DecompressionBombError as error:
        raise _too_many_pixels("more than 178 million", max_pixels) from error
    except _BROKEN as error:
        raise _not_an_image(data, error) from error


@dataclass(frozen=True, slots=True)
class _Bounds:
    """How large the pixels may be, and how large they need be where the file itself is kept."""

    max_side_px: int
    working_side_px: int | None

    def are_kept_by(self, size: tuple[int, int], n_bytes: int) -> bool:
        """Whether a web-ready file of this size and so many bytes can be kept as it is."""
        if self.working_side_px is None:
            return max(size) <= self.max_side_px
        max_side_px = KEPT_SIDE_PX if n_bytes <= KEPT_BYTES else self.max_side_px
        return max(size) <= max_side_px and n_bytes <= MAX_ORIGINAL_BYTES

    def drafted(self, size: tuple[int, int], *, is_kept: bool) -> tuple[int, int]:
        """The size that a JPEG is decoded at, or somewhat more."""
        if not is_kept or self.working_side_px is None:
            return _fitted(size, self.max_side_px)
        scale = min(1.0, self.working_side_px / min(size))
        return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _opened(data: bytes, max_pixels: int, bounds: _Bounds) -> DecodedImage:
    with Image.open(io.BytesIO(data), formats=formats_of(data)) as image:
        size = image.size
        _refuse_size(size, max_pixels)
        stripped = _stripped(image, data) if bounds.working_side_px is not None else None
        is_kept = _is_plain(image) or stripped is not None
        # a large JPEG decodes at 1/2, 1/4 or 1/8 of its size
        image.draft(None, bounds.drafted(size, is_kept=is_kept and bounds.are_kept_by(size, len(data))))
        n_bytes = decoding_bytes(image, data)
        _refuse_memory(f"{image.format} in {image.mode}", size, n_bytes)
        with MEMORY.taking(n_bytes):
            return _decode(image, size, len(data), bounds, stripped)


def _is_plain(image: Image.Image) -> bool:
    """Whether a browser shows the file as it is, whatever its size; as far as the header tells before it is loaded."""
    plain = image.mode in _WEB_MODES and not {"exif", "xmp"} & image.info.keys()
    return plain and image.format in _WEB_FORMATS and not getattr(image, "is_animated", False)


def _stripped(image: Image.Image, data: bytes) -> bytes | None:
    """The bytes of a JPEG that has metadata and is upright, without it; None for any other."""
    if image.format != "JPEG" or image.mode not in _WEB_MODES or _is_plain(image):
        return None
    is_upright = image.getexif().get(_ORIENTATION_TAG, 1) not in _UPRIGHT  # it is in the header
    return without_metadata(data) if is_upright else None


def _decode(
    image: Image.Image, size: tuple[int, int], n_bytes: int, bounds: _Bounds, stripped: bytes | None = None
) -> DecodedImage:
    is_plain = _is_plain(image)
    image.load()
    is_plain = stripped is not None or (is_plain and _is_plain(image))
    is_web_ready = is_plain and bounds.are_kept_by(size, n_bytes)
    max_side_px = KEPT_SIDE_PX if is_web_ready else bounds.max_side_px
    orientation = image.getexif().get(_ORIENTATION_TAG, 1)
    reduced = _fitted(size, max_side_px)
    if image.mode in _REDUCED_FIRST and "transparency" not in image.info and max(size) > max_side_px:
        pixels = _rgb(image.resize(reduced, Image.Resampling.LANCZOS))
    else:
        pixels = _rgb(image)
        pixels = pixels.resize(reduced, Image.Resampling.LANCZOS) if max(size) > max_side_px else pixels
    if orientation in _UPRIGHT:
        pixels = pixels.transpose(_UPRIGHT[orientation])
        size = size[::-1] if orientation >= 5 else size
    return DecodedImage(pixels, image.format or "", *size, is_web_ready, stripped if is_web_ready else None)


def _fitted(size: tuple[int, int], max_side_px: int) -> tuple[int, int]:
    scale = min(1.0, max_side_px / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image.copy()
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _eight_bits(image).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        colours = image.convert("RGBA")
        flat = Image.new("RGB", image.size, "white")
        flat.paste(colours, mask=colours.getchannel("A"))
        return flat
    return image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Scale a grey image of more than 8 bits; Pillow's own conversion clips.

    16-bit samples use their whole range. 32-bit and float files do not state theirs: it is taken to be the smallest of
    1 (floats), 255, 65,535 and the image's own maximum that holds every sample.
    """
    samples = np.array(image, dtype=np.float32)
    np.nan_to_num(samples, copy=False, posinf=0.0)
    high = 65_535.0
    if not image.mode.startswith("I;16"):
        top = float(samples.max())
        high = next(
            limit
            for limit in ((1.0, 255.0, 65_535.0, top) if image.mode == "F" else (255.0, 65_535.0, top))
            if limit >= top
        )
    samples *= 255.0 / high
    samples += 0.5
    return Image.fromarray(np.clip(samples, 0, 255, out=samples).astype(np.uint8))


def _refuse_bytes(data: bytes, max_bytes: int) -> None:
    if not data:
        raise ImageError("The image is empty: 0 bytes.", remedy="Send the image's whole file.")
    if len(data) > max_bytes:
        raise ImageError(
            f"The image has {len(data):,} bytes; the limit is {max_bytes:,}.",
            remedy="Send a smaller file; 1,024 pixels on the longer side are plenty.",
            details={"n_bytes": len(data), "max_bytes": max_bytes},
        )


def _refuse_size(size: tuple[int, int], max_pixels: int) -> None:
    if size[0] * size[1] > max_pixels:
        raise _too_many_pixels(f"{size[0]:,} x {size[1]:,}", max_pixels)


def _too_many_pixels(found: str, max_pixels: int) -> ImageError:
    return ImageError(
        f"The image's header claims {found} pixels; the limit is {max_pixels:,} in all.",
        remedy="Downscale it first; 1,024 pixels on the longer side are plenty.",
        details={"max_pixels": max_pixels},
    )


def _refuse_overlong(data: bytes) -> None:
    if data.startswith(b"\xff\xd8") and is_overlong(data):
        raise ImageError(
            f"The JPEG has more than {MAX_SCANS} scans, or more than {MAX_SEGMENTS:,} segments.",
            remedy="Save it again with an image editor; usual are 20 and some hundreds.",
            details={"max_scans": MAX_SCANS, "max_segments": MAX_SEGMENTS},
        )


def _refuse_memory(kind: str, size: tuple[int, int], n_bytes: int) -> None:
    if n_bytes <= MAX_IMAGE_BYTES:
        return
    most = int(MAX_IMAGE_BYTES / (n_bytes / (size[0] * size[1])))
    raise ImageError(
        f"The image's header claims {size[0]:,} x {size[1]:,} pixels, which take {n_bytes / 1e6:,.0f} MB to decode; "
        f"the limit for {kind} is {most:,} pixels.",
        remedy="Downscale it first; 1,024 pixels on the longer side are plenty.",
        details={"max_pixels": most},
    )


def _not_an_image(data: bytes, error: BaseException) -> ImageError:
    head = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    readable = ", ".join((*FORMATS, *PLUGIN_FORMATS))
    if b"<svg" in head:
        message, remedy = "This is an SVG drawing, not an image made of pixels.", f"Export it as one of {readable}."
    elif head.startswith(b"<"):
        message, remedy = (
            "This is a web page or XML, not an image.",
            "Link the image itself, not the page around it.",
        )
    elif isinstance(error, UnidentifiedImageError) and formats_of(data) == FORMATS and not data.startswith(_MAGIC):
        message, remedy = "These bytes are not an image in a format that can be read.", f"Send one of {readable}."
    else:
        reason = str(error) if not isinstance(error, UnidentifiedImageError) else "its header cannot be read"
        message, remedy = f"The image is damaged or cut short: {reason}.", "Export or download it again."
    return ImageError(message, remedy=remedy, details={"n_bytes": len(data)})


def _hush_pillow() -> None:
    """Silence Pillow's warnings about the files it reads: each file is checked here already, and none may reach a log.

    ``warnings.catch_warnings`` is not safe in threads, so this puts one process-wide filter on Pillow's own modules
    first, and again whenever other code (pytest, for each test) has put others before it.
    """
    if warnings.filters[:1] != [_HUSHED]:
        warnings.filterwarnings("ignore", module=_PILLOW)


_PILLOW = r"PIL\."
_HUSHED = ("ignore", None, Warning, re.compile(_PILLOW), 0)
