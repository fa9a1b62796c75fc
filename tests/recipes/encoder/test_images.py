import io

import numpy as np
import pytest
import torch
from PIL import Image

from recipes.encoder.images import BUSY, PLAIN, POSED, Album, StoredImage, Variation, decode, store

GREY = 51 / 127.5 - 1


def encoded(size: tuple[int, int], colour: tuple[int, int, int]) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


def test_images_are_squashed_to_one_size() -> None:
    stored = store([encoded((30, 40), (200, 10, 10)), encoded((40, 30), (200, 10, 10))], (80, 64))
    assert stored.images.shape == (2, 3, 80, 64)
    assert stored.images[1, :, 0, 0].tolist() == [200, 10, 10]
    assert stored.variation == PLAIN


def test_large_images_are_kept_at_twice_the_size_for_harder_crops() -> None:
    stored = store([encoded((160, 160), (9, 9, 9))], (80, 64))
    assert stored.images.shape == (1, 3, 160, 128)
    assert stored.variation == BUSY
    assert store([encoded((160, 160), (9, 9, 9))], (80, 64), large=POSED).variation == POSED


def test_plain_images_are_as_they_are_at_the_size_that_is_asked_for() -> None:
    small, large = (store([encoded(size, (200, 10, 10))], (80, 64)) for size in ((64, 80), (160, 160)))
    plain = Album([small, large]).plain(torch.tensor([1, 0]), (80, 64))
    assert plain.shape == (2, 3, 80, 64)
    assert plain[:, :, 0, 0].numpy() == pytest.approx(np.array([[200, 10, 10]] * 2) / 127.5 - 1, abs=1e-5)


def test_varied_images_keep_their_colours_and_have_white_around() -> None:
    stored = StoredImage(torch.full((64, 3, 80, 64), 51, dtype=torch.uint8), PLAIN)
    varied = stored.vary(torch.arange(64), (40, 32), torch.Generator().manual_seed(0))
    assert varied.shape == (64, 3, 40, 32)
    assert varied[:, :, 20, 16].numpy() == pytest.approx(np.full((64, 3), GREY), abs=1e-5)
    assert varied.max() <= 1.0001
    assert (varied[:, 0, 0, :] > 0.99).any()


def test_a_turned_image_is_askew() -> None:
    striped = torch.zeros((32, 3, 64, 64), dtype=torch.uint8)
    striped[..., 28:36, :] = 255
    turned = StoredImage(striped, Variation(1.0, turn=40.0)).vary(
        torch.arange(32), (64, 64), torch.Generator().manual_seed(0)
    )
    level = (turned[:, 0, :, 16] - turned[:, 0, :, 48]).abs().amax(dim=1) < 0.5  # as high on the left as on the right
    assert level.float().mean() < 0.5


def test_light_changes_brightness_and_hardly_the_colour() -> None:
    grey = torch.full((64, 3, 16, 16), 100, dtype=torch.uint8)
    variation = Variation(1.0, light=0.3, tint=0.01)
    centres = (
        StoredImage(grey, variation).vary(torch.arange(64), (16, 16), torch.Generator().manual_seed(0))[:, :, 8, 8] + 1
    )
    assert centres.mean(dim=1).std() > 0.1
    assert (centres.amax(dim=1) / centres.amin(dim=1)).max() < 1.1


def test_variation_follows_its_rng() -> None:
    stored = StoredImage(torch.randint(0, 256, (4, 3, 80, 64), dtype=torch.uint8), PLAIN)
    everyone = torch.arange(4)
    first, again, other = (stored.vary(everyone, (40, 32), torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_an_album_counts_through_its_sources() -> None:
    levels = torch.arange(0, 250, 50, dtype=torch.uint8)[:, None, None, None]
    small = StoredImage(levels[:3].expand(3, 3, 8, 8), PLAIN)
    large = StoredImage(levels[3:].expand(2, 3, 16, 16), PLAIN)
    album = Album([small, large])
    assert len(album) == 5
    varied = album.vary(torch.tensor([4, 0, 3, 2]), (16, 16), torch.Generator().manual_seed(0))
    centres = (varied[:, 0, 8, 8] + 1) * 127.5
    assert centres.tolist() == pytest.approx([200, 0, 150, 100], abs=1e-3)


def test_a_batch_may_leave_a_source_out() -> None:
    stored = StoredImage(torch.zeros((2, 3, 8, 8), dtype=torch.uint8), PLAIN)
    assert Album([stored, stored]).vary(torch.tensor([0, 1]), (8, 8), torch.Generator()).shape == (2, 3, 8, 8)


def test_damaged_bytes_are_an_os_error() -> None:
    with pytest.raises(OSError, match="cannot identify"):
        decode(b"no picture")
