"""Dresses and skirts, as laid out on a table."""

from __future__ import annotations

import numpy as np

from boutique.curve import Points, mirrored, ribbon, smooth, trace
from boutique.drawing import Crease, Drawing, Part, Seam
from boutique.shapes.look import Look
from boutique.shapes.tops import Cut, back_neck, buttons, neckband, sleeves


def dress(look: Look) -> Drawing:
    """A waisted dress with a flared skirt and sleeves as its style says."""
    style, low = look.style, look.vary(0.38, 0.43)
    cut = Cut(
        neck=look.vary(0.07, 0.1),
        depth=look.vary(0.07, 0.12),
        shoulder=0.155,
        chest=0.15,
        top=-0.43,
        v=look.coin(0.4),
        sleeve=0.5 if style == "long-sleeved" else 0.15,
        angle=15 if style == "long-sleeved" else 40,
        cuff=0.06 if style == "long-sleeved" else 0.105,
    )
    waist, flare, y = look.vary(0.105, 0.118), look.vary(0.2, 0.29), -0.08
    tip = cut.top + cut.depth
    throat = [(0.0, tip, 1)] if cut.v else [(0.0, tip), (cut.neck * 0.62, tip - cut.depth * 0.28)]
    shoulder = 0.125 if style == "sleeveless" else cut.shoulder
    bodice = mirrored(
        [
            *throat,
            (cut.neck, cut.top, 1),
            (shoulder, cut.top + 0.03, 1),
            (shoulder - 0.012, cut.top + 0.12),
            (cut.chest, cut.top + 0.2, 1),
            (waist, y, 1),
            (0, y + 0.012),
        ]
    )
    parts = [back_neck(look, cut)]
    if style != "sleeveless":
        parts += sleeves(look, cut, look.coat)
    parts.append(flared(look, waist, flare, y - 0.012, low, "skirt"))
    parts.append(Part("bodice", (bodice,), look.coat, bulge=0.055, folds=0.5, drape=(0.08, 0.15)))
    belt = ribbon(trace([(-waist - 0.004, y), (0, y + 0.012), (waist + 0.004, y)]), look.vary(0.016, 0.034))
    parts.append(Part("waistband", (belt,), look.trim, bulge=0.012, lift=0.006))
    return Drawing([*parts, neckband(cut, look.trim, 0.012)])


def sash(waist: float, y: float, width: float) -> Points:
    """A band around the waist, seen from the front."""
    half, dip = width / 2, 0.011
    return smooth(
        [
            (-waist, y - half, 1),
            (0, y - half + dip),
            (waist, y - half, 1),
            (waist + 0.002, y + half, 1),
            (0, y + half + dip),
            (-waist - 0.002, y + half, 1),
        ]
    )


def flared(look: Look, waist: float, flare: float, top: float, low: float, name: str, *, pleats: int = 0) -> Part:
    """A skirt that falls in cones of cloth from the waist, or in knife pleats."""
    n_folds = pleats or int(look.generator.integers(5, 9))
    places = np.linspace(-0.9, 0.9, n_folds) + (0 if pleats else look.generator.uniform(-0.06, 0.06, n_folds))
    scallops = [
        (x * flare, low + 0.012 * np.cos(6.3 * i / 2) * (1 - abs(x)) - 0.02 * x * x) for i, x in enumerate(places)
    ]
    outline = smooth(
        [
            (-waist, top, 1),
            (0, top + 0.008),
            (waist, top, 1),
            (waist + (flare - waist) * 0.36, top + (low - top) * 0.3),
            (flare, low - 0.03, 1),
            *reversed(scallops),
            (-flare, low - 0.03, 1),
            (-waist - (flare - waist) * 0.36, top + (low - top) * 0.3),
        ]
    )
    start = 0.02 if pleats else 0.1
    creases = tuple(
        Crease(
            trace([(x * waist * 0.95, top + start), (x * (waist + flare) * 0.48, (top + low) / 2), (x * flare, low)]),
            0.03 if pleats else look.vary(0.035, 0.06),
            -0.55 if pleats else look.vary(-0.65, -0.35),
        )
        for x in places
    )
    seams = tuple(Seam(crease.path + np.array([0.004, 0]), 0.0035, -0.3) for crease in creases) if pleats else ()
    return Part(name, (outline,), look.coat, creases=creases, seams=seams, bulge=0.04, folds=0.35, drape=(0.09, 0.4))


def skirt(look: Look) -> Drawing:
    """A skirt on a waistband: flared, pleated or narrow."""
    low, top, waist = look.vary(0.25, 0.38), -0.32, look.vary(0.135, 0.15)
    if look.style == "pencil":
        outline = mirrored([(0, top + 0.008), (waist, top, 1), (0.185, top + 0.2), (0.165, low, 1), (0, low + 0.012)])
        vent = Seam(np.array([(0.0, low - 0.13), (0.0, low + 0.02)]), 0.004, -0.4)
        main = Part("skirt", (outline,), look.coat, seams=(vent,), bulge=0.07, folds=0.6, drape=(0.12, 0.2))
    else:
        pleats = 11 if look.style == "pleated" else 0
        main = flared(look, waist, look.vary(0.25, 0.33), top, low, "skirt", pleats=pleats)
    band = sash(waist + 0.002, top, 0.042)
    parts = [main, Part("waistband", (band,), look.trim, bulge=0.014, lift=0.006)]
    if look.coin(0.4) and look.style != "pleated":
        parts.append(buttons(look, [(0.0, top + 0.008)], 0.009))
    return Drawing(parts)
