"""Finishes: how each material takes light."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from boutique.field import Field, noise

Weave = Callable[[Field, Field, float, np.random.Generator], Field]
"""Surface coordinates (picture widths), a pixel's width and a generator to a texture of about -1..1."""


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
"""Tuned by eye on contact sheets at 96 and 320 pixels, so that each material tells itself apart from the others."""
