"""Pictures kept once, under the hash of their bytes."""

from __future__ import annotations

import hashlib
import io
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from PIL import Image

from search.errors import ImageError, NotFoundError, StorageError
from search.images.decode import DecodedImage, decode_image

THUMBNAIL_SIDES_PX = (64, 128, 256, 512, 1024)
"""The only thumbnail sizes made, so that a stranger cannot fill the disk with every size between."""

MAX_ORIGINAL_BYTES = 1 << 20
"""Originals up to here are kept as they are. A 1,024-pixel JPEG at quality 90 takes 150 to 400 KiB; 1 MiB leaves
room for a drawing in PNG and stops photographs in PNG."""

_ID = re.compile(r"[0-9a-f]{32}")
_JPEG_QUALITY = 90
_THUMBNAIL_QUALITY = 85
_MAGIC = ((b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG\r\n\x1a\n", "image/png"))


def storable(image: DecodedImage, original: bytes) -> bytes:
    """The bytes to keep of a picture: the original if browsers can show it and it is small, else a JPEG of it.

    The JPEG has quality 90, full colour resolution, and none of the original's metadata.
    """
    if image.is_web_ready and len(original) <= MAX_ORIGINAL_BYTES:
        return original
    return _jpeg(image.pixels, _JPEG_QUALITY)


def image_id_of(data: bytes) -> str:
    """The id under which a store keeps these bytes: the first 32 hex digits of their SHA-256."""
    return hashlib.sha256(data).hexdigest()[:32]


def media_type(data: bytes) -> str:
    """The media type to serve stored bytes under; ``application/octet-stream`` for what no store has written."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((name for magic, name in _MAGIC if data.startswith(magic)), "application/octet-stream")


class ImageStore:
    """Pictures in one folder, each under the first 32 hex digits of its SHA-256, in 256 folders.

    Every method may be called from several threads and processes at once. Writes appear whole or not at all. A file
    is not forced to the disk one by one; ``put`` replaces one that a power cut has left short.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, data: bytes) -> str:
        """Keep the bytes and return their id. Idempotent. Blocks; raises ``StorageError`` when the disk is full."""
        image_id = image_id_of(data)
        _write_once(self._place(image_id), data)
        return image_id

    def path(self, image_id: str) -> Path:
        """The file of a picture. Raises ``NotFoundError`` for an id that is unknown or no id at all."""
        if not _ID.fullmatch(image_id):
            raise _unknown(image_id)
        path = self._place(image_id)
        if not path.is_file():
            raise _unknown(image_id)
        return path

    def read(self, image_id: str) -> bytes:
        """The bytes of a picture. Raises ``NotFoundError`` for an unknown id, ``StorageError`` when unreadable."""
        return _read(self.path(image_id), image_id)

    def thumbnail(self, image_id: str, size_px: int) -> bytes:
        """A picture whose longer side is at most ``size_px`` rounded up to one of ``THUMBNAIL_SIDES_PX``.

        The stored bytes themselves if they are that small already, else a JPEG, kept on disk for the next call.
        Raises ``NotFoundError`` for an unknown id and ``ImageError`` for a size below 1. Blocks.
        """
        side_px = _side(size_px)
        original = self.path(image_id)
        cached = original.with_name(f"{image_id}.{side_px}.jpg")
        if _size(cached) > 0:
            return _read(cached, image_id)
        data = _read(original, image_id)
        image = decode_image(data, max_bytes=len(data) + 1, max_pixels=100_000_000, max_side_px=side_px)
        if max(image.width_px, image.height_px) <= side_px:
            return data
        small = _jpeg(image.pixels, _THUMBNAIL_QUALITY)
        with suppress(
            StorageError
        ):  # a disk that is full or read-only costs the next call time, not this one its answer
            _write_whole(cached, small)
        return small

    def _place(self, image_id: str) -> Path:
        return self._folder / image_id[:2] / image_id


def _side(size_px: int) -> int:
    if size_px < 1:
        raise ImageError(
            f"A thumbnail of {size_px} pixels cannot be made.",
            remedy=f"Ask for a size from 1 to {THUMBNAIL_SIDES_PX[-1]:,}.",
        )
    return next((side for side in THUMBNAIL_SIDES_PX if side >= size_px), THUMBNAIL_SIDES_PX[-1])


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _jpeg(pixels: Image.Image, quality: int) -> bytes:
    out = io.BytesIO()
    pixels.save(out, "JPEG", quality=quality, subsampling=0)
    return out.getvalue()


def _write_once(path: Path, data: bytes) -> None:
    """Write a file whose name is the hash of its content.

    No rename is needed, which costs a third of the time: whoever else writes this name writes the same bytes, a file
    that a killed process left short is completed by the next ``put``, and nobody is told the name before it is whole.
    """
    with _storage_errors(path):
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
        except FileExistsError:
            if _size(path) == len(data):
                return
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            _write_all(descriptor, data)
        except OSError:
            with suppress(OSError):  # what stopped the write may stop this too; the next put completes the file
                path.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]
    os.ftruncate(descriptor, len(data))


def _write_whole(path: Path, data: bytes) -> None:
    """Write a file that others may be reading: to a name of its own first, then renamed over ``path``."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with _storage_errors(path):
        try:
            temporary.write_bytes(data)
            os.replace(temporary, path)
        except OSError:
            with suppress(OSError):  # what stopped the write may stop this too; no reader looks for a leftover's name
                temporary.unlink(missing_ok=True)
            raise


@contextmanager
def _storage_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"The picture {path.name} cannot be written to {path.parent}: {error.strerror or error}.",
            remedy="Free disk space or give Vitrina a folder it may write to, then run the same command again.",
        ) from error


def _read(path: Path, image_id: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise _unknown(image_id) from error
    except OSError as error:
        raise StorageError(
            f"The picture {path} cannot be read: {error.strerror or error}.",
            remedy="Check the disk and the folder's permissions.",
        ) from error


def _unknown(image_id: str) -> NotFoundError:
    return NotFoundError(
        f"There is no image {image_id[:64]!r}.", remedy="Take image ids from a search answer or an item."
    )
