"""Shoes: sneakers, boots, heels, sandals, seen from the side."""

from __future__ import annotations

import numpy as np

from boutique.curve import Points, ribbon, rounded, smooth, trace
from boutique.drawing import Coat, Crease, Drawing, Form, Part, Seam, Stance
from boutique.palette import darker
from boutique.shapes.look import BLACK_RUBBER, DARK_WOOD, IVORY, PALE_WOOD, RUBBER, Look


def sneakers(look: Look) -> Drawing:
    """A sneaker with toe cap, laces, a stripe and a pale rubber sole."""
    high = look.style == "high-top"
    top = look.vary(-0.25, -0.2) if high else look.vary(-0.09, -0.06)
    upper = smooth(
        [
            (-0.36, top, 1),
            (-0.27, top + 0.035),
            (-0.15 if not high else -0.165, top - 0.005, 1),
            (-0.06, -0.045),
            (0.08, 0.03),
            (0.25, 0.065),
            (0.37, 0.115),
            (0.395, 0.2, 1),
            (-0.37, 0.2, 1),
            (-0.375, 0.1),
            (-0.35, 0.0),
        ]
    )
    sole = smooth(
        [
            (-0.385, 0.155, 1),
            (0.0, 0.168),
            (0.3, 0.163),
            (0.41, 0.135, 1),
            (0.415, 0.19),
            (0.37, 0.235),
            (0.1, 0.24),
            (-0.36, 0.24),
            (-0.395, 0.21),
        ]
    )
    toe = smooth([(0.255, 0.066, 1), (0.37, 0.11), (0.405, 0.18, 1), (0.26, 0.185, 1), (0.225, 0.12)])
    seams = (
        Seam(trace([(-0.05, -0.03), (-0.02, 0.06), (0.05, 0.17)]), 0.003, -0.3, 0.012),
        Seam(trace([(-0.365, 0.02), (-0.3, 0.06), (-0.27, 0.17)]), 0.003, -0.3, 0.012),
        Seam(trace([(-0.345, top + 0.025), (-0.27, top + 0.055), (-0.17, top + 0.02)]), 0.003, -0.25),
    )
    creases = (Crease(trace([(0.16, 0.05), (0.19, 0.09), (0.2, 0.13)]), 0.03, -0.3),)
    lining = smooth(
        [(-0.355, top - 0.012), (-0.26, top - 0.025), (-0.16, top - 0.02), (-0.2, top + 0.05), (-0.33, top + 0.05)]
    )
    parts = [
        Part("lining", (lining,), look.inside, bulge=0.02, lift=0),
        Part("upper", (upper,), look.coat, seams=seams, creases=creases, bulge=0.07, folds=0.35),
    ]
    parts += _laces(top if high else -0.06, high)
    if look.coin(0.6):
        band = trace([(-0.19, 0.17), (-0.13, 0.09), (-0.02, 0.06 + look.vary(-0.02, 0.02))])
        parts.append(
            Part(
                "stripe",
                (ribbon(band, 0.04, 0.014),),
                Coat(IVORY if look.coin(0.7) else darker(look.coat.colour, 0.5), "leather"),
                bulge=0.008,
                lift=0.003,
            )
        )
    rim = Seam(trace([(-0.385, 0.182), (0.0, 0.192), (0.3, 0.187), (0.408, 0.16)]), 0.005, -0.25)
    parts += [
        Part("toe cap", (toe,), RUBBER if look.coin() else look.trim, bulge=0.035, lift=0.004),
        Part("sole", (sole,), RUBBER, seams=(rim,), bulge=0.025, lift=0.006),
    ]
    return Drawing(parts, Stance.STANDING)


def _laces(top: float, high: bool) -> list[Part]:
    tongue = smooth(
        [(-0.155, top - 0.035), (-0.10, top - 0.03), (0.06, 0.005), (0.10, 0.045), (-0.04, 0.0), (-0.13, top + 0.05)]
    )
    start = np.array([-0.13, top + 0.03]) if high else np.array([-0.105, -0.045])
    places = np.linspace(start, np.array([0.10, 0.035]), 7 if high else 5)
    bars = tuple(
        ribbon(np.array([(x - 0.038, y + 0.042), (x, y + 0.004), (x + 0.013, y - 0.018)]), 0.017) for x, y in places
    )
    return [
        Part("laces", (tongue,), Coat((0.88, 0.87, 0.84), "canvas"), bulge=0.02, lift=0.003),
        Part("laces", bars, Coat(IVORY, "cotton"), bulge=0.008, lift=0.006),
    ]


