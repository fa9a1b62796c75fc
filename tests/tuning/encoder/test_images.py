import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vitrina.search.encoders.base import Preprocessing
from vitrina.search.store.images import ImageStore
from vitrina.search.types.errors import NotFoundError
from vitrina.tuning.encoder.corpus import StoreImages

HALF = Preprocessing((16, 12), (0.5,) * 3, (0.5,) * 3, resize_mode="squash")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ImageStore]:
    store = ImageStore(tmp_path / "pictures.db")
    yield store
    store.close()


def put(store: ImageStore, level: int, size: tuple[int, int] = (50, 70)) -> str:
    file = io.BytesIO()
    Image.new("RGB", size, (level, level, level)).save(file, "PNG")
    return store.put(file.getvalue())


def gradient(store: ImageStore) -> str:
    file = io.BytesIO()
    Image.fromarray(np.tile(np.arange(200, dtype=np.uint8), (100, 1))).convert("RGB").save(file, "PNG")
    return store.put(file.getvalue())


def test_images_come_through_the_encoders_preprocessing_whatever_their_size(store: ImageStore) -> None:
    images = StoreImages(store, [(put(store, 51),), (put(store, 204, (3, 900)),)], HALF)
    varied = images.vary(torch.tensor([1, 0]), (16, 12), torch.Generator().manual_seed(0))
    assert varied.shape == (2, 3, 16, 12)
    assert varied[0].numpy() == pytest.approx(np.full((3, 16, 12), 204 / 127.5 - 1), abs=1e-5)
    assert varied[1].numpy() == pytest.approx(np.full((3, 16, 12), 51 / 127.5 - 1), abs=1e-5)


def test_any_of_a_rows_images_may_be_drawn(store: ImageStore) -> None:
    images = StoreImages(store, [(put(store, 0), put(store, 255))], HALF)
    varied = images.vary(torch.zeros(32, dtype=torch.int64), (16, 12), torch.Generator().manual_seed(0))
    assert set(varied[:, 0, 0, 0].round().tolist()) == {-1.0, 1.0}


def test_crops_follow_their_rng_and_are_mirrored_now_and_then(store: ImageStore) -> None:
    images = StoreImages(store, [(gradient(store),)], HALF)
    everyone = torch.zeros(32, dtype=torch.int64)
    first, again, other = (images.vary(everyone, (16, 12), torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    rising = (first[:, 0, 0, -1] > first[:, 0, 0, 0]).float().mean()
    assert 0.2 < rising < 0.8


def test_no_more_is_kept_in_memory_than_there_is_room_for(store: ImageStore) -> None:
    image_ids = [(put(store, level),) for level in (10, 20, 30)]
    everyone = torch.arange(3)
    roomy, narrow = StoreImages(store, image_ids, HALF), StoreImages(store, image_ids, HALF, room_bytes=3000)
    expected = roomy.vary(everyone, (16, 12), torch.Generator().manual_seed(0))
    for images in (roomy, narrow):
        for _ in range(2):
            assert torch.equal(images.vary(everyone, (16, 12), torch.Generator().manual_seed(0)), expected)
    assert len(roomy._kept) == 3
    assert len(narrow._kept) == 1


def test_an_image_that_is_gone_is_an_error(store: ImageStore) -> None:
    with pytest.raises(NotFoundError):
        StoreImages(store, [("gone",)], HALF).vary(torch.tensor([0]), (16, 12), torch.Generator())
