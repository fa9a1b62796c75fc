"""Watches, seen from the front."""

from __future__ import annotations

import numpy as np

from boutique.curve import Points, ellipse, mirrored, ribbon, rounded
from boutique.drawing import Coat, Drawing, Form, Part, Seam
from boutique.palette import luminance
from boutique.shapes.look import BRASS, IVORY, STEEL, Look

_CREAM = Coat((0.95, 0.94, 0.90), "paper")
_NIGHT = Coat((0.14, 0.16, 0.22), "paper")


def watch(look: Look) -> Drawing:
    """A wristwatch: its strap and case in the named colour's material, with a dial, hands and a crown."""
    steel = look.coat.material == "steel"
    radius, wide = look.vary(0.155, 0.185), look.vary(0.135, 0.155)
    case = look.coat if steel else (BRASS if look.coin(0.35) else STEEL)
    dial = (_NIGHT if look.coin(0.4) else _CREAM) if steel or luminance(look.coat.colour) < 0.6 else _NIGHT
    square = look.style == "square"

    def plate(size: float) -> Points:
        return rounded(0, 0, size * 1.85, size * 2, size * 0.35) if square else ellipse(0, 0, size, size)[:-1]

    parts = [
        *_strap(look, wide, radius, steel),
        Part("crown", (rounded(radius + 0.012, 0, 0.035, 0.04, 0.007),), case, bulge=0.012, lift=0),
    ]
    lugs = tuple(rounded(sx * wide * 0.47, sy * radius * 0.92, 0.03, 0.085, 0.012) for sx in (1, -1) for sy in (1, -1))
    parts += [
        Part("case", lugs, case, bulge=0.014),
        Part("case", (plate(radius),), case, bulge=0.028),
        Part(
            "dial",
            (plate(radius * 0.82),),
            dial,
            Form.FLAT,
            seams=_ticks(radius * 0.76, dial is _NIGHT),
            bulge=0.012,
            lift=0.004,
        ),
    ]
    return Drawing([*parts, *_hands(look, radius, dial is _NIGHT)])


def _strap(look: Look, wide: float, radius: float, steel: bool) -> list[Part]:
    half = mirrored(
        [(0, radius * 0.7), (wide / 2, radius * 0.7, 1), (wide * 0.42, 0.28), (wide * 0.38, 0.44, 1), (0, 0.475)]
    )
    stitch = 0.5 if luminance(look.coat.colour) < 0.4 else -0.4
    if steel:
        rows = [Seam(np.array([(-0.1, y), (0.1, y)]), 0.006, -0.55) for y in np.arange(radius, 0.47, 0.034)]
        rows += [Seam(np.array([(s * 0.024, radius), (s * 0.022, 0.47)]), 0.004, -0.5) for s in (1, -1)]
    else:
        rows = [
            Seam(np.array([(s * wide * 0.41, radius), (s * wide * 0.32, 0.43)]), 0.003, stitch, 0.012) for s in (1, -1)
        ]
    lower = Part("strap", (half,), look.coat, seams=tuple(rows), bulge=0.03, folds=0.2)
    upside = tuple(Seam(seam.path * np.array([1, -1]), seam.width, seam.tone, seam.dash) for seam in rows)
    upper = Part("strap", (half * np.array([1, -1]),), look.coat, seams=upside, bulge=0.03, folds=0.2)
    if steel:
        return [lower, upper]
    holes = tuple(ellipse(0, y, 0.006, 0.008)[:-1:4] for y in (0.33, 0.37, 0.41))
    return [Part("strap", (half,), look.coat, holes=holes, seams=tuple(rows), bulge=0.03, folds=0.2), upper]


def _ticks(radius: float, night: bool) -> tuple[Seam, ...]:
    seams = []
    for hour in range(12):
        way = np.array([np.sin(hour * np.pi / 6), -np.cos(hour * np.pi / 6)])
        start, width = (0.8, 0.009) if hour % 3 == 0 else (0.9, 0.006)
        seams.append(Seam(np.array([way * radius * start, way * radius]), width, 1.0 if night else -0.8))
    return tuple(seams)


def _hands(look: Look, radius: float, night: bool) -> list[Part]:
    coat = Coat(IVORY if night else (0.12, 0.12, 0.14), "paper")
    parts = []
    for turn, reach, width in ((10.15, 0.45, 0.014), (1.9, 0.66, 0.010)):
        way = np.array([np.sin(turn * np.pi / 6), -np.cos(turn * np.pi / 6)])
        parts.append(ribbon(np.array([-way * 0.02, way * radius * reach]), width, width * 0.5))
    angle = look.vary(0, 6.28)
    second = ribbon(np.array([(0, 0), (np.sin(angle) * radius * 0.62, -np.cos(angle) * radius * 0.62)]), 0.004)
    return [
        Part("hands", tuple(parts), coat, Form.FLAT, bulge=0.004, lift=0.005),
        Part(
            "hands",
            (second, ellipse(0, 0, 0.011, 0.011)[:-1:3]),
            Coat((0.80, 0.25, 0.18), "paper"),
            bulge=0.004,
            lift=0.004,
        ),
    ]
