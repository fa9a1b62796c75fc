"""Bags: tote bag, backpack, handbag, seen from the front."""

from __future__ import annotations

import numpy as np

from recipes.boutique.articles import darker, luminance
from recipes.boutique.drawing import (
    IVORY,
    Appearance,
    Coat,
    Crease,
    Drawing,
    DrawnPart,
    Points,
    Pose,
    Seam,
    ellipse,
    flip,
    mirrored,
    ribbon,
    rounded,
    smooth,
    trace,
)


def _thread(appearance: Appearance) -> float:
    return -0.4 if luminance(appearance.coat.colour) > 0.4 else 0.45


def _handle_coat(appearance: Appearance) -> Coat:
    if appearance.coat.material == "leather" or appearance.coin():
        return appearance.trim
    return Coat((0.48, 0.31, 0.20), "leather")


def tote_bag(appearance: Appearance) -> Drawing:
    """A flat shopper with two handles."""
    wide, top = appearance.vary(0.25, 0.31), appearance.vary(-0.14, -0.08)
    rise = appearance.vary(0.28, 0.31) if appearance.style == "long-handled" else appearance.vary(0.15, 0.19)
    low, foot = 0.38, wide * appearance.vary(0.86, 1.0)
    body = mirrored(
        [
            (0, top + 0.006),
            (wide, top, 1),
            ((wide + foot) / 2 + 0.006, (top + low) / 2),
            (foot, low - 0.015, 1),
            (foot - 0.03, low),
            (0, low + 0.004),
        ]
    )
    hem = Seam(trace([(-wide, top + 0.035), (0, top + 0.041), (wide, top + 0.035)]), 0.003, _thread(appearance), 0.011)
    creases = tuple(
        Crease(
            trace([(s * wide * 0.9, low - 0.04), (s * wide * 0.6, low - 0.1), (s * wide * 0.5, low - 0.2)]), 0.05, -0.4
        )
        for s in (1, -1)
    )
    near = _loop(wide * 0.46, top + 0.07, rise, 0.0)
    far = _loop(wide * 0.46, top + 0.01, rise * 0.93, 0.02)
    coat = _handle_coat(appearance)
    ends = tuple(rounded(s * wide * 0.46, top + 0.055, 0.045, 0.07, 0.005) for s in (1, -1))
    parts = [
        DrawnPart("handle", (far,), coat.dyed(darker(coat.colour, 0.35)), bulge=0.012, lift=0),
        DrawnPart(
            "body", (body,), appearance.coat, seams=(hem,), creases=creases, bulge=0.05, folds=1.4, drape=(0.14, 0.25)
        ),
        DrawnPart("handle", (near, *ends), coat, bulge=0.012, lift=0.008),
    ]
    return Drawing(parts, Pose.UPRIGHT)


def _loop(x: float, foot: float, rise: float, shift: float) -> Points:
    top = foot - 0.07 - rise
    return ribbon(
        trace(
            [
                (-x + shift, foot),
                (-x * 0.97 + shift, foot - rise * 0.5),
                (-x * 0.72 + shift, top + rise * 0.16),
                (shift, top),
                (x * 0.72 + shift, top + rise * 0.16),
                (x * 0.97 + shift, foot - rise * 0.5),
                (x + shift, foot),
            ]
        ),
        0.03,
    )


