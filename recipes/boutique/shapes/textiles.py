"""Soft accessories: cap, beanie, scarf, socks, tie."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from recipes.boutique.articles import darker, lighter, luminance
from recipes.boutique.drawing import (
    IVORY,
    Appearance,
    Crease,
    Drawing,
    DrawnPart,
    Form,
    Points,
    Seam,
    ellipse,
    flip,
    mirrored,
    ribbon,
    rounded,
    smooth,
    trace,
    turned,
)


def _brim(reach: float) -> Points:
    """The outline of a cap's brim that ends at ``reach``."""
    return smooth(
        [
            (0.215, 0.03, 1),
            (0.32, 0.055),
            (reach, 0.145),
            (reach - 0.01, 0.185),
            (0.26, 0.165),
            (0.08, 0.155),
            (-0.06, 0.145, 1),
            (0.08, 0.085),
        ]
    )


def cap(appearance: Appearance) -> Drawing:
    """A baseball cap from the side and a little in front."""
    peak = appearance.vary(-0.25, -0.21)
    crown = smooth(
        [
            (-0.31, 0.12, 1),
            (-0.325, 0.0),
            (-0.26, -0.14),
            (-0.1, peak),
            (0.06, peak + 0.02),
            (0.17, -0.11),
            (0.215, 0.03),
            (0.22, 0.10, 1),
            (0.0, 0.14),
            (-0.2, 0.15),
        ]
    )
    brim = _brim(appearance.vary(0.41, 0.44))
    stitch = 0.35 if luminance(appearance.coat.colour) < 0.4 else -0.3
    top = (-0.055, peak + 0.003)
    panels = tuple(
        Seam(trace([top, *path]), 0.004, -0.3)
        for path in ([(-0.16, -0.08), (-0.17, 0.15)], [(0.06, -0.1), (0.095, 0.125)], [(-0.2, -0.14), (-0.3, 0.02)])
    )
    rows = tuple(
        Seam(
            trace([(0.225 + d, 0.045 + d * 0.55), (0.12 + d, 0.10 + d * 0.6), (-0.03 + d * 1.1, 0.136 + d * 0.25)]),
            0.0025,
            stitch * 0.7,
            0.01,
        )
        for d in (0.03, 0.06, 0.09, 0.12)
    )
    eyelets = tuple(ellipse(x, -0.11, 0.009, 0.01)[:-1:3] for x in (-0.06, 0.115, -0.21))
    brim_coat = (
        appearance.coat.plain() if appearance.coin(0.6) else appearance.coat.dyed(darker(appearance.coat.colour, 0.3))
    )
    parts = [
        DrawnPart("crown", (crown,), appearance.coat, seams=panels, bulge=0.13, folds=0.4),
        DrawnPart("eyelets", eyelets, appearance.inside, Form.FLAT, bulge=0.004, lift=0),
        DrawnPart("brim", (brim,), brim_coat, seams=rows, bulge=0.035),
        DrawnPart("button", (ellipse(*top, 0.022, 0.013)[:-1],), appearance.trim, bulge=0.012),
    ]
    if appearance.coin(0.6):
        mark = (
            ellipse(0.03, -0.015, 0.04, 0.045)[:-1] if appearance.coin() else rounded(0.03, -0.01, 0.075, 0.06, 0.012)
        )
        colour = IVORY if luminance(appearance.coat.colour) < 0.6 else darker(appearance.coat.colour, 0.6)
        parts.append(DrawnPart("logo", (mark,), appearance.coat.dyed(colour), bulge=0.012, lift=0.004))
    return Drawing(parts)