def boots(look: Look) -> Drawing:
    """A leather boot, to the ankle or to the knee."""
    tall = look.style == "knee-high"
    top, heel = (look.vary(-0.42, -0.38) if tall else look.vary(-0.2, -0.14)), look.vary(0.035, 0.07)
    ground = 0.36 if tall else 0.27
    foot = ground - heel
    spread = 0.025 if tall else 0.0
    upper = smooth(
        [
            (-0.27 - spread, top, 1),
            (-0.15, top + 0.012),
            (-0.03 + spread, top, 1),
            (-0.045, (top + foot) / 2),
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
            (-0.258, (top + foot) / 2),
        ]
    )
    sole = smooth(
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
    parts = [Part("upper", (upper,), look.coat, seams=seams, creases=(*creases, *shaft), bulge=0.075, folds=0.4)]
    if not tall and look.coin(0.55):
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
        parts.append(
            Part("gore", (gore,), Coat(darker(look.coat.colour, 0.55), "canvas"), seams=ribs, bulge=0.015, lift=0.002)
        )
    elif look.coin(0.6):
        parts += _buckle(look, foot)
    parts.append(Part("sole", (sole,), BLACK_RUBBER if look.coin(0.6) else DARK_WOOD, bulge=0.02, lift=0.004))
    return Drawing(parts, Stance.STANDING)


def _buckle(look: Look, foot: float) -> list[Part]:
    strap = ribbon(trace([(-0.262, foot - 0.15), (-0.15, foot - 0.125), (-0.015, foot - 0.155)]), 0.028)
    frame, gap = rounded(-0.13, foot - 0.128, 0.042, 0.046, 0.008), rounded(-0.13, foot - 0.128, 0.024, 0.028, 0.004)
    return [
        Part("strap", (strap,), look.trim, bulge=0.012, lift=0.006),
        Part("buckle", (frame,), look.metal, holes=(gap,), bulge=0.007, lift=0.004),
    ]


def heels(look: Look) -> Drawing:
    """A pump or a slingback on a high heel."""
    rise, back = look.vary(0.20, 0.27), -0.30
    ground = 0.24
    seat = ground - rise
    sling = look.style == "slingback"
    start: list[tuple[float, ...]] = (
        [(-0.13, seat + 0.03, 1), (-0.1, seat - 0.005)]
        if sling
        else [(back - 0.015, seat - 0.085, 1), (-0.2, seat - 0.035)]
    )
    upper = smooth(
        [
            *start,
            (-0.02, seat + 0.075),
            (0.13, ground - 0.085),
            (0.20, ground - 0.105, 1),
            (0.28, ground - 0.075),
            (0.37, ground - 0.018, 1),
            (0.2, ground - 0.01),
            (0.10, ground - 0.035),
            (-0.06, seat + 0.13),
            (-0.16, seat + 0.055, 1),
            *([] if sling else [(back - 0.01, seat + 0.035, 1), (back - 0.028, seat - 0.02)]),
        ]
    )
    far = smooth(
        [
            (back if not sling else -0.16, seat - 0.05 if not sling else seat + 0.02),
            (-0.1, seat - 0.01),
            (0.1, ground - 0.12),
            (0.21, ground - 0.112),
            (0.1, ground - 0.05),
            (-0.1, seat + 0.09),
        ]
    )
    slim = look.coin(0.6)
    heel = smooth(
        [
            (back - 0.016, seat + 0.015, 1),
            (-0.14, seat + 0.055, 1),
            (-0.235, seat + 0.10),
            (back + (0.035 if slim else 0.085), ground, 1),
            (back + 0.012, ground, 1),
            (back - 0.005, seat + 0.12),
        ]
    )
    sole = ribbon(
        trace(
            [
                (back - 0.01, seat + 0.035),
                (-0.16, seat + 0.058),
                (-0.05, seat + 0.14),
                (0.1, ground - 0.03),
                (0.2, ground - 0.006),
                (0.36, ground - 0.008),
            ]
        ),
        0.016,
        0.01,
    )
    parts = [
        Part("lining", (far,), Coat((0.80, 0.68, 0.56), "leather"), bulge=0.02, lift=0),
        Part("heel", (heel,), look.trim, bulge=0.03),
        Part("upper", (upper,), look.coat, bulge=0.06, folds=0.2),
        Part("sole", (sole,), BLACK_RUBBER, bulge=0.006, lift=0),
    ]
    if sling:
        strap = ribbon(
            trace(
                [(-0.14, seat + 0.02), (-0.24, seat - 0.03), (back - 0.02, seat - 0.02), (back - 0.012, seat + 0.03)]
            ),
            0.019,
        )
        parts.append(Part("strap", (strap,), look.coat.plain(), bulge=0.01))
    if look.coin(0.35):
        bow = smooth([(0.205, ground - 0.1), (0.16, ground - 0.145), (0.15, ground - 0.095)])
        other = smooth([(0.205, ground - 0.1), (0.25, ground - 0.13), (0.255, ground - 0.08)])
        parts.append(Part("bow", (bow, other), look.trim, bulge=0.015, lift=0.006))
    return Drawing(parts, Stance.STANDING)


def sandals(look: Look) -> Drawing:
    """An open sandal: straps over a footbed."""
    thick = look.vary(0.10, 0.14) if look.style == "platform" else look.vary(0.04, 0.055)
    ground = 0.2
    bed = ground - thick
    sole = smooth(
        [
            (-0.36, bed + 0.005, 1),
            (-0.2, bed - 0.005),
            (0.05, bed + 0.008),
            (0.36, bed - 0.008, 1),
            (0.385, bed + thick * 0.4),
            (0.35, ground, 1),
            (-0.35, ground, 1),
            (-0.37, bed + thick * 0.5),
        ]
    )
    rim = Seam(np.array([(-0.38, bed + thick * 0.45), (0.39, bed + thick * 0.4)]), 0.005, -0.3)
    front = _strap((0.10, bed + 0.014), (0.25, bed - 0.115), (0.33, bed + 0.012), look.vary(0.06, 0.09))
    ankle = trace(
        [
            (-0.31, bed),
            (-0.315, bed - 0.12),
            (-0.27, bed - 0.175),
            (-0.14, bed - 0.19),
            (-0.06, bed - 0.15),
            (0.01, bed + 0.005),
        ]
    )
    behind = trace([(-0.29, bed - 0.165), (-0.18, bed - 0.225), (-0.08, bed - 0.165)])
    frame, gap = rounded(-0.17, bed - 0.19, 0.042, 0.05, 0.008), rounded(-0.17, bed - 0.19, 0.024, 0.03, 0.004)
    second = _strap((0.0, bed + 0.012), (0.10, bed - 0.135), (0.2, bed + 0.01), 0.045)
    parts = [
        Part("strap", (ribbon(behind, 0.03),), look.inside, bulge=0.012, lift=0),
        Part(
            "sole",
            (sole,),
            (PALE_WOOD if look.coin() else Coat((0.72, 0.58, 0.42), "canvas")),
            seams=(rim,),
            bulge=0.025,
        ),
        Part("strap", (front, *([second] if look.coin() else [])), look.coat, Form.PUFF, bulge=0.025),
        Part("strap", (ribbon(ankle, 0.036),), look.coat, bulge=0.014),
        Part("buckle", (frame,), look.metal, holes=(gap,), bulge=0.007),
    ]
    return Drawing(parts, Stance.STANDING)


def _strap(one: tuple[float, float], top: tuple[float, float], other: tuple[float, float], width: float) -> Points:
    middle = [
        (one[0] * 0.55 + top[0] * 0.45 - 0.02, (one[1] + top[1]) / 2 - 0.02),
        top,
        (other[0] * 0.6 + top[0] * 0.4 + 0.02, (other[1] + top[1]) / 2 - 0.015),
    ]
    return ribbon(trace([one, *middle, other]), width)