def backpack(appearance: Appearance) -> Drawing:
    """A rucksack with a front pocket; zipped and domed, or rolled shut and buckled."""
    wide, low = appearance.vary(0.21, 0.25), 0.40
    rolled = appearance.style == "roll-top"
    top = -0.33 if rolled else appearance.vary(-0.37, -0.33)
    crown = (
        [(0, top), (wide * 0.93, top + 0.005, 1)]
        if rolled
        else [(0, top), (wide * 0.62, top + 0.022), (wide * 0.95, top + 0.13)]
    )
    body = mirrored([*crown, (wide * 1.03, 0.05), (wide * 1.04, 0.3), (wide * 0.93, low - 0.01), (0, low + 0.004)])
    handle = ribbon(
        trace([(-0.055, top + 0.02), (-0.05, top - 0.04), (0, top - 0.062), (0.05, top - 0.04), (0.055, top + 0.02)]),
        0.024,
    )
    straps = ribbon(trace([(wide * 0.8, top + 0.1), (wide * 1.2, 0.0), (wide * 1.17, 0.22), (wide * 0.9, 0.33)]), 0.05)
    pocket = mirrored([(0, 0.09), (wide * 0.72, 0.095, 1), (wide * 0.76, 0.22), (wide * 0.68, 0.36), (0, 0.37)])
    edge = Seam(trace([(-wide * 0.72, 0.125), (0, 0.12), (wide * 0.72, 0.125)]), 0.004, -0.45)
    parts = [
        DrawnPart("strap", (straps, flip(straps)), appearance.inside, bulge=0.018, lift=0),
        DrawnPart("handle", (handle,), appearance.trim, bulge=0.012, lift=0),
        DrawnPart("body", (body,), appearance.coat, bulge=0.09, folds=1.0),
    ]
    parts.append(_rolled_top(appearance, wide, top) if rolled else _arched_zip(appearance, wide, top))
    parts.append(DrawnPart("pocket", (pocket,), appearance.coat, seams=(edge,), bulge=0.045, folds=0.8, lift=0.014))
    leather = _handle_coat(appearance)
    for x in (-0.1, 0.1) if rolled or appearance.coin() else ():
        parts += _buckled_strap(appearance, leather, x * wide / 0.23, 0.36 if rolled else 0.3)
    patch = rounded(0, 0.25, 0.075, 0.045, 0.006)
    parts.append(DrawnPart("logo", (patch,), Coat((0.55, 0.37, 0.24), "leather"), bulge=0.008, lift=0.003))
    return Drawing(parts, Pose.UPRIGHT)


def _rolled_top(appearance: Appearance, wide: float, top: float) -> DrawnPart:
    roll = rounded(0, top + 0.01, wide * 1.98, 0.085, 0.038)
    line = Seam(np.array([(-wide, top + 0.012), (wide, top + 0.02)]), 0.005, -0.35)
    return DrawnPart("roll", (roll,), appearance.coat, seams=(line,), bulge=0.04, folds=0.6)


def _arched_zip(appearance: Appearance, wide: float, top: float) -> DrawnPart:
    x, y = wide * 0.88, top + 0.17
    arc = trace([(-x, 0.02), (-wide * 0.78, y), (0, top + 0.085), (wide * 0.78, y), (x, 0.02)])
    tape = appearance.coat.dyed(darker(appearance.coat.colour, 0.5))
    return DrawnPart("zip", (ribbon(arc, 0.014),), tape, seams=(Seam(arc, 0.004, 0.5, 0.005),), bulge=0.005, lift=0.002)


def _buckled_strap(appearance: Appearance, leather: Coat, x: float, tall: float) -> list[DrawnPart]:
    strap = rounded(x, -0.06, 0.034, tall, 0.006)
    stitch = tuple(
        Seam(np.array([(x + d, -0.2), (x + d, 0.08)]), 0.002, _thread(appearance) * 0.6, 0.01) for d in (-0.011, 0.011)
    )
    frame, gap = rounded(x, 0.06, 0.052, 0.046, 0.008), rounded(x, 0.06, 0.034, 0.028, 0.005)
    return [
        DrawnPart("strap", (strap,), leather, seams=stitch, bulge=0.012, lift=0.008),
        DrawnPart("buckle", (frame,), appearance.metal, holes=(gap,), bulge=0.007, lift=0.005),
    ]


