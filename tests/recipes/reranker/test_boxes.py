"""Boxes as they are write_box, read, and visible_box after a crop."""

import pytest
import torch

from recipes.encoder.images import PLAIN, StoredImage
from recipes.reranker.grounding import read_box, visible_box, write_box
from vitrina.search.reranking.base import Box


def test_a_box_that_is_written_is_read_again() -> None:
    box = Box(0.1, 0.25, 0.8, 1.0)
    again = read_box(write_box(box))
    assert again is not None
    assert box.overlap(again) > 0.9


@pytest.mark.parametrize("text", ["", "a shirt", "<loc_3><loc_4><loc_9>", "<loc_0>" * 4])
def test_what_is_no_box_is_read_as_none(text: str) -> None:
    assert read_box(text) is None


def test_overlap_is_intersection_over_union() -> None:
    assert Box(0, 0, 0.5, 1).overlap(Box(0.25, 0, 0.75, 1)) == pytest.approx(1 / 3)
    assert Box(0, 0, 0.5, 1).overlap(Box(0.5, 0, 1, 1)) == 0


def test_a_box_follows_its_thing_through_crop_and_mirror() -> None:
    black = torch.full((200, 3, 80, 64), 255, dtype=torch.uint8)
    black[:, :, 20:50, 16:40] = 0
    pixels, placements = StoredImage(black, PLAIN).vary_and_place(
        torch.arange(200), (80, 64), torch.Generator().manual_seed(0)
    )
    box = Box(16 / 64, 20 / 80, 40 / 64, 50 / 80)
    for replica, placement in zip(pixels, placements, strict=True):
        found = visible_box(box, placement)
        assert found is not None
        dark = replica[0] < 0
        rows, columns = dark.any(dim=1).nonzero().flatten(), dark.any(dim=0).nonzero().flatten()
        shown = Box(int(columns[0]) / 64, int(rows[0]) / 80, int(columns[-1] + 1) / 64, int(rows[-1] + 1) / 80)
        assert found.overlap(shown) > 0.85


def test_what_a_crop_cuts_off_is_not_asked_for() -> None:
    left_half = torch.tensor([[0.5, 0.0, -0.5], [0.0, 1.0, 0.0]])
    assert visible_box(Box(0.6, 0.1, 0.9, 0.9), left_half) is None
    found = visible_box(Box(0.1, 0.1, 0.4, 0.9), left_half)
    assert found is not None
    assert found.overlap(Box(0.2, 0.1, 0.8, 0.9)) == pytest.approx(1)
