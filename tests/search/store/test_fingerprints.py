"""The fingerprints of a store: kept with its images, made for those that lack one, and searched."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.fakes import make_image, png
from vitrina.search.images.fingerprint import BLANK, fingerprint
from vitrina.search.store.fingerprints import Fingerprints
from vitrina.search.store.images import ImageStore


@pytest.fixture
def images(tmp_path: Path) -> Iterator[ImageStore]:
    with closing(ImageStore(tmp_path / "pictures.db")) as store:
        yield store


GRAINY = [make_image("blue", noise=seed, size=(48, 48)) for seed in range(5)]


def test_images_without_fingerprints_get_them(images: ImageStore) -> None:
    ids = images.put_all([png(each) for each in GRAINY] + [b"no image", png(make_image("red"))])
    found = Fingerprints(images)
    assert found.same_photo(GRAINY[2]) == []
    assert [found.fill(4), found.fill(4), found.fill(4)] == [4, 3, 0]
    assert found.same_photo(GRAINY[2]) == [ids[2]]
    assert found.same_photo(make_image("blue", noise=77, size=(48, 48))) == []
    assert found.same_photo(make_image("red")) == [], "a plain area is nobody's photo"


def test_every_process_sees_what_another_adds(images: ImageStore) -> None:
    one, other = Fingerprints(images), Fingerprints(images)
    for shown in GRAINY[:3]:
        image_id = images.put(png(shown))
        one.put_all({image_id: fingerprint(shown)})
        one.put_all({image_id: BLANK})
        assert other.same_photo(shown) == one.same_photo(shown) == [image_id]
    one.put_all({})


def test_an_older_store_is_read_and_filled(tmp_path: Path) -> None:
    path = tmp_path / "pictures.db"
    with closing(ImageStore(path)) as store:
        image_id = store.put(png(GRAINY[0]))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE IF EXISTS fingerprints")
        connection.commit()
    with closing(ImageStore(path)) as store:
        found = Fingerprints(store)
        assert found.fill(10) == 1
        assert found.same_photo(GRAINY[0]) == [image_id]
