"""Images in S3: a real client and a server that speaks its protocol."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.fakes import FakeEncoder, make_image, make_record, png
from vitrina.indexer.fetch import Fetcher
from vitrina.indexer.pipeline import Indexer
from vitrina.search.store.images import ImageStore, image_id_of
from vitrina.search.store.object_storage import ObjectStorage
from vitrina.search.store.store import Store, StoreOptions
from vitrina.search.types.errors import NotFoundError, StateError, StorageError

BUCKET = "shop"
ADDRESS = f"s3://{BUCKET}/images"
PHOTOS = [png(make_image("blue", noise=seed, size=(48, 48))) for seed in range(5)]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of an S3 server with one bucket."""
    server = ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (
            ("AWS_ACCESS_KEY_ID", "tests"),
            ("AWS_SECRET_ACCESS_KEY", "tests"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL_S3", f"http://{host}:{port}"),
        ):
            patch.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def images(server: str, tmp_path: Path) -> Iterator[ImageStore]:
    with closing(ImageStore(tmp_path / "pictures.db", ObjectStorage(f"{ADDRESS}/{tmp_path.name}"))) as images:
        yield images


def test_images_come_back_and_are_not_in_the_database(images: ImageStore) -> None:
    ids = images.put_all([*PHOTOS, PHOTOS[0]])
    assert ids == [image_id_of(data) for data in [*PHOTOS, PHOTOS[0]]]
    assert images.put(PHOTOS[1]) == ids[1]
    assert images.read(ids[2]) == PHOTOS[2]
    assert images.read_all([*ids, "0" * 32]) == dict(zip(ids[:5], PHOTOS, strict=True))
    with images.file.read() as connection:
        assert connection.exec_driver_sql("SELECT max(length(data)) FROM pictures").scalar() == 0
    with pytest.raises(NotFoundError):
        images.read("0" * 32)
    assert len(images.thumbnail(ids[0], 20)) > 0


def test_images_that_were_in_the_database_stay_there(server: str, tmp_path: Path) -> None:
    path = tmp_path / "pictures.db"
    with closing(ImageStore(path)) as images:
        images.put(PHOTOS[0])
    with closing(ImageStore(path, ObjectStorage(ADDRESS))) as images:
        ids = images.put_all(PHOTOS[:2])
        assert [images.read(image_id) for image_id in ids] == PHOTOS[:2]
    with closing(ImageStore(path)) as images:
        assert images.read(ids[0]) == PHOTOS[0]
        with pytest.raises(StorageError, match="in object storage") as caught:
            images.read(ids[1])
    assert "VITRINA_IMAGES" in caught.value.remedy


def test_an_object_that_was_changed_or_lost_is_told(images: ImageStore, tmp_path: Path) -> None:
    changed, lost = images.put_all(PHOTOS[:2])
    bucket = boto3.resource("s3").Bucket(BUCKET)
    bucket.put_object(Key=f"images/{tmp_path.name}/{changed[:2]}/{changed}", Body=PHOTOS[0][:-1])
    bucket.Object(f"images/{tmp_path.name}/{lost[:2]}/{lost}").delete()
    for image_id in (changed, lost):
        with pytest.raises(StorageError, match=image_id):
            images.read(image_id)


def test_a_catalog_is_indexed_and_its_photos_are_found(server: str, tmp_path: Path, encoder: FakeEncoder) -> None:
    address = f"{ADDRESS}/catalog"
    with closing(Store(tmp_path, StoreOptions(images=address))) as store, Fetcher() as fetcher:
        photo = make_image("blue", noise=3, size=(48, 48))
        stored = Indexer(store, encoder, fetcher).put(make_record("a", "blue mug", images=[photo]))
        assert store.images.read(stored.image_ids[0]) == png(photo)
        store.fingerprints.fill(9)
        assert store.fingerprints.same_photo(photo) == list(stored.image_ids)


def test_a_bucket_that_is_not_there_stores_nothing(server: str, tmp_path: Path) -> None:
    with closing(ImageStore(tmp_path / "pictures.db", ObjectStorage("s3://no-such-bucket/images"))) as images:
        with pytest.raises(StorageError, match="no-such-bucket") as caught:
            images.put(PHOTOS[0])
        with pytest.raises(NotFoundError):
            images.read(image_id_of(PHOTOS[0]))
    assert "bucket exists" in caught.value.remedy


def test_an_address_that_nothing_reaches() -> None:
    with pytest.raises(StateError, match="not an address"):
        ObjectStorage("nowhere://shop/images")