def handbag(appearance: Appearance) -> Drawing:
    """A structured handbag with a top handle, or with a flap and a clasp."""
    wide, top, low, foot = appearance.vary(0.27, 0.32), appearance.vary(-0.09, -0.03), 0.33, appearance.vary(0.9, 1.12)
    body = mirrored(
        [
            (0, top),
            (wide * 0.9, top + 0.004),
            (wide * (2 - foot) * 0.98, top + 0.06),
            (wide * foot, low - 0.05),
            (wide * foot * 0.94, low),
            (0, low + 0.006),
        ]
    )
    rise = appearance.vary(0.2, 0.27)
    rim, sides = _base_seam(appearance, wide * foot * 0.95, low), _side_creases(wide, top, low)
    coat = _handle_coat(appearance)
    parts = [
        DrawnPart("handle", (_top_handle(wide, top, rise),), coat, bulge=0.014, lift=0),
        DrawnPart("body", (body,), appearance.coat, seams=(rim,), creases=sides, bulge=0.08, folds=0.7),
    ]
    rings = tuple(ellipse(s * wide * 0.5, top + 0.045, 0.025, 0.025)[:-1:2] for s in (1, -1))
    holes = tuple(ellipse(s * wide * 0.5, top + 0.045, 0.014, 0.014)[:-1:2] for s in (1, -1))
    parts += (
        _flap(appearance, wide, top)
        if appearance.style == "flap"
        else [_top_band(appearance, wide, top), _tag(coat, wide, top)]
    )
    parts.append(DrawnPart("rings", rings, appearance.metal, holes=holes, bulge=0.007, lift=0.005))
    if appearance.coin(0.4):
        parts.append(
            DrawnPart(
                "logo", (rounded(0, low - 0.07, 0.085, 0.014, 0.006),), Coat(IVORY, "brass"), bulge=0.005, lift=0.003
            )
        )
    return Drawing(parts, Pose.UPRIGHT)


def _top_band(appearance: Appearance, wide: float, top: float) -> DrawnPart:
    band = ribbon(trace([(-wide * 0.88, top + 0.03), (0, top + 0.022), (wide * 0.88, top + 0.03)]), 0.05)
    line = Seam(trace([(-wide * 0.86, top + 0.01), (0, top + 0.003), (wide * 0.86, top + 0.01)]), 0.005, -0.5)
    return DrawnPart("zip", (band,), appearance.trim, seams=(line,), bulge=0.014, lift=0.006)


def _top_handle(wide: float, top: float, rise: float) -> Points:
    x = wide * 0.5
    right = [(0, top - rise), (wide * 0.3, top - rise * 0.9), (x, top - rise * 0.4), (x, top + 0.055)]
    return ribbon(trace([*((-a, b) for a, b in reversed(right[1:])), *right]), 0.027)


def _base_seam(appearance: Appearance, x: float, low: float) -> Seam:
    return Seam(trace([(-x, low - 0.03), (0, low - 0.022), (x, low - 0.03)]), 0.003, _thread(appearance), 0.011)


def _side_creases(wide: float, top: float, low: float) -> tuple[Crease, ...]:
    path = trace([(wide * 0.8, top + 0.03), (wide * 0.88, 0.15), (wide * 0.86, low - 0.03)])
    return Crease(path, 0.035, -0.45), Crease(flip(path), 0.035, -0.45)


def _flap(appearance: Appearance, wide: float, top: float) -> list[DrawnPart]:
    drop = appearance.vary(0.15, 0.21)
    flap = mirrored(
        [
            (0, top - 0.012),
            (wide * 0.93, top - 0.002),
            (wide * 0.99, top + 0.05),
            (wide * 0.9, top + drop * 0.85),
            (0.06, top + drop + 0.03),
            (0, top + drop + 0.035),
        ]
    )
    edge = Seam(
        trace(
            [
                (-wide * 0.87, top + drop * 0.8),
                (-0.06, top + drop + 0.014),
                (0.06, top + drop + 0.014),
                (wide * 0.87, top + drop * 0.8),
            ]
        ),
        0.003,
        _thread(appearance),
        0.011,
    )
    clasp = rounded(0, top + drop + 0.015, 0.05, 0.056, 0.014)
    return [
        DrawnPart("flap", (flap,), appearance.coat, seams=(edge,), bulge=0.045, lift=0.014, folds=0.5),
        DrawnPart("clasp", (clasp,), appearance.metal, bulge=0.012, lift=0.006),
    ]


def _tag(coat: Coat, wide: float, top: float) -> DrawnPart:
    x = wide * 0.5
    tag = smooth(
        [
            (x, top + 0.06, 1),
            (x + 0.035, top + 0.13),
            (x + 0.03, top + 0.2),
            (x - 0.03, top + 0.2),
            (x - 0.035, top + 0.13),
        ]
    )
    return DrawnPart("tag", (tag,), coat, bulge=0.012, lift=0.01)