def beanie(appearance: Appearance) -> Drawing:
    """A knitted hat with a turned-up cuff, perhaps a pompom."""
    wide, peak = appearance.vary(0.25, 0.28), appearance.vary(-0.27, -0.22)
    dome = mirrored([(0, peak), (wide * 0.5, peak + 0.035), (wide * 0.92, -0.06), (wide * 1.0, 0.16, 1), (0, 0.2)])
    gathers = tuple(
        Crease(trace([(x * 0.12, peak + 0.01), (x * 0.75, peak + 0.1), (x, 0.06)]), 0.03, -0.4)
        for x in np.linspace(-0.21, 0.21, 6)
    )
    cuff = mirrored([(0, 0.115), (wide * 1.04, 0.085, 1), (wide * 1.07, 0.17), (wide * 1.04, 0.265, 1), (0, 0.30)])
    ribs = tuple(
        Seam(trace([(x * 0.99, 0.08), (x * 1.02, 0.2), (x, 0.3)]), 0.005, -0.2) for x in np.linspace(-wide, wide, 29)
    )
    knit = replace(appearance.trim, material="wool")
    parts = [
        DrawnPart("crown", (dome,), appearance.coat, creases=gathers, bulge=0.12, folds=0.3),
        DrawnPart("cuff", (cuff,), knit, seams=ribs, bulge=0.045, lift=0.014),
    ]
    if appearance.style == "pompom":
        angles = np.linspace(0, 2 * np.pi, 64, endpoint=False)
        radius = 0.078 + appearance.generator.uniform(-0.012, 0.01, 64)
        ball = np.stack([radius * np.cos(angles), radius * np.sin(angles) + peak - 0.045], axis=1)
        tufts = tuple(
            Seam(
                np.array(
                    [
                        (np.cos(a) * r, np.sin(a) * r + peak - 0.045),
                        (np.cos(a) * (r + 0.018), np.sin(a) * (r + 0.018) + peak - 0.045),
                    ]
                ),
                0.004,
                t,
            )
            for a, r, t in zip(
                appearance.generator.uniform(0, 6.3, 70),
                appearance.generator.uniform(0, 0.06, 70),
                appearance.generator.choice([-0.3, 0.25], 70),
                strict=True,
            )
        )
        coat = replace(
            appearance.coat.dyed(IVORY if appearance.coin(0.4) else appearance.coat.colour), material="cotton"
        )
        parts.insert(0, DrawnPart("pompom", (ball,), coat, seams=tufts, bulge=0.06, lift=0))
    else:
        parts.append(
            DrawnPart(
                "logo",
                (rounded(wide * 0.45, 0.205, 0.07, 0.05, 0.004),),
                appearance.coat.dyed(lighter(appearance.coat.colour, 0.75)),
                bulge=0.006,
                lift=0.004,
            )
        )
    return Drawing(parts)


def scarf(appearance: Appearance) -> Drawing:
    """A scarf hung in a loop, its two ends crossing below."""
    wide, low = appearance.vary(0.125, 0.15), appearance.vary(0.33, 0.39)
    left = trace(
        [(0.02, -0.355), (-0.1, -0.325), (-0.155, -0.2), (-0.125, -0.06), (-0.02, 0.07), (0.08, 0.2), (0.10, low)]
    )
    right = trace(
        [
            (-0.02, -0.355),
            (0.1, -0.325),
            (0.155, -0.2),
            (0.125, -0.06),
            (0.02, 0.07),
            (-0.085, 0.2),
            (-0.115, low - 0.06),
        ]
    )
    parts: list[DrawnPart] = []
    for path, grain in ((left, 16.0), (right, -16.0)):
        creases = tuple(Crease(path + np.array([d, 0]), 0.028, -0.45) for d in (-0.035, 0.03))
        parts.append(
            DrawnPart(
                "end",
                (ribbon(path, wide * 0.8, wide * 1.25),),
                appearance.coat,
                creases=creases,
                grain=grain,
                bulge=0.045,
                folds=0.7,
                drape=(0.06, 0.16),
            )
        )
    if appearance.style == "fringed":
        parts.append(_fringe(appearance, [(0.10, low), (-0.115, low - 0.06)], wide * 1.2))
    knot = trace([(-0.13, -0.02), (-0.02, 0.075), (0.09, 0.075), (0.14, 0.0)])
    if appearance.coin(0.5):
        parts.append(
            DrawnPart(
                "knot",
                (ribbon(knot, 0.11, 0.1),),
                appearance.coat,
                grain=-30,
                bulge=0.05,
                folds=0.9,
                drape=(0.04, 0.08),
            )
        )
    return Drawing(parts)


def _fringe(appearance: Appearance, ends: list[tuple[float, float]], wide: float) -> DrawnPart:
    threads = []
    for x, y in ends:
        for place in np.linspace(-wide / 2, wide / 2, 11):
            sway = appearance.vary(-0.006, 0.006)
            threads.append(
                ribbon(
                    np.array([(x + place, y - 0.006), (x + place + sway, y + appearance.vary(0.05, 0.065))]),
                    0.009,
                    0.006,
                )
            )
    return DrawnPart("fringe", tuple(threads), appearance.coat.plain(), bulge=0.005, lift=0.003)


