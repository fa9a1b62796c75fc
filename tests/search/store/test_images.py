"""Pictures are kept once and whole."""

from __future__ import annotations

import io
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection

from vitrina.search.images.decode import MAX_ORIGINAL_BYTES, decode_image
from vitrina.search.store.images import ImageStore, image_id_of, media_type, storable
from vitrina.search.types.errors import ImageError, NotFoundError, StorageError


def make_image(width_px: int, height_px: int, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.linear_gradient("L").resize((width_px, height_px)).convert("RGB").save(out, kind)
    return out.getvalue()


def kept(data: bytes) -> bytes:
    return storable(decode_image(data, max_bytes=1 << 24, max_pixels=1 << 24), data)


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "pictures.db")


def test_what_is_put_is_read_back_under_one_name(store: ImageStore, tmp_path: Path) -> None:
    data = make_image(20, 10)
    image_id = store.put(data)
    assert store.put(data) == image_id
    assert store.read(image_id) == data
    assert len(image_id) == 32
    assert image_id == image_id_of(data)
    store.close()
    assert ImageStore(tmp_path / "pictures.db").read(image_id) == data


def test_several_are_put_in_one_step_known_ones_too(store: ImageStore) -> None:
    known = store.put(b"known")
    assert store.put_all([b"one", b"known", b"one"]) == [image_id_of(b"one"), known, image_id_of(b"one")]
    assert [store.read(image_id_of(data)) for data in (b"one", b"known")] == [b"one", b"known"]
    assert store.put_all([]) == []


def test_different_bytes_have_different_names(store: ImageStore) -> None:
    assert store.put(b"a") != store.put(b"b")


@pytest.mark.parametrize(
    "image_id", ["0" * 32, "", "../../etc/passwd", "A" * 32, "0" * 31 + "/", "0" * 32 + "\n", "é" * 32]
)
def test_unknown_and_malformed_ids_are_not_found(store: ImageStore, image_id: str) -> None:
    for candidate in (store.read, lambda name: store.thumbnail(name, 64)):
        with pytest.raises(NotFoundError):
            candidate(image_id)


def test_many_threads_may_put_the_same_image(store: ImageStore) -> None:
    data = make_image(64, 64)
    with ThreadPoolExecutor(8) as threads:
        names = set(threads.map(lambda _: store.put(data), range(64)))
    assert len(names) == 1
    assert store.read(names.pop()) == data


def test_a_full_disk_is_a_storage_error_and_loses_nothing(store: ImageStore) -> None:
    kept_before = store.put(b"before")
    fill_up(store)
    with pytest.raises(StorageError, match=r"full.*Free some space"):
        store.put(b"after" * 10_000)
    assert store.read(kept_before) == b"before"


def fill_up(store: ImageStore) -> None:
    """Let the file grow no further, as on a full disk."""

    def no_more(connection: DBAPIConnection, *_: object) -> None:
        assert isinstance(connection, sqlite3.Connection)
        connection.execute("PRAGMA max_page_count = 1")

    store.close()
    event.listen(store.file.engine, "connect", no_more)


@pytest.mark.parametrize("file", ["a folder", "a text"])
def test_a_file_that_is_no_store_is_a_storage_error(tmp_path: Path, file: str) -> None:
    path = tmp_path / "pictures.db"
    path.mkdir() if file == "a folder" else path.write_text("no database at all, only some words" * 100)
    with pytest.raises(StorageError):
        ImageStore(path)


def test_thumbnails_round_up_to_few_sizes_and_are_kept(store: ImageStore) -> None:
    image_id = store.put(make_image(800, 400))
    small = store.thumbnail(image_id, 100)
    assert Image.open(io.BytesIO(small)).size == (128, 64)
    assert media_type(small) == "image/jpeg"
    assert store.thumbnail(image_id, 128) == small


def test_a_thumbnail_no_smaller_than_the_image_is_the_image(store: ImageStore) -> None:
    data = make_image(60, 80)
    image_id = store.put(data)
    assert store.thumbnail(image_id, 128) == store.thumbnail(image_id, 999_999) == data
    with pytest.raises(ImageError, match="size from 1"):
        store.thumbnail(image_id, 0)


def test_a_thumbnail_is_made_once(store: ImageStore, monkeypatch: pytest.MonkeyPatch) -> None:
    image_id = store.put(make_image(800, 400))
    small = store.thumbnail(image_id, 128)
    monkeypatch.setattr("vitrina.search.store.images.decode_image", None)
    assert store.thumbnail(image_id, 100) == small


def test_a_full_disk_costs_a_thumbnail_only_its_cache(store: ImageStore) -> None:
    image_id = store.put(make_image(800, 400))
    fill_up(store)
    assert Image.open(io.BytesIO(store.thumbnail(image_id, 256))).size == (256, 128)


def test_small_web_images_are_kept_as_they_are() -> None:
    for kind in ("JPEG", "PNG", "WEBP"):
        data = make_image(60, 80, kind)
        assert kept(data) == data


def test_everything_else_is_kept_as_a_jpeg_of_it() -> None:
    large = Image.open(io.BytesIO(kept(make_image(2048, 1024))))
    assert (large.format, large.size) == ("JPEG", (1024, 512))
    assert media_type(kept(make_image(60, 80, "BMP"))) == "image/jpeg"


def test_a_heavy_original_is_kept_as_a_jpeg() -> None:
    out = io.BytesIO()
    Image.effect_noise((1000, 600), 90).convert("RGB").save(out, "PNG", compress_level=0)
    assert len(out.getvalue()) > MAX_ORIGINAL_BYTES > len(kept(out.getvalue()))


def test_media_types() -> None:
    assert [media_type(make_image(4, 4, kind)) for kind in ("JPEG", "PNG", "WEBP", "GIF")] == [
        "image/jpeg",
        "image/png",
        "image/webp",
        "application/octet-stream",
    ]
