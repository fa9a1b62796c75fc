"""The backdrop: a light studio background and the shadow a product casts on it."""

from __future__ import annotations

import numpy as np

from boutique.drawing import Stance
from boutique.field import Field, blurred, step
from boutique.palette import COLOURS, RGB, lab

TONES: tuple[RGB, ...] = (
    (0.93, 0.93, 0.93), (0.95, 0.93, 0.90), (0.90, 0.92, 0.95), (0.94, 0.90, 0.89), (0.89, 0.93, 0.91),
    (0.97, 0.97, 0.96), (0.88, 0.87, 0.86), (0.92, 0.90, 0.94), (0.80, 0.81, 0.83), (0.85, 0.82, 0.77),
)  # fmt: skip
"""Paper rolls, near white to light grey and sand."""


def backdrop(size: int, stance: Stance, colour: str, generator: np.random.Generator) -> Field:
    """An empty studio, shape (size, size, 3), 0..1, in a tone that ``colour`` stands out from.

    Its 15 units of L*a*b* are about where a pale product's edge stops vanishing into the paper (by eye).
    """
    gaps = np.linalg.norm(lab(np.array(TONES)) - lab(np.array(COLOURS[colour])), axis=1)
    fitting = np.flatnonzero(gaps >= min(15.0, float(np.sort(gaps)[-3])))
    tone = np.array(TONES[int(generator.choice(fitting))], dtype=np.float32)
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
    x, y = axis[None, :], axis[:, None]
    glow_x, glow_y = generator.uniform(-0.25, 0.0), generator.uniform(-0.3, -0.1)
    light = 1.035 - 0.22 * ((x - np.float32(glow_x)) ** 2 + (y - np.float32(glow_y)) ** 2)
    if stance is Stance.STANDING:
        horizon = np.float32(generator.uniform(0.16, 0.28))
        light = light * (1 - np.float32(0.055) * step(np.asarray(y - horizon, dtype=np.float32), -0.06, 0.07))
    return np.asarray(tone * light[..., None], dtype=np.float32)


def shadows(cover: Field, stance: Stance) -> Field:
    """How much light the product leaves on the backdrop, 0..1, shape of ``cover`` (size, size)."""
    size = len(cover)
    near = _moved(blurred(cover, 0.018 * size), 0.010 * size, 0.006 * size)
    if stance is Stance.LAID:
        far = _moved(blurred(cover, 0.07 * size), 0.035 * size, 0.020 * size)
        return 1 - np.float32(0.20) * near - np.float32(0.20) * far
    return 1 - _floor_shadow(cover)


def _moved(field: Field, down: float, right: float) -> Field:
    rows, columns = max(1, round(down)), max(1, round(right))
    moved = np.zeros_like(field)
    moved[rows:, columns:] = field[:-rows, :-columns]
    return moved


def _floor_shadow(cover: Field) -> Field:
    """Two pools below the product's foot: a dark narrow one where it touches, a wide faint one to the right."""
    size = len(cover)
    rows = np.flatnonzero((cover > 0.5).any(axis=1))
    bottom = int(rows[-1]) if len(rows) else size - 1
    pools = np.zeros_like(cover)
    for depth, strength, blur in ((0.012, 0.50, 0.026), (0.045, 0.34, 0.075)):
        foot = cover[max(0, bottom - round((0.012 + depth) * size)) : bottom + 1].max(axis=0)
        strip = np.zeros_like(cover)
        half = max(1, round(depth * size))
        middle = min(size - 1, bottom - half // 3)
        strip[max(0, middle - half) : middle + half] = foot
        if depth > 0.02:
            strip = _moved(strip, 1, 0.03 * size)
        pools += np.float32(strength) * blurred(strip, blur * size)
    return np.clip(pools, 0, 0.8)
