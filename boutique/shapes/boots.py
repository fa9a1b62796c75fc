"""Boots, seen from the side."""

from __future__ import annotations

import numpy as np

from boutique.curve import Points, ellipse, ribbon, rounded, smooth, trace
from boutique.drawing import Coat, Crease, Drawing, Form, Part, Seam, Stance
from boutique.palette import darker
from boutique.shapes.look import BLACK_RUBBER, DARK_WOOD, Look


def boots(look: Look) -> Drawing:
    """A leather boot, to the ankle or to the knee."""
    tall = look.style == "knee-high"
    top, heel = (look.vary(-0.42, -0.38) if tall else look.vary(-0.2, -0.14)), look.vary(0.035, 0.07)
    ground = 0.36 if tall else 0.27
    foot = ground - heel
    spread = 0.025 if tall else 0.0
    creases = tuple(
        Crease(trace([(-0.03, y), (-0.09, y + 0.012), (-0.17, y - 0.01)]), 0.03, look.vary(-0.5, -0.3))
        for y in (foot - 0.2, foot - 0.165, foot - 0.135)
    )
    shaft = (Crease(trace([(-0.2, top + 0.08), (-0.17, top + 0.2), (-0.19, top + 0.3)]), 0.05, -0.4),) if tall else ()
    seams = (
        Seam(
            trace([(-0.268 - spread, top + 0.022), (-0.15, top + 0.034), (-0.03 + spread, top + 0.022)]),
            0.003,
            -0.3,
            0.011,
        ),
        Seam(trace([(0.045, foot - 0.11), (0.03, foot - 0.05), (0.09, foot + 0.01)]), 0.003, -0.35),
    )
    opening = ellipse(-0.15, top + 0.001, 0.119 + spread, 0.016)[:-1]
    parts = [
        Part("lining", (opening,), look.inside, Form.FLAT, bulge=0.01, lift=0),
        Part(
            "upper",
            (_boot_upper(top, foot, heel, spread),),
            look.coat,
            seams=seams,
            creases=(*creases, *shaft),
            bulge=0.075,
            folds=0.4,
        ),
    ]
    if not tall and look.coin(0.55):
        parts.append(_gore(look, top, foot))
    elif look.coin(0.6):
        parts += _buckle(look, foot)
    parts.append(
        Part(
            "sole",
            (_boot_sole(foot, heel, ground),),
            BLACK_RUBBER if look.coin(0.6) else DARK_WOOD,
            bulge=0.02,
            lift=0.004,
        )
    )
    return Drawing(parts, Stance.STANDING)


def _boot_upper(top: float, foot: float, heel: float, spread: float) -> Points:
    return smooth(
        [
            (-0.27 - spread, top, 1),
            (-0.15, top + 0.012),
            (-0.03 + spread, top, 1),
            (-0.045, (top + foot - 0.2) / 2),
            (-0.035, foot - 0.19),
            (0.03, foot - 0.115),
            (0.16, foot - 0.085),
            (0.255, foot - 0.04),
            (0.275, foot + heel * 0.55, 1),
            (0.1, foot + heel * 0.6),
            (-0.08, foot, 1),
            (-0.26, foot, 1),
            (-0.268, foot - 0.09),
            (-0.245, foot - 0.2),
            (-0.258, (top + foot - 0.2) / 2),
        ]
    )


def _boot_sole(foot: float, heel: float, ground: float) -> Points:
    return smooth(
        [
            (-0.265, foot - 0.008, 1),
            (-0.08, foot - 0.01),
            (0.1, foot + heel * 0.52),
            (0.285, foot + heel * 0.5, 1),
            (0.28, ground, 1),
            (0.06, ground, 1),
            (-0.07, foot + 0.022, 1),
            (-0.1, ground, 1),
            (-0.262, ground, 1),
        ]
    )


def _gore(look: Look, top: float, foot: float) -> Part:
    gore = smooth(
        [
            (-0.19, top + 0.03, 1),
            (-0.1, top + 0.03, 1),
            (-0.115, foot - 0.11),
            (-0.15, foot - 0.085),
            (-0.18, foot - 0.12),
        ]
    )
    ribs = tuple(Seam(np.array([(x, top), (x, foot)]), 0.003, -0.3) for x in np.linspace(-0.19, -0.1, 12))
    coat = Coat(darker(look.coat.colour, 0.55), "canvas")
    return Part("gore", (gore,), coat, seams=ribs, bulge=0.015, lift=0.002)


def _buckle(look: Look, foot: float) -> list[Part]:
    strap = ribbon(trace([(-0.262, foot - 0.15), (-0.15, foot - 0.125), (-0.015, foot - 0.155)]), 0.028)
    frame, gap = rounded(-0.13, foot - 0.128, 0.042, 0.046, 0.008), rounded(-0.13, foot - 0.128, 0.024, 0.028, 0.004)
    return [
        Part("strap", (strap,), look.trim, bulge=0.012, lift=0.006),
        Part("buckle", (frame,), look.metal, holes=(gap,), bulge=0.007, lift=0.004),
    ]
