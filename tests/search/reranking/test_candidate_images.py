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
def image_id(store: Store) -> str:
    file = io.BytesIO()
    Image.new("RGB", (800, 400), "navy").save(file, "JPEG")
    return store.images.put(file.getvalue())


def counted(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The pictures whose thumbnails are asked for."""
    asked: list[str] = []
    thumbnail = store.images.thumbnail

    def counting(image_id: str, size_px: int) -> bytes:
        asked.append(image_id)
        return thumbnail(image_id, size_px)

    monkeypatch.setattr(store.images, "thumbnail", counting)
    return asked


def test_a_candidate_reads_nothing_until_its_pixels_are_asked_for(
    store: Store, image_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, images = counted(store, monkeypatch), CandidateImages(store.images)
    candidate = images.candidate(stored(image_id, "another"))
    assert candidate is not None
    assert (candidate.key, candidate.has_image, candidate.is_blank, asked) == (image_id, True, False, [])
    assert candidate.pixels is not None
    assert candidate.pixels.size == (512, 256)
    assert candidate.pixels.getpixel((9, 9)) == pytest.approx((0, 0, 128), abs=3)
    again = images.candidate(stored(image_id))
    assert again is not None
    assert again.pixels is candidate.pixels
    assert asked == [image_id]


def test_images_are_no_larger_than_the_model_sees(store: Store, image_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = counted(store, monkeypatch)
    candidate = CandidateImages(store.images, 128).candidate(stored(image_id))
    assert candidate is not None
    assert candidate.pixels is not None
    assert candidate.pixels.size == (128, 64)
    assert asked == [], "a thumbnail was made, which nobody asks for again"


def test_an_item_without_an_image_is_no_candidate(store: Store) -> None:
    assert CandidateImages(store.images).candidate(stored()) is None


@pytest.mark.parametrize("data", [None, b"\xff\xd8\xff no picture"])
def test_an_image_that_is_gone_or_damaged_is_blank(
    store: Store, data: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    image_id = "0" * 32 if data is None else store.images.put(data)
    candidate = CandidateImages(store.images).candidate(stored(image_id))
    assert candidate is not None
    assert candidate.has_image
    assert candidate.pixels is None
    assert candidate.is_blank
    assert image_id in caplog.text
