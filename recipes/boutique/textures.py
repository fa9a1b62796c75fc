"""Textures: noise, printed patterns and how each material takes light, one number a pixel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from recipes.boutique.drawing import Print

Field = NDArray[np.float32]


def resized(field: Field, height: int, width: int, how: Image.Resampling) -> Field:
    """``field`` resampled to (height, width)."""
    image = Image.fromarray(field).resize((width, height), how)
    return np.asarray(image, dtype=np.float32)


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


Covers = tuple[Field, Field]


def _edge(distance: Field, pixel: float) -> Field:
    """1 where ``distance`` to a motif's border is inside (above 0), antialiased over one pixel."""
    cover: Field = np.clip(distance / np.float32(pixel) + np.float32(0.5), 0, 1)
    return cover


def _bands(along: Field, period: float, share: float, pixel: float) -> Field:
    fraction = along / np.float32(period)
    distance = np.abs(fraction - np.floor(fraction) - np.float32(0.5)) * np.float32(period)
    return _edge(np.float32(share * period / 2) - distance, pixel)


def striped(u: Field, v: Field, period: float, pixel: float) -> Covers:
    """Broad stripes along u."""
    return _bands(v, period, 0.42, pixel), np.zeros_like(u)


def checked(u: Field, v: Field, period: float, pixel: float) -> Covers:
    """Woven check: two half-covering sets of bands, with a thin line of the second accent."""
    wide = np.float32(0.45) * (_bands(u, period, 0.45, pixel) + _bands(v, period, 0.45, pixel))
    half = np.float32(period / 2)
    thin = np.maximum(_bands(u + half, period, 0.09, pixel), _bands(v + half, period, 0.09, pixel))
    return wide, np.float32(0.75) * thin


def dotted(u: Field, v: Field, period: float, pixel: float) -> Covers:
    """Polka dots in staggered rows."""
    row = np.floor(v / np.float32(period * 0.75))
    x = u / np.float32(period) + np.float32(0.5) * np.mod(row, 2)
    dx = (x - np.floor(x) - np.float32(0.5)) * np.float32(period)
    dy = v - (row + np.float32(0.5)) * np.float32(period * 0.75)
    return _edge(np.float32(0.235 * period) - np.hypot(dx, dy), pixel), np.zeros_like(u)


def zigzag(u: Field, v: Field, period: float, pixel: float) -> Covers:
    """Chevron bands."""
    fraction = u / np.float32(period * 1.1)
    tooth = np.abs(fraction - np.floor(fraction) - np.float32(0.5)) * np.float32(period)
    return _bands(v + tooth, period, 0.42, pixel * 1.3), np.zeros_like(u)


def _chance(column: Field, row: Field, salt: float) -> Field:
    """A number in 0..1 that depends on the cell alone (the sine hash common in shaders)."""
    wild = np.sin(column * np.float32(12.9898) + row * np.float32(78.233) + np.float32(salt)) * np.float32(437.585)
    fraction: Field = wild - np.floor(wild)
    return fraction


def floral(u: Field, v: Field, period: float, pixel: float) -> Covers:
    """Five-petalled flowers with a centre, and a leaf beside each, one a cell, jittered."""
    row = np.floor(v / np.float32(period))
    x = u / np.float32(period) + np.float32(0.5) * np.mod(row, 2)
    column = np.floor(x)
    one, two = _chance(column, row, 0.0), _chance(column, row, 9.1)
    dx = (x - column - np.float32(0.5)) - np.float32(0.26) * (one - np.float32(0.5))
    dy = (v / np.float32(period) - row - np.float32(0.5)) - np.float32(0.26) * (two - np.float32(0.5))
    radius, angle = np.hypot(dx, dy), np.arctan2(dy, dx)
    size = np.float32(0.27) + np.float32(0.09) * two
    petals = size * (np.float32(0.72) + np.float32(0.28) * np.cos(5 * angle + 6 * one))
    flower = _edge((petals - radius) * np.float32(period), pixel)
    centre = _edge((np.float32(0.085) - radius) * np.float32(period), pixel)
    return flower * (1 - centre), np.maximum(centre, _leaves(dx, dy, one, period, pixel) * (1 - flower))


def _leaves(dx: Field, dy: Field, spin: Field, period: float, pixel: float) -> Field:
    angle = spin * np.float32(6.3)
    along = dx * np.cos(angle) + dy * np.sin(angle) - np.float32(0.38)
    across = dy * np.cos(angle) - dx * np.sin(angle)
    shape = np.float32(1) - (along / np.float32(0.13)) ** 2 - (across / np.float32(0.05)) ** 2
    return _edge(shape * np.float32(0.05 * period), pixel)


PATTERNS: dict[str, Callable[[Field, Field, float, float], Covers]] = {
    "striped": striped,
    "checked": checked,
    "dotted": dotted,
    "floral": floral,
    "zigzag": zigzag,
}


def covers(figure: Print, u: Field, v: Field, pixel: float) -> Covers:
    """Coverages of ``figure``'s two accents at surface coordinates ``u``, ``v``; ``pixel`` is a pixel's width there."""
    angle = np.radians(figure.angle)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    shift = np.float32(figure.phase * figure.scale)
    return PATTERNS[figure.pattern](u * cos + v * sin + shift, v * cos - u * sin + shift, figure.scale, pixel)


