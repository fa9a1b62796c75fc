"""Pictures of candidates are opened by who needs their pixels, and only then."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from vitrina.search.reranking.base import CandidateImages
from vitrina.search.store.store import Store
from vitrina.search.types.item import Item, StoredItem


def stored(*image_ids: str) -> StoredItem:
    return StoredItem(1, Item(sku="a"), image_ids, "", 1)


@pytest.fixture
def image_id(home: Store) -> str:
    file = io.BytesIO()
    Image.new("RGB", (800, 400), "navy").save(file, "JPEG")
    return home.images.put(file.getvalue())


def counted(home: Store, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The pictures whose thumbnails are asked for."""
    asked: list[str] = []
    thumbnail = home.images.thumbnail

    def counting(image_id: str, size_px: int) -> bytes:
        asked.append(image_id)
        return thumbnail(image_id, size_px)

    monkeypatch.setattr(home.images, "thumbnail", counting)
    return asked


def test_a_look_reads_nothing_until_its_pixels_are_asked_for(
    home: Store, image_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, pictures = counted(home, monkeypatch), CandidateImages(home.images)
    look = pictures.look(stored(image_id, "another"))
    assert look is not None
    assert (look.key, look.has_picture, look.is_blank, asked) == (image_id, True, False, [])
    assert look.image is not None
    assert look.image.size == (512, 256)
    assert look.image.getpixel((9, 9)) == pytest.approx((0, 0, 128), abs=3)
    again = pictures.look(stored(image_id))
    assert again is not None
    assert again.image is look.image
    assert asked == [image_id]


def test_pictures_are_no_larger_than_the_model_sees(
    home: Store, image_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = counted(home, monkeypatch)
    look = CandidateImages(home.images, 128).look(stored(image_id))
    assert look is not None
    assert look.image is not None
    assert look.image.size == (128, 64)
    assert asked == [], "a thumbnail was made, which nobody asks for again"


def test_an_item_without_a_picture_has_no_look(home: Store) -> None:
    assert CandidateImages(home.images).look(stored()) is None


@pytest.mark.parametrize("data", [None, b"\xff\xd8\xff no picture"])
def test_a_picture_that_is_gone_or_damaged_is_blank(
    home: Store, data: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    image_id = "0" * 32 if data is None else home.images.put(data)
    look = CandidateImages(home.images).look(stored(image_id))
    assert look is not None
    assert look.has_picture
    assert look.image is None
    assert look.is_blank
    assert image_id in caplog.text
