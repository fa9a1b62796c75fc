"""Fields: one number a pixel, float32, shape (height, width)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Field = NDArray[np.float32]


def resized(field: Field, height: int, width: int, how: Image.Resampling) -> Field:
    """``field`` resampled to (height, width)."""
    picture = Image.fromarray(field).resize((width, height), how)
    return np.asarray(picture, dtype=np.float32)


def blurred(field: Field, radius: float) -> Field:
    """``field`` blurred over about ``radius`` pixels; edges repeat.

    Shrinks, smooths and grows again: at 320 pixels a tenth of the cost of a true Gaussian, with no visible difference.
    """
    height, width = field.shape
    shrink = max(radius / 2.0, 1.0)
    small_height, small_width = max(2, round(height / shrink)), max(2, round(width / shrink))
    small = resized(field, small_height, small_width, Image.Resampling.BOX) if shrink > 1 else field
    for _ in range(2):
        small = _softened(small)
    return resized(small, height, width, Image.Resampling.BICUBIC) if shrink > 1 else small


def _softened(field: Field) -> Field:
    """The binomial filter 1 2 1 down and across; a row or column past the edge repeats the last."""
    down = field * np.float32(0.5)
    down[1:] += field[:-1] * np.float32(0.25)
    down[:-1] += field[1:] * np.float32(0.25)
    down[0] += field[0] * np.float32(0.25)
    down[-1] += field[-1] * np.float32(0.25)
    across = down * np.float32(0.5)
    across[:, 1:] += down[:, :-1] * np.float32(0.25)
    across[:, :-1] += down[:, 1:] * np.float32(0.25)
    across[:, 0] += down[:, 0] * np.float32(0.25)
    across[:, -1] += down[:, -1] * np.float32(0.25)
    return across


def noise(shape: tuple[int, int], cell: tuple[float, float], generator: np.random.Generator) -> Field:
    """Smooth noise of ``shape``, about -1..1; ``cell`` is the size of its features in pixels, across and down."""
    height, width = shape
    rows, columns = int(np.ceil(height / cell[1])) + 2, int(np.ceil(width / cell[0])) + 2
    grid = generator.uniform(-1, 1, (rows, columns)).astype(np.float32)
    grown = resized(grid, round(rows * cell[1]) + 1, round(columns * cell[0]) + 1, Image.Resampling.BICUBIC)
    top, left = round(cell[1] / 2), round(cell[0] / 2)
    return grown[top : top + height, left : left + width]


def slopes(field: Field) -> tuple[Field, Field]:
    """Change per pixel to the right and downwards (central differences)."""
    across, down = np.zeros_like(field), np.zeros_like(field)
    across[:, 1:-1] = (field[:, 2:] - field[:, :-2]) / 2
    down[1:-1] = (field[2:] - field[:-2]) / 2
    return across, down


def step(field: Field, low: float, high: float) -> Field:
    """0 below ``low``, 1 above ``high``, smooth between (Hermite)."""
    t = np.clip((field - np.float32(low)) / np.float32(high - low), 0, 1)
    smooth: Field = t * t * (3 - 2 * t)
    return smooth
