"""Illustrating: a picture with the regions of claims drawn on it, one panel a claim."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from search.images.drawing import label, side_by_side, with_box, with_heatmap
from search.reranking.regions import Region

_LAST_LATIN = "\u024f"
"""The font that Pillow brings knows no other letters."""


def illustrated(image: Image.Image, regions: Sequence[Region], side_px: int) -> Image.Image:
    """One panel a region, in a row, RGB; each panel's longer side is ``side_px``. Needs at least one region.

    A panel bears its claim, or its number where the claim is in letters that cannot be drawn. While it is drawn, one
    takes some 90 bytes a pixel; 640 x 640 of them 60 ms.
    """
    scale = side_px / max(image.size)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    picture = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    return side_by_side([_panel(picture, region, number) for number, region in enumerate(regions, start=1)])


def _panel(picture: Image.Image, region: Region, number: int) -> Image.Image:
    text = region.claim if max(region.claim, default=" ") <= _LAST_LATIN else str(number)
    if region.box is not None:
        box = region.box
        panel = with_box(picture, (box.left, box.top, box.right, box.bottom))
        label(panel, text, (box.left, box.top))
        return panel
    assert region.heatmap is not None
    panel = with_heatmap(picture, region.heatmap)
    label(panel, text)
    return panel
