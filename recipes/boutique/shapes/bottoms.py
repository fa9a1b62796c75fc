"""Trousers, jeans, shorts, skirts and dresses, as laid out on a table."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from recipes.boutique.articles import lighter, luminance
from recipes.boutique.drawing import (
    BRASS,
    IVORY,
    Appearance,
    Coat,
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
)
from recipes.boutique.shapes.tops import Cut, back_neck, buttons, neckband, sleeves


def _legs(waist: float, hip: float, knee: float, ankle: float, top: float, low: float, gap: float) -> Points:
    crotch = top + 0.235
    return mirrored(
        [
            (0, top + 0.012),
            (waist, top, 1),
            (hip, top + 0.16),
            (hip * 0.45 + (knee + gap) * 0.55, crotch + 0.06),
            (knee + gap, (crotch + low) / 2 + 0.02),
            (ankle + gap, low, 1),
            (gap * 0.95 + 0.004, low + 0.008, 1),
            (gap * 0.5, (crotch + low) / 2),
            (0.006, crotch + 0.012),
            (0, crotch, 1),
        ]
    )


def _leg_creases(appearance: Appearance, hip: float, top: float, low: float, gap: float) -> tuple[Crease, ...]:
    crotch, creases = top + 0.235, []
    for side in (1, -1):
        for drop, reach in ((0.0, 0.75), (0.035, 0.6), (-0.03, 0.55)):
            creases.append(
                Crease(
                    trace(
                        [
                            (side * 0.01, crotch - 0.005 + drop * 0.3),
                            (side * hip * 0.45, crotch - 0.012 + drop),
                            (side * hip * reach, crotch - 0.045 + drop),
                        ]
                    ),
                    0.024,
                    appearance.vary(-0.5, -0.3),
                )
            )
        knee = (crotch + low) / 2
        for _ in range(3 if low > 0.2 else 0):
            y, x = knee + appearance.vary(-0.07, 0.1), side * (gap + 0.07)
            creases.append(
                Crease(
                    trace([(x - 0.045, y), (x, y + appearance.vary(-0.015, 0.02)), (x + 0.04, y - 0.01)]), 0.022, -0.3
                )
            )
    return tuple(creases)


def _trouser_parts(
    appearance: Appearance, *, knee: float, ankle: float, low: float, gap: float, stitch: float, press: bool
) -> list[DrawnPart]:
    waist, hip, top = appearance.vary(0.13, 0.142), appearance.vary(0.152, 0.165), -0.43
    if low < 0.2:
        top = -0.28
    creases = _leg_creases(appearance, hip, top, low, gap)
    fly = Seam(trace([(0.0, top + 0.02), (0.0, top + 0.235)]), 0.004, -0.35)
    curve = Seam(
        trace([(0.034, top + 0.03), (0.034, top + 0.13), (0.004, top + 0.175)]),
        0.003,
        stitch,
        0.01 if stitch > 0 else 0,
    )
    pockets = [
        Seam(
            trace(
                [(s * (waist - 0.045), top + 0.02), (s * (waist - 0.03), top + 0.07), (s * (hip - 0.006), top + 0.10)]
            ),
            0.0045,
            -0.42,
        )
        for s in (1, -1)
    ]
    hems = [
        Seam(np.array([(s * (gap + 0.004), low - 0.018), (s * (ankle + gap), low - 0.024)]), 0.003, -0.25)
        for s in (1, -1)
    ]
    if press:
        pockets += [
            Seam(trace([(s * 0.085, top + 0.16), (s * (gap + ankle * 0.5), low)]), 0.003, 0.16) for s in (1, -1)
        ]
    outline = _legs(waist, hip, knee, ankle, top, low, gap)
    legs = DrawnPart(
        "legs",
        (outline,),
        appearance.coat,
        seams=(fly, curve, *pockets, *hems),
        creases=creases,
        bulge=0.045,
        folds=0.6,
        drape=(0.07, 0.22),
    )
    band = sash(waist + 0.001, top, 0.04)
    seams = (Seam(trace([(-waist, top + 0.012), (0, top + 0.024), (waist, top + 0.012)]), 0.0025, -0.25),)
    loops = tuple(rounded(x, top + 0.008 - abs(x) * 0.08, 0.012, 0.046, 0.003) for x in (-0.095, -0.05, 0.05, 0.095))
    return [
        _back_waist(appearance, waist, top),
        legs,
        DrawnPart("waistband", (band,), appearance.coat.plain(), seams=seams, bulge=0.012, lift=0.004),
        DrawnPart("loops", loops, appearance.trim, bulge=0.006, lift=0.004),
    ]


def _back_waist(appearance: Appearance, waist: float, top: float) -> DrawnPart:
    outline = smooth(
        [
            (-waist, top - 0.018, 1),
            (0, top - 0.03),
            (waist, top - 0.018, 1),
            (waist * 0.9, top + 0.02),
            (-waist * 0.9, top + 0.02),
        ]
    )
    return DrawnPart("inside", (outline,), appearance.inside, Form.FLAT, bulge=0.01, lift=0)


def trousers(appearance: Appearance) -> Drawing:
    """Trousers with a pressed line, narrow or wide."""
    wide = appearance.style == "wide-leg"
    parts = _trouser_parts(
        appearance,
        knee=0.135 if wide else 0.105,
        ankle=appearance.vary(0.155, 0.18) if wide else appearance.vary(0.075, 0.09),
        low=appearance.vary(0.40, 0.44),
        gap=0.03 if wide else 0.038,
        stitch=-0.25,
        press=True,
    )
    return Drawing([*parts, buttons(appearance, [(0.0, -0.42)], 0.008)])


def jeans(appearance: Appearance) -> Drawing:
    """Jeans: contrast stitching, rivets, a paler thigh."""
    slim = appearance.style == "slim"
    parts = _trouser_parts(
        appearance,
        knee=0.1 if slim else 0.118,
        ankle=appearance.vary(0.07, 0.085) if slim else appearance.vary(0.1, 0.115),
        low=appearance.vary(0.40, 0.44),
        gap=0.038,
        stitch=0.5,
        press=False,
    )
    thread = 0.7 if luminance(appearance.coat.colour) < 0.5 else -0.35
    faded = tuple(
        Seam(trace([(s * 0.095, -0.2), (s * 0.1, -0.02), (s * 0.095, 0.14)]), w, 0.05)
        for s in (1, -1)
        for w in (0.03, 0.06, 0.085)
    )
    stitches = tuple(
        Seam(seam.path + np.array([0.0, 0.007]), 0.003, thread, 0.011) for seam in parts[1].seams if seam.width > 0.004
    )
    side = tuple(
        Seam(trace([(s * 0.125, -0.42), (s * 0.137, -0.365), (s * 0.152, -0.335)]), 0.003, thread, 0.011)
        for s in (1, -1)
    )
    parts[1] = replace(parts[1], seams=(*faded, *parts[1].seams, *stitches, *side))
    rivets = tuple(
        ellipse(x, y, 0.0055, 0.0055)[:-1:4]
        for x, y in [(0.12, -0.40), (-0.12, -0.40), (0.137, -0.352), (-0.137, -0.352)]
    )
    button = ellipse(0, -0.419, 0.011, 0.011)[:-1:3]
    return Drawing([*parts, DrawnPart("buttons", (*rivets, button), BRASS, bulge=0.006, lift=0.003)])


def shorts(appearance: Appearance) -> Drawing:
    """Shorts, tailored or with a drawstring."""
    parts = _trouser_parts(
        appearance,
        knee=0.15,
        ankle=appearance.vary(0.165, 0.185),
        low=appearance.vary(0.11, 0.19),
        gap=0.028,
        stitch=-0.25,
        press=False,
    )
    if appearance.style == "tailored":
        return _enlarged([*parts, buttons(appearance, [(0.0, -0.27)], 0.008)])
    gathers = tuple(
        Seam(np.array([(x, -0.295 - abs(x) * 0.05), (x, -0.25)]), 0.003, -0.3) for x in np.linspace(-0.125, 0.125, 19)
    )
    parts[2] = replace(parts[2], seams=gathers)
    cords = tuple(
        ribbon(trace([(s * 0.012, -0.27), (s * 0.028, -0.21), (s * appearance.vary(0.01, 0.035), -0.13)]), 0.009)
        for s in (1, -1)
    )
    colour = IVORY if luminance(appearance.coat.colour) < 0.7 else lighter((0.2, 0.2, 0.25), 0.2)
    knot = ellipse(0, -0.268, 0.014, 0.009)[:-1:3]
    return _enlarged(
        [*parts[:3], DrawnPart("cords", (*cords, knot, flip(knot)), Coat(colour, "cotton"), bulge=0.006, lift=0.006)]
    )


def _enlarged(parts: list[DrawnPart]) -> Drawing:
    """Shorts fill the image as a longer garment does."""
    return Drawing(parts).placed(degrees=0, scale=1.4, shift=(0, 0.06))


def dress(appearance: Appearance) -> Drawing:
    """A waisted dress with a flared skirt and sleeves as its style says."""
    style, low = appearance.style, appearance.vary(0.38, 0.43)
    cut = Cut(
        neck=appearance.vary(0.07, 0.1),
        depth=appearance.vary(0.07, 0.12),
        shoulder=0.155,
        chest=0.15,
        top=-0.43,
        v=appearance.coin(0.4),
        sleeve=0.5 if style == "long-sleeved" else 0.15,
        angle=15 if style == "long-sleeved" else 40,
        cuff=0.06 if style == "long-sleeved" else 0.105,
    )
    waist, flare, y = appearance.vary(0.105, 0.118), appearance.vary(0.2, 0.29), -0.08
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
    parts = [back_neck(appearance, cut)]
    if style != "sleeveless":
        parts += sleeves(appearance, cut, appearance.coat)
    parts.append(flared(appearance, waist, flare, y - 0.012, low, "skirt"))
    parts.append(DrawnPart("bodice", (bodice,), appearance.coat, bulge=0.055, folds=0.5, drape=(0.08, 0.15)))
    belt = ribbon(trace([(-waist - 0.004, y), (0, y + 0.012), (waist + 0.004, y)]), appearance.vary(0.016, 0.034))
    parts.append(DrawnPart("waistband", (belt,), appearance.trim, bulge=0.012, lift=0.006))
    return Drawing([*parts, neckband(cut, appearance.trim, 0.012)])


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


def flared(
    appearance: Appearance, waist: float, flare: float, top: float, low: float, name: str, *, pleats: int = 0
) -> DrawnPart:
    """A skirt that falls in cones of cloth from the waist, or in knife pleats."""
    n_folds = pleats or int(appearance.generator.integers(5, 9))
    places = np.linspace(-0.9, 0.9, n_folds) + (0 if pleats else appearance.generator.uniform(-0.06, 0.06, n_folds))
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
            0.03 if pleats else appearance.vary(0.035, 0.06),
            -0.55 if pleats else appearance.vary(-0.65, -0.35),
        )
        for x in places
    )
    seams = tuple(Seam(crease.path + np.array([0.004, 0]), 0.0035, -0.3) for crease in creases) if pleats else ()
    return DrawnPart(
        name, (outline,), appearance.coat, creases=creases, seams=seams, bulge=0.04, folds=0.35, drape=(0.09, 0.4)
    )


def skirt(appearance: Appearance) -> Drawing:
    """A skirt on a waistband: flared, pleated or narrow."""
    low, top, waist = appearance.vary(0.25, 0.38), -0.32, appearance.vary(0.135, 0.15)
    if appearance.style == "pencil":
        outline = mirrored([(0, top + 0.008), (waist, top, 1), (0.185, top + 0.2), (0.165, low, 1), (0, low + 0.012)])
        vent = Seam(np.array([(0.0, low - 0.13), (0.0, low + 0.02)]), 0.004, -0.4)
        main = DrawnPart("skirt", (outline,), appearance.coat, seams=(vent,), bulge=0.07, folds=0.6, drape=(0.12, 0.2))
    else:
        pleats = 11 if appearance.style == "pleated" else 0
        main = flared(appearance, waist, appearance.vary(0.25, 0.33), top, low, "skirt", pleats=pleats)
    band = sash(waist + 0.002, top, 0.042)
    parts = [main, DrawnPart("waistband", (band,), appearance.trim, bulge=0.014, lift=0.006)]
    if appearance.coin(0.4) and appearance.style != "pleated":
        parts.append(buttons(appearance, [(0.0, top + 0.008)], 0.009))
    return Drawing(parts)
