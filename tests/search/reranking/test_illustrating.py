"""Pictures with regions on them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from vitrina.search.reranking.base import Box
from vitrina.search.reranking.localization import Region, illustrated

IMAGE = Image.new("RGB", (40, 80), (30, 60, 200))
HEATMAP = np.tile(np.linspace(0, 1, 32, dtype=np.float32), (64, 1))


def test_one_panel_a_region() -> None:
    drawn = illustrated(IMAGE, [Region("navy", heatmap=HEATMAP), Region("hood", box=Box(0, 0, 0.5, 0.5))], 320)
    assert (drawn.size, drawn.mode) == ((160 + 8 + 160, 320), "RGB")
    heat, box = np.asarray(drawn.crop((0, 0, 160, 320))), np.asarray(drawn.crop((168, 0, 328, 320)))
    assert (box[100, 40] == (30, 60, 200)).all()
    assert (box[200, 120] > (120, 120, 200)).all()
    assert not (heat[200, 155] == (30, 60, 200)).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 1000), (1000, 1)])
def test_images_of_any_shape(size: tuple[int, int]) -> None:
    drawn = illustrated(Image.new("RGB", size), [Region("navy", heatmap=HEATMAP)], 100)
    assert max(drawn.size) == 100


def test_a_statement_in_letters_that_cannot_be_drawn_bears_its_number() -> None:
    first = illustrated(IMAGE, [Region("1", heatmap=HEATMAP)], 200)
    other = illustrated(IMAGE, [Region("قميص", heatmap=HEATMAP)], 200)
    assert first.tobytes() == other.tobytes()
