import io

import numpy as np
import pytest
import torch
from PIL import Image

from training.pictures import decode, stack, vary


def encoded(size: tuple[int, int], colour: tuple[int, int, int]) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


def test_stacked_pictures_are_padded_with_white() -> None:
    stored = stack([encoded((30, 40), (200, 10, 10))], side=80)
    assert stored.shape == (1, 3, 80, 80)
    assert stored[0, :, 40, 5].tolist() == [255, 255, 255]
    assert stored[0, :, 40, 40].tolist() == [200, 10, 10]


def test_varied_pictures_keep_their_colours_and_have_white_around() -> None:
    stored = torch.full((16, 3, 80, 80), 51, dtype=torch.uint8)
    varied = vary(stored, 64, torch.Generator().manual_seed(0))
    assert varied.shape == (16, 3, 64, 64)
    assert varied[:, :, 32, 32].numpy() == pytest.approx(np.full((16, 3), 51 / 127.5 - 1), abs=1e-5)
    assert varied.max() <= 1.0001
    assert (varied[:, 0, 0, :] > 0.99).any()


def test_variation_follows_its_dice() -> None:
    stored = torch.randint(0, 256, (4, 3, 80, 80), dtype=torch.uint8)
    first, again, other = (vary(stored, 64, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_damaged_bytes_are_an_os_error() -> None:
    with pytest.raises(OSError, match="cannot identify"):
        decode(b"no picture")