Weave = Callable[[Field, Field, float, np.random.Generator], Field]
"""Surface coordinates (image widths), a pixel's width and a generator to a texture of about -1..1."""


def _waves(along: Field, period: float, pixel: float) -> Field:
    """A sine of ``period``, never finer than three pixels so that it cannot alias."""
    wave: Field = np.sin(along * np.float32(2 * np.pi / max(period, 3.2 * pixel)))
    return wave


def _grain(u: Field, cell: float, pixel: float, generator: np.random.Generator) -> Field:
    size = max(cell / pixel, 1.0)
    return noise((u.shape[0], u.shape[1]), (size, size), generator)


def twill(u: Field, v: Field, pixel: float, generator: np.random.Generator) -> Field:
    """Denim: fine diagonals, unevenly washed."""
    lines = _waves(u + np.float32(0.7) * v, 0.011, pixel)
    return np.float32(0.5) * lines + np.float32(0.7) * _grain(u, 0.004, pixel, generator)


def ribs(u: Field, v: Field, pixel: float, generator: np.random.Generator) -> Field:
    """Knit: columns of stitches that lean left and right."""
    lean = np.abs(np.mod(u / np.float32(0.018), 2) - 1)
    stitches = _waves(v + np.float32(0.011) * lean, 0.0125, pixel)
    return np.float32(0.6) * _waves(u, 0.018, pixel) + np.float32(0.45) * stitches


def plain_weave(u: Field, v: Field, pixel: float, generator: np.random.Generator) -> Field:
    """Canvas: threads over and under."""
    return np.float32(0.6) * _waves(u, 0.0115, pixel) * _waves(v, 0.0115, pixel) + np.float32(0.5) * _grain(
        u, 0.004, pixel, generator
    )


def slubs(u: Field, v: Field, pixel: float, generator: np.random.Generator) -> Field:
    """Linen: long uneven threads both ways."""
    thin, long = max(0.004 / pixel, 1.0), max(0.07 / pixel, 4.0)
    across, down = (
        noise((u.shape[0], u.shape[1]), (long, thin), generator),
        noise((u.shape[0], u.shape[1]), (thin, long), generator),
    )
    return np.float32(0.65) * (across + down)


def fuzz(u: Field, v: Field, pixel: float, generator: np.random.Generator) -> Field:
    """Fine speckle."""
    return _grain(u, 0.0045, pixel, generator)


def pebbles(u: Field, v: Field, pixel: float, generator: np.random.Generator) -> Field:
    """Leather: soft grain of two sizes."""
    fine, broad = _grain(u, 0.007, pixel, generator), _grain(u, 0.03, pixel, generator)
    return np.float32(0.7) * fine + np.float32(0.25) * broad


def brushed(u: Field, v: Field, pixel: float, generator: np.random.Generator) -> Field:
    """Steel: hairlines along u."""
    return noise((u.shape[0], u.shape[1]), (max(0.2 / pixel, 4.0), max(0.004 / pixel, 1.0)), generator)


@dataclass(frozen=True, slots=True)
class Finish:
    """How much of each effect a material shows, each from 0.

    ``texture`` scales the weave's effect on brightness (half of it on white); ``sheen`` and ``power`` are the soft
    highlight's strength and tightness (Blinn-Phong); ``window`` is the strength of a softbox mirrored in the surface;
    ``metal`` how far it mirrors its surroundings; ``folds`` how readily it waves; ``clear`` how much shows through.
    """

    weave: Weave | None = None
    texture: float = 0.0
    sheen: float = 0.0
    power: float = 12.0
    window: float = 0.0
    metal: float = 0.0
    folds: float = 1.0
    clear: float = 0.0


FINISHES: Mapping[str, Finish] = MappingProxyType(
    {
        "cotton": Finish(fuzz, 0.03, sheen=0.03, power=4),
        "linen": Finish(slubs, 0.1, folds=1.25),
        "denim": Finish(twill, 0.17, folds=0.8),
        "wool": Finish(ribs, 0.11, folds=0.55),
        "silk": Finish(None, sheen=0.34, power=14, folds=1.5),
        "canvas": Finish(plain_weave, 0.11, folds=0.35),
        "nylon": Finish(fuzz, 0.02, sheen=0.16, power=10, folds=0.6),
        "leather": Finish(pebbles, 0.085, sheen=0.30, power=16, window=0.07, folds=0.4),
        "rubber": Finish(fuzz, 0.02, sheen=0.08, power=6, folds=0),
        "ceramic": Finish(None, sheen=0.16, power=24, window=0.6, folds=0),
        "acetate": Finish(None, sheen=0.3, power=30, window=0.45, folds=0),
        "lens": Finish(None, sheen=0.32, power=9, window=0.35, folds=0, clear=0.12),
        "steel": Finish(brushed, 0.05, sheen=0.3, power=30, window=0.35, metal=0.75, folds=0),
        "brass": Finish(None, sheen=0.45, power=18, window=0.3, metal=0.45, folds=0),
        "glass": Finish(None, sheen=0.25, power=40, window=0.75, folds=0, clear=0.32),
        "wood": Finish(brushed, 0.1, sheen=0.08, power=10, folds=0),
        "paper": Finish(None, folds=0),
    }
)
"""Tuned by eye on contact sheets at 96 and 320 pixels, so that each material differs visibly from the others."""
