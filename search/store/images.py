"""The image store: images by the hash of their bytes, each kept once, and their thumbnails.

One SQLite file holds all of them: creating a file for each took 0.3 to 1.1 ms where a row takes 0.06, which was a
quarter of the time of indexing small images.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from PIL import Image
from sqlalchemy import Column, ForeignKey, Integer, LargeBinary, MetaData, String, Table, select

from vitrina.search.images.decode import MAX_ORIGINAL_BYTES, DecodedImage, decode_image
from vitrina.search.store.object_storage import ObjectStorage
from vitrina.search.store.sql import SqlDatabase, insert_new
from vitrina.search.store.sqlite_file import SqliteFile
from vitrina.search.types.errors import ImageError, NotFoundError, StorageError

THUMBNAIL_SIDES_PX = (64, 128, 256, 512, 1024)
"""The only thumbnail sizes made, so that a client cannot fill the disk with every size between."""

IN_STORAGE = b""
"""In place of the bytes of an image that is in object storage."""

_JPEG_QUALITY = 90
_THUMBNAIL_QUALITY = 85
_MAGIC = ((b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG\r\n\x1a\n", "image/png"))


def storable(image: DecodedImage, original: bytes) -> bytes:
    """The bytes to store for an image: the original if browsers can show it and it is small, else a JPEG of it.

    The JPEG has quality 90 and full colour resolution. Neither has the original's metadata.
    """
    if image.is_web_ready and len(original) <= MAX_ORIGINAL_BYTES:
        return image.stripped or original
    return _jpeg(image.pixels, _JPEG_QUALITY)


def image_id_of(data: bytes) -> str:
    """The id under which a store keeps these bytes: the first 32 hex digits of their SHA-256."""
    return hashlib.sha256(data).hexdigest()[:32]


def media_type(data: bytes) -> str:
    """The media type to serve stored bytes under; ``application/octet-stream`` for bytes that no store has written."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((name for magic, name in _MAGIC if data.startswith(magic)), "application/octet-stream")


metadata = MetaData()

images = Table(
    "pictures",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

thumbnails = Table(
    "thumbnails",
    metadata,
    Column("picture_id", ForeignKey("pictures.id"), primary_key=True),
    Column("side_px", Integer, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)


class ImageStore:
    """Images in one SQLite file, or in tables of PostgreSQL, each under the first 32 hex digits of its SHA-256. With
    ``storage`` the bytes of new ones are there; thumbnails stay in the database.

    Every method may be called from several threads and processes at once. Every method blocks and may raise
    StorageError, for a full disk or a damaged file.
    """

    def __init__(self, place: Path | SqlDatabase, storage: ObjectStorage | None = None) -> None:
        self.file: SqlDatabase = SqliteFile(place) if isinstance(place, Path) else place
        self._storage = storage
        with self.file.read() as connection:
            is_made = connection.dialect.has_table(connection, thumbnails.name)
        if not is_made:
            with self.file.write() as connection:
                metadata.create_all(connection)

    def close(self) -> None:
        self.file.close()

    def put(self, data: bytes) -> str:
        """Store the bytes and return their id. Idempotent."""
        return self.put_all([data])[0]

    def put_all(self, batch: Sequence[bytes]) -> list[str]:
        """Store several images in one transaction and return their ids; existing ones are not written again."""
        ids = [image_id_of(data) for data in batch]
        given = dict(zip(ids, batch, strict=True))
        if self._storage is not None:
            self._storage.write({image_id: given[image_id] for image_id in self._unknown(list(given))})
            given = dict.fromkeys(given, IN_STORAGE)
        if given:
            with self.file.write() as connection:
                insert_new(connection, images, [{"id": image_id, "data": data} for image_id, data in given.items()])
        return ids

    def _unknown(self, image_ids: Sequence[str]) -> list[str]:
        """Those of the images that are not stored."""
        with self.file.read() as connection:
            known = set(connection.scalars(select(images.c.id).where(images.c.id.in_(image_ids))))
        return [image_id for image_id in image_ids if image_id not in known]

    def read(self, image_id: str) -> bytes:
        """The bytes of an image. Raises NotFoundError for an unknown or malformed id."""
        found = self.read_all([image_id])
        if not found:
            raise NotFoundError(
                f"There is no image {image_id[:64]!r}.", remedy="Take image ids from a search answer or an item."
            )
        return found[image_id]

    def read_all(self, image_ids: Sequence[str]) -> dict[str, bytes]:
        """The bytes of images, by id, without those that are unknown."""
        with self.file.read() as connection:
            rows = connection.execute(select(images.c.id, images.c.data).where(images.c.id.in_(image_ids))).all()
        found = {row.id: bytes(row.data) for row in rows}
        in_storage = [image_id for image_id, data in found.items() if data == IN_STORAGE]
        return found | self._read_from_storage(in_storage) if in_storage else found

    def _read_from_storage(self, image_ids: Sequence[str]) -> dict[str, bytes]:
        """Images of object storage, each as it was written. Raises StorageError where one is not."""
        found = {} if self._storage is None else self._storage.read(image_ids)
        broken = [image_id for image_id in image_ids if image_id_of(found.get(image_id, b"")) != image_id]
        if broken:
            where = "in object storage" if self._storage is None else f"at {self._storage.address}"
            raise StorageError(
                f"The image {broken[0]} is {where}, and cannot be read there as it was written.",
                remedy="Set VITRINA_IMAGES to where the images were stored, or index their items again.",
            )
        return found

    def thumbnail(self, image_id: str, size_px: int) -> bytes:
        """An image whose longer side is at most ``size_px`` rounded up to one of ``THUMBNAIL_SIDES_PX``.

        The stored bytes themselves if they are that small already, else a JPEG, kept for the next call. Raises
        NotFoundError for an unknown id and ImageError for a size below 1.
        """
        side_px = _side(size_px)
        with self.file.read() as connection:
            key = (thumbnails.c.picture_id == image_id) & (thumbnails.c.side_px == side_px)
            made = connection.scalar(select(thumbnails.c.data).where(key))
        if made is not None:
            return bytes(made)
        data = self.read(image_id)
        image = decode_image(data, max_bytes=len(data) + 1, max_pixels=100_000_000, max_side_px=side_px)
        if max(image.width_px, image.height_px) <= side_px:
            return data
        small = _jpeg(image.pixels, _THUMBNAIL_QUALITY)
        with suppress(StorageError):  # with a full disk the next call takes longer, and this one still answers
            self._keep_thumbnail(image_id, side_px, small)
        return small

    def _keep_thumbnail(self, image_id: str, side_px: int, data: bytes) -> None:
        row = {"picture_id": image_id, "side_px": side_px, "data": data}
        with self.file.write() as connection:
            insert_new(connection, thumbnails, [row])


def _side(size_px: int) -> int:
    if size_px < 1:
        raise ImageError(
            f"A thumbnail of {size_px} pixels cannot be made.",
            remedy=f"Ask for a size from 1 to {THUMBNAIL_SIDES_PX[-1]:,}.",
        )
    return next((side for side in THUMBNAIL_SIDES_PX if side >= size_px), THUMBNAIL_SIDES_PX[-1])


def _jpeg(pixels: Image.Image, quality: int) -> bytes:
    out = io.BytesIO()
    pixels.save(out, "JPEG", quality=quality, subsampling=0)
    return out.getvalue()