def socks(appearance: Appearance) -> Drawing:
    """A pair of socks, one a little behind the other."""
    top = appearance.vary(-0.42, -0.38) if appearance.style == "knee-high" else appearance.vary(-0.27, -0.2)
    wide = 0.075
    sock = smooth(
        [
            (-0.16, top, 1),
            (-0.16 + 2 * wide, top, 1),
            (-0.02, (top + 0.1) / 2),
            (-0.005, 0.12),
            (0.09, 0.19),
            (0.2, 0.235),
            (0.245, 0.30),
            (0.2, 0.355),
            (0.08, 0.345),
            (-0.06, 0.30),
            (-0.155, 0.24),
            (-0.175, 0.15),
            (-0.155, (top + 0.1) / 2),
        ]
    )
    toe = smooth([(0.15, 0.213, 1), (0.215, 0.24), (0.245, 0.30), (0.2, 0.355), (0.13, 0.352, 1), (0.115, 0.28)])
    heel = smooth([(-0.168, 0.12, 1), (-0.10, 0.19), (-0.055, 0.302, 1), (-0.155, 0.24), (-0.176, 0.16)])
    band = ribbon(np.array([(-0.163, top + 0.01), (-0.16 + 2 * wide + 0.003, top + 0.01)]), 0.065)
    ribs = tuple(Seam(np.array([(x, top - 0.03), (x, top + 0.05)]), 0.004, -0.2) for x in np.linspace(-0.16, -0.01, 14))
    accent = appearance.coat.dyed(
        appearance.coat.print.accents[0] if appearance.coat.print else darker(appearance.coat.colour, 0.25)
    )
    tipped = accent if appearance.coin(0.6) else appearance.trim
    ankle = tuple(
        Crease(trace([(0.0, 0.13 + d), (-0.05, 0.17 + d), (-0.11, 0.175 + d)]), 0.025, -0.4) for d in (-0.03, 0.0, 0.03)
    )
    parts: list[DrawnPart] = []
    for shift, spin in ((np.array([0.09, -0.035]), 7.0), (np.array([-0.07, 0.02]), -2.0)):
        one = [
            DrawnPart("sock", (sock,), appearance.coat, creases=ankle, bulge=0.055, folds=0.4, drape=(0.06, 0.1)),
            DrawnPart("toe", (toe,), tipped, bulge=0.045, lift=0),
            DrawnPart("heel", (heel,), tipped, bulge=0.045, lift=0),
            DrawnPart("cuff", (band,), appearance.trim, seams=ribs, bulge=0.025, lift=0.003),
        ]
        parts += Drawing(one).placed(degrees=spin, scale=1.0, shift=(float(shift[0]), float(shift[1]))).parts
    return Drawing(parts)


def tie(appearance: Appearance) -> Drawing:
    """A necktie, knotted, its thin end behind."""
    wide, low = (0.055, 0.42) if appearance.style == "slim" else (appearance.vary(0.085, 0.1), 0.42)
    blade = mirrored([(0, -0.27), (0.03, -0.275, 1), (wide * 0.75, 0.05), (wide, low - 0.09, 1), (0, low, 1)])
    tail = turned(
        mirrored([(0, -0.25), (0.02, -0.25, 1), (wide * 0.55, 0.27, 1), (0, 0.32, 1)]),
        -appearance.vary(5, 9),
        about=(0.0, -0.3),
    )
    knot = mirrored([(0, -0.375), (0.062, -0.37, 1), (0.03, -0.262, 1), (0, -0.258)])
    collar = ribbon(
        trace(
            [(-0.04, -0.345), (-0.11, -0.39), (-0.08, -0.44), (0, -0.452), (0.08, -0.44), (0.11, -0.39), (0.04, -0.345)]
        ),
        0.036,
    )
    pleat = Crease(trace([(0.004, -0.26), (-0.006, -0.19), (0.004, -0.1)]), 0.03, -0.7)
    slant = 42.0 if appearance.coat.print is not None and appearance.coat.print.pattern == "striped" else 0.0
    parts = [
        DrawnPart("loop", (collar,), appearance.coat, bulge=0.016, lift=0),
        DrawnPart("tail", (tail,), appearance.coat.dyed(darker(appearance.coat.colour, 0.2)), bulge=0.02, grain=slant),
        DrawnPart("blade", (blade,), appearance.coat, creases=(pleat,), bulge=0.03, folds=0.15, grain=slant),
        DrawnPart("knot", (knot,), appearance.coat, bulge=0.035, grain=-slant),
    ]
    if appearance.coin():
        parts = [
            replace(part, outlines=tuple(flip(outline) for outline in part.outlines), grain=-part.grain)
            for part in parts
        ]
    return Drawing(parts)
