"""Outerwear: hoodie and jacket, as laid out on a table."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from recipes.boutique.articles import darker, luminance
from recipes.boutique.drawing import (
    BRASS,
    IVORY,
    Appearance,
    Coat,
    Drawing,
    DrawnPart,
    Form,
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
from recipes.boutique.shapes.tops import (
    LONG,
    Cut,
    back_neck,
    body,
    body_outline,
    buttons,
    cuffs,
    hem_band,
    neckband,
    sleeves,
    varied,
)


def hoodie(appearance: Appearance) -> Drawing:
    """A hooded sweatshirt with a front pocket and cords, pulled over or zipped."""
    cut = replace(varied(appearance, LONG), depth=0.075, neck=0.1)
    top, wide = cut.top, cut.neck * 1.35
    hood = mirrored(
        [
            (0, top - 0.075),
            (wide * 0.75, top - 0.062),
            (wide * 1.08, top + 0.0),
            (cut.neck * 1.05, top + 0.06),
            (0.0, top + 0.11),
        ]
    )
    inner = mirrored([(0, top - 0.04), (wide * 0.55, top - 0.03), (wide * 0.68, top + 0.02), (0.0, top + 0.098, 1)])
    parts = [*sleeves(appearance, cut, appearance.coat, stitched=False), body(appearance, cut, appearance.coat)]
    parts += [cuffs(cut, appearance.trim, 0.045), hem_band(cut, appearance.trim, 0.05)]
    pocket = mirrored([(0, 0.10), (0.085, 0.10, 1), (0.135, 0.20, 1), (0.135, 0.285, 1), (0, 0.29)])
    parts.append(DrawnPart("pocket", (pocket,), appearance.coat, Form.PUFF, bulge=0.015, lift=0.007, folds=0.4))
    parts += [
        DrawnPart("hood", (hood,), appearance.coat, bulge=0.04, folds=0.6),
        DrawnPart("hood", (inner,), appearance.inside, bulge=0.02),
    ]
    if appearance.style == "zip-up":
        parts.append(zipper(0.0, top + 0.1, cut.bottom + 0.03))
    cords = tuple(
        ribbon(
            trace([(s * 0.035, top + 0.075), (s * 0.042, top + 0.13), (s * 0.038, top + appearance.vary(0.19, 0.24))]),
            0.0085,
        )
        for s in (1, -1)
    )
    return Drawing([*parts, DrawnPart("cords", cords, Coat(IVORY, "cotton"), bulge=0.005, lift=0.006)])


def zipper(x: float, top: float, bottom: float) -> DrawnPart:
    """A closed zip with its teeth and its pull."""
    path = np.linspace((x, top), (x, bottom), 12)
    teeth = Seam(path, 0.007, -0.45, dash=0.006)
    pull = rounded(x, top + 0.025, 0.012, 0.034, 0.005)
    return DrawnPart(
        "zip", (ribbon(path, 0.014), pull), Coat((0.66, 0.67, 0.69), "steel"), seams=(teeth,), bulge=0.005, lift=0.005
    )


def jacket(appearance: Appearance) -> Drawing:
    """A bomber with ribbing and a zip, a trucker with pockets and studs, or a blazer with lapels."""
    cut = replace(varied(appearance, LONG), depth=0.06, cuff=0.085, shoulder=0.215, bottom=0.30)
    if appearance.style == "blazer":
        return _blazer(appearance, replace(cut, depth=0.30, v=True, bottom=0.36, hem=0.22))
    parts = [
        back_neck(appearance, cut),
        *sleeves(appearance, cut, appearance.coat),
        body(appearance, cut, appearance.coat, folds=0.9),
    ]
    if appearance.style == "bomber":
        ribbing = appearance.coat.dyed(darker(appearance.coat.colour, 0.3))
        ribbing = replace(ribbing, material="wool")
        parts += [cuffs(cut, ribbing, 0.045), hem_band(cut, ribbing, 0.055), neckband(cut, ribbing, 0.045)]
        slits = tuple(Seam(np.array([(s * 0.13, 0.10), (s * 0.085, 0.21)]), 0.008, -0.5) for s in (1, -1))
        parts[3] = replace(parts[3], seams=slits)
        return Drawing([*parts, zipper(0, cut.top + cut.depth - 0.02, cut.bottom + 0.03)])
    return Drawing([*parts, *_trucker(appearance, cut)])


def _trucker(appearance: Appearance, cut: Cut) -> list[DrawnPart]:
    stitch = 0.55 if luminance(appearance.coat.colour) < 0.5 else -0.4
    yoke = [
        Seam(trace([(s * 0.015, -0.20), (s * 0.1, -0.205), (s * cut.chest, -0.215)]), 0.003, stitch, 0.011)
        for s in (1, -1)
    ]
    darts = [Seam(np.array([(s * 0.055, -0.19), (s * 0.035, cut.bottom)]), 0.003, stitch, 0.011) for s in (1, -1)]
    front = Seam(np.array([(0.0, cut.top + cut.depth), (0.0, cut.bottom)]), 0.005, -0.5)
    lines = tuple(replace(part, tone=stitch) for part in (*yoke, *darts))
    panel = DrawnPart(
        "front",
        (rounded(0, (cut.top + cut.bottom) / 2 + 0.03, 0.05, cut.bottom - cut.top - 0.07, 0.004),),
        appearance.coat,
        Form.FLAT,
        seams=(front,),
        bulge=0.008,
        lift=0.004,
    )
    flap = smooth([(0.06, -0.20, 1), (0.155, -0.20, 1), (0.155, -0.165, 1), (0.107, -0.145, 1), (0.06, -0.165, 1)])
    dart = DrawnPart(
        "front",
        (body_outline(replace(cut, chest=cut.chest - 0.02, top=cut.top + 0.06)),),
        appearance.coat,
        Form.FLAT,
        seams=lines,
        bulge=0.01,
        folds=0.7,
        lift=0,
    )
    pockets = DrawnPart("pocket", (flap, flip(flap)), appearance.coat, bulge=0.01, lift=0.008)
    studs = [(0.0, y) for y in np.linspace(cut.top + 0.1, cut.bottom - 0.015, 6)] + [(0.107, -0.165), (-0.107, -0.165)]
    discs = tuple(ellipse(x, y, 0.0095, 0.0095)[:-1:3] for x, y in studs)
    band = hem_band(cut, appearance.coat, 0.045)
    collar = smooth(
        [
            (0.004, cut.top + 0.055, 1),
            (cut.neck, cut.top - 0.045, 1),
            (cut.neck + 0.045, cut.top + 0.02),
            (0.085, cut.top + 0.095, 1),
        ]
    )
    leaves = DrawnPart("collar", (collar, flip(collar)), appearance.trim, bulge=0.015, lift=0.01)
    return [
        dart,
        panel,
        pockets,
        band,
        cuffs(cut, appearance.coat, 0.04),
        leaves,
        DrawnPart("buttons", discs, BRASS, bulge=0.006),
    ]


def _blazer(appearance: Appearance, cut: Cut) -> Drawing:
    tip = cut.top + cut.depth
    edge = Seam(np.array([(0.0, tip), (0.012, cut.bottom)]), 0.006, -0.5)
    shirt_front = mirrored(
        [(0, cut.top - 0.01), (cut.neck, cut.top), (cut.neck * 0.8, cut.top + 0.15), (0, tip + 0.02)]
    )
    lining = DrawnPart(
        "lining",
        (shirt_front,),
        appearance.coat.dyed(darker(appearance.coat.colour, 0.6)),
        Form.FLAT,
        bulge=0.02,
        lift=0,
    )
    lapel = smooth(
        [
            (0.002, tip, 1),
            (cut.neck * 0.7, cut.top + 0.10),
            (cut.neck * 0.95, cut.top - 0.02, 1),
            (cut.neck + 0.03, cut.top + 0.03),
            (0.115, cut.top + 0.085, 1),
            (0.098, cut.top + 0.098, 1),
            (0.15, cut.top + 0.12, 1),
            (0.085, cut.top + 0.22),
        ]
    )
    lapels = DrawnPart("lapels", (lapel, flip(lapel)), appearance.coat, bulge=0.014, lift=0.012, grain=18)
    flaps = tuple(turned(rounded(s * 0.125, 0.15, 0.11, 0.035, 0.008), -s * 4) for s in (1, -1))
    pockets = DrawnPart(
        "pocket",
        (*flaps, turned(rounded(0.115, -0.085, 0.075, 0.016, 0.004), -8)),
        appearance.coat,
        bulge=0.008,
        lift=0.006,
    )
    places = [(0.008, tip + 0.04), (0.008, tip + 0.12)]
    front = body(appearance, cut, appearance.coat, seams=(edge,), folds=0.6)
    return Drawing(
        [
            lining,
            *sleeves(appearance, cut, appearance.coat, stitched=False),
            front,
            pockets,
            lapels,
            buttons(appearance, places, 0.012),
        ]
    )
