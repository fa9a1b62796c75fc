"""Pictures are kept once, whole, and never outside their folder."""

from __future__ import annotations

import errno
import io
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from search.errors import ImageError, NotFoundError, StorageError
from search.images.decode import decode_image
from search.images.store import MAX_ORIGINAL_BYTES, ImageStore, media_type, storable


def picture(width_px: int, height_px: int, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.linear_gradient("L").resize((width_px, height_px)).convert("RGB").save(out, kind)
    return out.getvalue()


def kept(data: bytes) -> bytes:
    return storable(decode_image(data, max_bytes=1 << 24, max_pixels=1 << 24), data)


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "images")


def test_what_is_put_is_read_back_under_one_name(store: ImageStore) -> None:
    data = picture(20, 10)
    image_id = store.put(data)
    assert store.put(data) == image_id
    assert store.read(image_id) == data
    assert store.path(image_id).read_bytes() == data
    assert len(image_id) == 32
    assert ImageStore(store.path(image_id).parents[1]).read(image_id) == data


def test_different_bytes_have_different_names(store: ImageStore) -> None:
    assert store.put(b"a") != store.put(b"b")


@pytest.mark.parametrize(
    "image_id", ["0" * 32, "", "../../etc/passwd", "A" * 32, "0" * 31 + "/", "0" * 32 + "\n", "é" * 32]
)
def test_unknown_and_malformed_ids_are_not_found(store: ImageStore, image_id: str) -> None:
    for look in (store.path, store.read, lambda name: store.thumbnail(name, 64)):
        with pytest.raises(NotFoundError):
            look(image_id)


def test_a_file_cut_short_is_written_again(store: ImageStore) -> None:
    data = picture(20, 10)
    path = store.path(store.put(data))
    path.write_bytes(b"")
    assert store.read(store.put(data)) == data


def test_many_threads_may_put_the_same_picture(store: ImageStore) -> None:
    data = picture(64, 64)
    with ThreadPoolExecutor(8) as threads:
        names = set(threads.map(lambda _: store.put(data), range(64)))
    assert len(names) == 1
    folder = store.path(names.pop()).parent
    assert len(list(folder.iterdir())) == 1


def test_a_full_disk_is_a_storage_error_and_leaves_nothing(store: ImageStore, monkeypatch: pytest.MonkeyPatch) -> None:
    kept_before = store.put(b"before")

    write = os.write

    def full(descriptor: int, data: memoryview) -> int:
        if len(data) == 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data[:-1])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StorageError, match=r"No space left.*Free disk space"):
        store.put(b"after")
    assert store.read(kept_before) == b"before"
    assert [path.read_bytes() for path in store.path(kept_before).parents[1].rglob("*") if path.is_file()] == [
        b"before"
    ]


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "images").write_text("a file")
    with pytest.raises(StorageError):
        ImageStore(tmp_path / "images").put(b"x")


def test_thumbnails_round_up_to_few_sizes_and_are_kept(store: ImageStore) -> None:
    image_id = store.put(picture(800, 400))
    small = store.thumbnail(image_id, 100)
    assert Image.open(io.BytesIO(small)).size == (128, 64)
    assert media_type(small) == "image/jpeg"
    assert store.thumbnail(image_id, 128) == small
    files = sorted(path.name for path in store.path(image_id).parent.iterdir())
    assert files == [image_id, f"{image_id}.128.jpg"]


def test_a_thumbnail_no_smaller_than_the_picture_is_the_picture(store: ImageStore) -> None:
    data = picture(60, 80)
    image_id = store.put(data)
    assert store.thumbnail(image_id, 128) == store.thumbnail(image_id, 999_999) == data
    with pytest.raises(ImageError, match="size from 1"):
        store.thumbnail(image_id, 0)


def test_a_full_disk_costs_a_thumbnail_only_its_cache(store: ImageStore, monkeypatch: pytest.MonkeyPatch) -> None:
    image_id = store.put(picture(800, 400))

    def full(self: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert Image.open(io.BytesIO(store.thumbnail(image_id, 64))).size == (64, 32)


def test_small_web_pictures_are_kept_as_they_are() -> None:
    for kind in ("JPEG", "PNG", "WEBP"):
        data = picture(60, 80, kind)
        assert kept(data) == data


def test_everything_else_is_kept_as_a_jpeg_of_it() -> None:
    large = Image.open(io.BytesIO(kept(picture(2048, 1024))))
    assert (large.format, large.size) == ("JPEG", (1024, 512))
    assert media_type(kept(picture(60, 80, "BMP"))) == "image/jpeg"


def test_a_heavy_original_is_kept_as_a_jpeg() -> None:
    out = io.BytesIO()
    Image.effect_noise((1000, 600), 90).convert("RGB").save(out, "PNG", compress_level=0)
    assert len(out.getvalue()) > MAX_ORIGINAL_BYTES > len(kept(out.getvalue()))


def test_media_types() -> None:
    assert [media_type(picture(4, 4, kind)) for kind in ("JPEG", "PNG", "WEBP", "GIF")] == [
        "image/jpeg",
        "image/png",
        "image/webp",
        "application/octet-stream",
    ]
