"""Rasters: outlines to antialiased coverage within the window of pixels they touch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from recipes.boutique.drawing import DrawnPart, Points, Seam
from recipes.boutique.textures import Field


@dataclass(frozen=True, slots=True)
class Window:
    """Pixels left..right and top..bottom of a square image ``size`` pixels wide."""

    left: int
    top: int
    right: int
    bottom: int
    size: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns, to cut the window out of a field."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.bottom - self.top, self.right - self.left

    def coordinates(self) -> tuple[Field, Field]:
        """Image coordinates of the pixel centres: x of shape (1, width), y of shape (height, 1)."""
        x = (np.arange(self.left, self.right, dtype=np.float32) + 0.5) / self.size - 0.5
        y = (np.arange(self.top, self.bottom, dtype=np.float32) + 0.5) / self.size - 0.5
        return x[None, :].astype(np.float32), y[:, None].astype(np.float32)


def window_of(outlines: Iterable[Points], size: int) -> Window | None:
    """The window around ``outlines`` with a margin for shadows; None if they lie outside the image."""
    points = (np.vstack(list(outlines)) + 0.5) * size
    margin = max(3, size // 40)
    low, high = np.floor(points.min(axis=0)) - margin, np.ceil(points.max(axis=0)) + margin
    left, top = (int(value) for value in np.clip(low, 0, size))
    right, bottom = (int(value) for value in np.clip(high, 0, size))
    return Window(left, top, right, bottom, size) if right - left > 1 and bottom - top > 1 else None


def supersampling(size: int) -> int:
    """Samples a pixel each way: 4 for small images, 3 for middling ones, 2 above."""
    return 4 if size <= 128 else 3 if size <= 400 else 2


class Stencil:
    """Draws shapes larger than life in one window and reduces them to coverage."""

    def __init__(self, window: Window) -> None:
        self._window, self._factor = window, supersampling(window.size)
        height, width = window.shape
        self._image = Image.new("L", (width * self._factor, height * self._factor))
        self._pen = ImageDraw.Draw(self._image)

    def _place(self, points: Points) -> list[float]:
        corner = np.array([self._window.left, self._window.top])
        placed: list[float] = (((points + 0.5) * self._window.size - corner) * self._factor).ravel().tolist()
        return placed

    def fill(self, points: Points, value: int = 255) -> None:
        """Fill an outline with ``value``."""
        self._pen.polygon(self._place(points), fill=value)

    def stroke(self, points: Points, width: float, value: int) -> None:
        """Draw a line ``width`` image widths thick."""
        thickness = max(1, round(width * self._window.size * self._factor))
        self._pen.line(self._place(points), fill=value, width=thickness, joint="curve" if thickness > 3 else None)

    def coverage(self) -> Field:
        """What was drawn, 0..1, at the image's own resolution."""
        return np.asarray(self._image.reduce(self._factor), dtype=np.float32) / np.float32(255)


def silhouette(part: DrawnPart, window: Window) -> Field:
    """Coverage of a part's outlines less its holes."""
    stencil = Stencil(window)
    for outline in part.outlines:
        stencil.fill(outline)
    for hole in part.holes:
        stencil.fill(hole, 0)
    return stencil.coverage()


def _dashes(seam: Seam) -> list[Points]:
    lengths = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(seam.path, axis=0).T))])
    starts = np.arange(0, lengths[-1], seam.dash * 1.8)
    ends = np.minimum(starts + seam.dash, lengths[-1])
    at = np.stack([starts, ends], axis=1)
    dashes = np.stack([np.interp(at, lengths, seam.path[:, axis]) for axis in (0, 1)], axis=-1)
    return list(dashes)


def tones(part: DrawnPart, window: Window) -> Field | None:
    """Brightness change along a part's seams, about -1..1; None where it has none."""
    if not part.seams:
        return None
    light, dark = Stencil(window), Stencil(window)
    for seam in part.seams:
        stencil = light if seam.tone > 0 else dark
        for path in _dashes(seam) if seam.dash else [seam.path]:
            stencil.stroke(path, seam.width, round(255 * min(1.0, abs(seam.tone))))
    return light.coverage() - dark.coverage()
