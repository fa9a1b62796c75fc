from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitrina.search.reranking.backends.transformers.generation import BoxUnit, parse_box
from vitrina.search.reranking.base import Box

WANTED = Box(0.1, 0.2, 0.5, 0.6)


@pytest.mark.parametrize(
    "text",
    [
        "(100,200),(500,600)",
        '```json\n[\n\t{"bbox_2d": [100, 200, 500, 600], "label": "shirt"}\n]\n```',
        "the shirt(100,200),(500,600) and another (1,2),(3,4)",
        "500.0 600.0 100.0 200.0",
        '[{"bbox_2d": [100, 200, 500, 600',
    ],
)
def test_a_box_is_found_however_it_is_written(text: str) -> None:
    assert parse_box(text, BoxUnit.THOUSANDTHS, (640, 480)) == WANTED


def test_pixels_are_parts_of_the_resized_image() -> None:
    assert parse_box("[64, 96, 320, 288]", BoxUnit.PIXELS, (640, 480)) == WANTED


def test_what_lies_outside_is_brought_to_the_edge() -> None:
    assert parse_box("[-50, 0, 2000, 500]", BoxUnit.THOUSANDTHS, (1, 1)) == Box(0.0, 0.0, 1.0, 0.5)


@pytest.mark.parametrize("text", ["", "[]", "none", "I see 3 shirts, 4 hats", "[1, 2, 3]", "[5, 5, 5, 9]", "1.2.3.4"])
def test_no_box_is_none(text: str) -> None:
    assert parse_box(text, BoxUnit.THOUSANDTHS, (640, 480)) is None


@given(st.text(alphabet="0123456789.,()[] -a", max_size=60), st.sampled_from(BoxUnit))
def test_whatever_is_written_gives_a_box_in_range_or_none(text: str, measure: BoxUnit) -> None:
    box = parse_box(text, measure, (640, 480))
    assert box is None or (0 <= box.left < box.right <= 1 and 0 <= box.top < box.bottom <= 1)
