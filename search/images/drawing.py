"""Drawing: heatmaps, boxes and labels on images, for people to see at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw, ImageFont

PLASMA: Final = np.array(
    [
        list(bytes.fromhex(stop))
        for stop in "0d0887 4c02a1 7e03a8 aa2395 cc4778 e66c5c f89540 fdc527 f0f921".split()  # noqa: SIM905
    ],
    np.float32,
)
"""matplotlib's plasma (Smith and van der Walt, CC0): equal steps look equal, to the colour-blind too. Nine of its
colours; those between are off by at most 5 of 255."""

GREY = np.array([0.299, 0.587, 0.114], np.float32)
"""ITU-R BT.601."""

FADED = 0.7
"""How far an image is faded towards a pale grey where nothing is relevant."""

COVERED = 0.45
"""How far it is tinted with the map's colour where it is most relevant: the product's own colours must show through."""

INK, PAPER, ACCENT = "#1c1c1e", "#ffffff", "#cc4778"
GAP_PX = 8

Plane = NDArray[np.float32]
Corners = tuple[float, float, float, float]
"""Left, top, right and bottom, as parts of the image."""


def with_heatmap(image: Image.Image, heatmap: Plane) -> Image.Image:
    """An RGB image under a heatmap, shape (height, width), of any size, from 0 to 1: pale and grey where it is low,
    tinted with the map's colours where it is high, with an outline around what is above 0.5."""
    relevant = enlarged(heatmap, image.size)
    colours = np.asarray(image.convert("RGB"), np.float32)  # (height, width, 3)
    pale = np.asarray((255 + np.repeat((colours @ GREY)[..., None], 3, axis=2)) / 2, np.float32)
    shown = mixed(colours, pale, np.asarray(FADED * (1 - relevant), np.float32))
    shown = mixed(shown, plasma(relevant), np.asarray(COVERED * np.clip(2 * relevant - 0.8, 0, 1), np.float32))
    shown = mixed(
        shown, np.array(ImageColor.getrgb(ACCENT), np.float32), outline(relevant, 0.5, max(1.5, max(image.size) / 250))
    )
    return as_image(shown)


def with_box(image: Image.Image, corners: Corners) -> Image.Image:
    """An RGB image with a box on it; the rest is faded."""
    left, top, right, bottom = edges = in_pixels(corners, image.size)
    colours = np.asarray(image.convert("RGB"), np.float32)
    shown = mixed(colours, np.full_like(colours, 255), np.full(colours.shape[:2], 0.5, np.float32))
    shown[top : bottom + 1, left : right + 1] = colours[top : bottom + 1, left : right + 1]
    drawn = as_image(shown)
    draw, thick = ImageDraw.Draw(drawn), max(2, round(max(image.size) / 150))
    draw.rectangle(edges, outline=PAPER, width=thick + 2)
    draw.rectangle((left + 1, top + 1, right - 1, bottom - 1) if right - left > 2 < bottom - top else edges,
                   outline=ACCENT, width=thick)  # fmt: skip
    return drawn


def label(image: Image.Image, text: str, at: tuple[float, float] = (0.0, 0.0)) -> None:
    """Write on an image, in a dark field whose corner is ``at`` (as parts of the image) or as close as fits."""
    size_px = min(22, max(11, round(max(image.size) / 24)))
    font, pad = ImageFont.load_default(size_px), round(size_px / 2)
    draw = ImageDraw.Draw(image)
    text = fitted(draw, text, font, image.width - 4 * pad)
    width, height = round(draw.textlength(text, font=font)) + 2 * pad, round(1.7 * size_px)
    left = min(max(round(at[0] * image.width), pad), max(pad, image.width - width - pad))
    top = min(max(round(at[1] * image.height) - height - 2, pad), max(0, image.height - height - pad))
    draw.rounded_rectangle((left, top, left + width, top + height), radius=height // 3, fill=INK)
    draw.text((left + pad, top + height / 2), text, fill=PAPER, font=font, anchor="lm")


def in_columns(panels: Sequence[Image.Image]) -> Image.Image:
    """Images of one height side by side, on white."""
    if len(panels) == 1:
        return panels[0]
    width = sum(panel.width for panel in panels) + GAP_PX * (len(panels) - 1)
    row = Image.new("RGB", (width, max(panel.height for panel in panels)), PAPER)
    left = 0
    for panel in panels:
        row.paste(panel, (left, 0))
        left += panel.width + GAP_PX
    return row


def plasma(values: Plane) -> Plane:
    """The map's colours, shape (height, width, 3), for values from 0 to 1."""
    stops = np.linspace(0, 1, len(PLASMA))
    return np.stack([np.interp(values, stops, channel) for channel in PLASMA.T], axis=-1).astype(np.float32)


def enlarged(plane: Plane, size: tuple[int, int]) -> Plane:
    """A plane resized to this width and height, smoothly, within 0 and 1."""
    large = Image.fromarray(np.asarray(plane, np.float32)).resize(size, Image.Resampling.BICUBIC)
    return np.clip(np.asarray(large, np.float32), 0, 1)


def outline(plane: Plane, level: float, width_px: float) -> Plane:
    """An antialiased line, from 0 to 1, of this width where a plane crosses a level."""
    down, across = np.gradient(plane) if min(plane.shape) > 1 else (np.zeros_like(plane), np.zeros_like(plane))
    away_px = np.abs(plane - level) / np.maximum(np.hypot(down, across), 1e-4)
    return np.asarray(np.clip(width_px / 2 + 0.5 - away_px, 0, 1), np.float32)


def mixed(colours: Plane, others: Plane, parts: Plane) -> Plane:
    """Colours, shape (height, width, 3), mixed with others, of that shape or one colour, in these proportions."""
    return np.asarray(colours + parts[..., None] * (others - colours), np.float32)


def in_pixels(corners: Corners, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The first and last pixels across and down that a box covers."""
    left, top, right, bottom = (
        min(side - 1, round(part * (side - 1))) for part, side in zip(corners, (*size, *size), strict=True)
    )
    return left, top, max(left, right), max(top, bottom)


def fitted(draw: ImageDraw.ImageDraw, text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, px: int) -> str:
    """A text, cut short with an ellipsis if it is wider."""
    if draw.textlength(text, font=font) <= px:
        return text
    while text and draw.textlength(text + "…", font=font) > px:
        text = text[:-1]
    return text.rstrip() + "…"


def as_image(colours: Plane) -> Image.Image:
    return Image.fromarray(np.clip(colours + 0.5, 0, 255).astype(np.uint8))
