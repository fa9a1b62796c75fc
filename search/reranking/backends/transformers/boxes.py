"""Boxes that models write as text, each family in its own measure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum

from search.reranking.base import Box


class Measure(StrEnum):
    """In what a family counts the corners of a box."""

    THOUSANDTHS = "thousandths"
    """Of the picture's width and height, 0 to 1000."""
    PIXELS = "pixels"
    """Of the picture as the processor resized it."""
    PLACES = "places"
    """A token for each of ``N_PLACES`` places, evenly from edge to edge: ``<loc_0>`` to ``<loc_31>``."""


N_PLACES = 32

MEASURES: Mapping[str, Measure] = {
    "qwen2_vl": Measure.THOUSANDTHS,
    "qwen2_5_vl": Measure.PIXELS,
    "qwen3_vl": Measure.THOUSANDTHS,
    "qwen3_vl_moe": Measure.THOUSANDTHS,
    "fast_vlm": Measure.PLACES,
}
"""The families, by the ``model_type`` of their configuration, that were trained to write boxes, as their model cards
say; of FastVLM's, the embedded model. Molmo writes points, the others nothing of the kind."""

_NUMBER = r"-?\d+(?:\.\d+)?"
_GAP = r"[\s,;()\[\]]+"
_CORNERS = re.compile(rf"(?<![\w.])({_NUMBER}){_GAP}({_NUMBER}){_GAP}({_NUMBER}){_GAP}({_NUMBER})(?![\w.]*\d)")
"""Four numbers with nothing but brackets and commas between: ``(1,2),(3,4)``, ``"bbox_2d": [1, 2, 3, 4]``."""

_PLACES = re.compile(r"<loc_(\d+)>\s*<loc_(\d+)>\s*<loc_(\d+)>\s*<loc_(\d+)>")

_SCALES = {Measure.THOUSANDTHS: (1000, 1000), Measure.PLACES: (N_PLACES - 1, N_PLACES - 1)}


def box_in(text: str, measure: Measure, size: tuple[int, int]) -> Box | None:
    """The first box in what a model wrote, in parts of the picture; None where there is none, or an empty one.

    ``size`` is the width and height of the resized picture, in pixels. Corners in the wrong order are put right, and
    those outside of the picture brought to its edge.
    """
    found = (_PLACES if measure is Measure.PLACES else _CORNERS).search(text)
    if found is None:
        return None
    corners = [float(number) for number in found.groups()]
    width, height = _SCALES.get(measure, size)
    across = sorted(_within(corner / width) for corner in corners[0::2])
    down = sorted(_within(corner / height) for corner in corners[1::2])
    if across[0] == across[1] or down[0] == down[1]:
        return None
    return Box(left=across[0], top=down[0], right=across[1], bottom=down[1])


def _within(part: float) -> float:
    return min(1.0, max(0.0, part))
