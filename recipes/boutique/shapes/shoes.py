"""Sneakers, heels, sandals and boots, seen from the side."""

from __future__ import annotations

import numpy as np

from recipes.boutique.articles import darker
from recipes.boutique.drawing import (
    BLACK_RUBBER,
    DARK_WOOD,
    IVORY,
    PALE_WOOD,
    RUBBER,
    Appearance,
    Coat,
    Crease,
    Drawing,
    DrawnPart,
    Form,
    Points,
    Pose,
    Seam,
    ellipse,
    ribbon,
    rounded,
    smooth,
    trace,
)


def boots(appearance: Appearance) -> Drawing:
    """A leather boot, to the ankle or to the knee."""
    tall = appearance.style == "knee-high"
    top, heel = (appearance.vary(-0.42, -0.38) if tall else appearance.vary(-0.2, -0.14)), appearance.vary(0.035, 0.07)
    ground = 0.36 if tall else 0.27
    foot = ground - heel
    spread = 0.025 if tall else 0.0
    creases = tuple(
        Crease(trace([(-0.03, y), (-0.09, y + 0.012), (-0.17, y - 0.01)]), 0.03, appearance.vary(-0.5, -0.3))
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
        DrawnPart("lining", (opening,), appearance.inside, Form.FLAT, bulge=0.01, lift=0),
        DrawnPart(
            "upper",
            (_boot_upper(top, foot, heel, spread),),
            appearance.coat,
            seams=seams,
            creases=(*creases, *shaft),
            bulge=0.075,
            folds=0.4,
        ),
    ]
    if not tall and appearance.coin(0.55):
        parts.append(_gore(appearance, top, foot))
    elif appearance.coin(0.6):
        parts += _buckle(appearance, foot)
    parts.append(
        DrawnPart(
            "sole",
            (_boot_sole(foot, heel, ground),),
            BLACK_RUBBER if appearance.coin(0.6) else DARK_WOOD,
            bulge=0.02,
            lift=0.004,
        )
    )
    return Drawing(parts, Pose.UPRIGHT)


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


def _gore(appearance: Appearance, top: float, foot: float) -> DrawnPart:
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
    coat = Coat(darker(appearance.coat.colour, 0.55), "canvas")
    return DrawnPart("gore", (gore,), coat, seams=ribs, bulge=0.015, lift=0.002)


def _buckle(appearance: Appearance, foot: float) -> list[DrawnPart]:
    strap = ribbon(trace([(-0.262, foot - 0.15), (-0.15, foot - 0.125), (-0.015, foot - 0.155)]), 0.028)
    frame, gap = rounded(-0.13, foot - 0.128, 0.042, 0.046, 0.008), rounded(-0.13, foot - 0.128, 0.024, 0.028, 0.004)
    return [
        DrawnPart("strap", (strap,), appearance.trim, bulge=0.012, lift=0.006),
        DrawnPart("buckle", (frame,), appearance.metal, holes=(gap,), bulge=0.007, lift=0.004),
    ]


_SNEAKER_SOLE = smooth(
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
"""Rubber with a raised toe."""


def sneakers(appearance: Appearance) -> Drawing:
    """A sneaker with toe cap, laces, a stripe and a pale rubber sole."""
    high = appearance.style == "high-top"
    top = appearance.vary(-0.25, -0.2) if high else appearance.vary(-0.09, -0.06)
    upper = _sneaker_upper(top, high)
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
        DrawnPart("lining", (lining,), appearance.inside, bulge=0.02, lift=0),
        DrawnPart("upper", (upper,), appearance.coat, seams=seams, creases=creases, bulge=0.07, folds=0.35),
    ]
    parts += _laces(top if high else -0.06, high)
    if appearance.coin(0.6):
        band = trace([(-0.19, 0.17), (-0.13, 0.09), (-0.02, 0.06 + appearance.vary(-0.02, 0.02))])
        parts.append(
            DrawnPart(
                "stripe",
                (ribbon(band, 0.04, 0.014),),
                Coat(IVORY if appearance.coin(0.7) else darker(appearance.coat.colour, 0.5), "leather"),
                bulge=0.008,
                lift=0.003,
            )
        )
    rim = Seam(trace([(-0.385, 0.182), (0.0, 0.192), (0.3, 0.187), (0.408, 0.16)]), 0.005, -0.25)
    parts += [
        DrawnPart("toe cap", (toe,), RUBBER if appearance.coin() else appearance.trim, bulge=0.035, lift=0.004),
        DrawnPart("sole", (_SNEAKER_SOLE,), RUBBER, seams=(rim,), bulge=0.025, lift=0.006),
    ]
    return Drawing(parts, Pose.UPRIGHT)


def _sneaker_upper(top: float, high: bool) -> Points:
    return smooth(
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


def _laces(top: float, high: bool) -> list[DrawnPart]:
    tongue = smooth(
        [(-0.155, top - 0.035), (-0.10, top - 0.03), (0.06, 0.005), (0.10, 0.045), (-0.04, 0.0), (-0.13, top + 0.05)]
    )
    start = np.array([-0.13, top + 0.03]) if high else np.array([-0.105, -0.045])
    places = np.linspace(start, np.array([0.10, 0.035]), 7 if high else 5)
    bars = tuple(
        ribbon(np.array([(x - 0.038, y + 0.042), (x, y + 0.004), (x + 0.013, y - 0.018)]), 0.017) for x, y in places
    )
    return [
        DrawnPart("laces", (tongue,), Coat((0.88, 0.87, 0.84), "canvas"), bulge=0.02, lift=0.003),
        DrawnPart("laces", bars, Coat(IVORY, "cotton"), bulge=0.008, lift=0.006),
    ]


def heels(appearance: Appearance) -> Drawing:
    """A pump or a slingback on a high heel."""
    rise, back = appearance.vary(0.20, 0.27), -0.30
    ground = 0.24
    seat = ground - rise
    sling = appearance.style == "slingback"
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
    slim = appearance.coin(0.6)
    heel = _shoe_heel(back, seat, ground, 0.035 if slim else 0.085)
    parts = [
        DrawnPart("lining", (far,), Coat((0.80, 0.68, 0.56), "leather"), bulge=0.02, lift=0),
        DrawnPart("heel", (heel,), appearance.trim, bulge=0.03),
        DrawnPart("upper", (upper,), appearance.coat, bulge=0.06, folds=0.2),
        DrawnPart("sole", (_arched_sole(back, seat, ground),), BLACK_RUBBER, bulge=0.006, lift=0),
    ]
    if sling:
        strap = ribbon(
            trace(
                [(-0.14, seat + 0.02), (-0.24, seat - 0.03), (back - 0.02, seat - 0.02), (back - 0.012, seat + 0.03)]
            ),
            0.019,
        )
        parts.append(DrawnPart("strap", (strap,), appearance.coat.plain(), bulge=0.01))
    if appearance.coin(0.3):
        bow = smooth([(0.205, ground - 0.1), (0.16, ground - 0.145), (0.15, ground - 0.095)])
        other = smooth([(0.205, ground - 0.1), (0.25, ground - 0.13), (0.255, ground - 0.08)])
        parts.append(DrawnPart("bow", (bow, other), appearance.trim, bulge=0.015, lift=0.006))
    return Drawing(parts, Pose.UPRIGHT).placed(degrees=0, scale=1.22, shift=(-0.03, 0.0))


def _shoe_heel(back: float, seat: float, ground: float, wide: float) -> Points:
    return smooth(
        [
            (back - 0.016, seat + 0.015, 1),
            (-0.14, seat + 0.055, 1),
            (-0.235, seat + 0.10),
            (back + wide, ground, 1),
            (back + 0.012, ground, 1),
            (back - 0.005, seat + 0.12),
        ]
    )


def _arched_sole(back: float, seat: float, ground: float) -> Points:
    return ribbon(
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


def _footbed(bed: float, thick: float, ground: float) -> Points:
    """The outline of a flat sole, ``thick``, from ``bed`` to the ground."""
    return smooth(
        [
            (-0.36, bed + 0.005, 1),
            (-0.2, bed - 0.005),
            (0.05, bed + 0.008),
            (0.37, bed - 0.012, 1),
            (0.395, bed + thick * 0.35),
            (0.36, ground, 1),
            (-0.35, ground, 1),
            (-0.37, bed + thick * 0.5),
        ]
    )


def sandals(appearance: Appearance) -> Drawing:
    """An open sandal: a band over the toes, a heel piece and an ankle strap on a footbed."""
    thick = appearance.vary(0.10, 0.14) if appearance.style == "platform" else appearance.vary(0.045, 0.06)
    ground, tall = 0.2, appearance.vary(0.9, 1.15)
    bed = ground - thick
    sole = _footbed(bed, thick, ground)
    rim = Seam(np.array([(-0.38, bed + thick * 0.45), (0.39, bed + thick * 0.4)]), 0.005, -0.3)
    vamp = smooth(
        [
            (0.03, bed + 0.02, 1),
            (0.075, bed - 0.085 * tall),
            (0.15, bed - 0.135 * tall, 1),
            (0.24, bed - 0.105 * tall),
            (0.305, bed - 0.06 * tall, 1),
            (0.30, bed - 0.02),
            (0.315, bed + 0.015, 1),
        ]
    )
    opening = smooth(
        [(0.13, bed - 0.015), (0.155, bed - 0.07 * tall), (0.215, bed - 0.06 * tall), (0.215, bed - 0.012)]
    )
    counter = smooth(
        [
            (-0.345, bed + 0.01, 1),
            (-0.35, bed - 0.09),
            (-0.325, bed - 0.17 * tall, 1),
            (-0.27, bed - 0.165 * tall, 1),
            (-0.22, bed - 0.07),
            (-0.15, bed + 0.012, 1),
        ]
    )
    y = bed - 0.165 * tall
    loop = (-0.2, y, 0.135, 0.04)
    edge = Seam(
        trace([(0.15, bed - 0.122 * tall), (0.24, bed - 0.094 * tall), (0.3, bed - 0.05 * tall)]), 0.0025, -0.3, 0.01
    )
    frame, gap = rounded(-0.14, y + 0.038, 0.04, 0.05, 0.008), rounded(-0.14, y + 0.038, 0.022, 0.03, 0.004)
    footbed = PALE_WOOD if appearance.coin() else Coat((0.70, 0.56, 0.40), "canvas")
    parts = [
        DrawnPart(
            "strap", (ribbon(ellipse(*loop, start=180, sweep=180), 0.03),), appearance.inside, bulge=0.012, lift=0
        ),
        DrawnPart("heel", (counter,), appearance.coat, bulge=0.035, lift=0),
        DrawnPart("sole", (sole,), footbed, seams=(rim,), bulge=0.025),
        DrawnPart(
            "band", (vamp,), appearance.coat, holes=(opening,) if appearance.coin() else (), seams=(edge,), bulge=0.045
        ),
        DrawnPart("strap", (ribbon(ellipse(*loop, start=-4, sweep=188), 0.034),), appearance.coat, bulge=0.014),
        DrawnPart("buckle", (frame,), appearance.metal, holes=(gap,), bulge=0.007),
    ]
    return Drawing(parts, Pose.UPRIGHT).placed(degrees=0, scale=1.12, shift=(0.0, 0.02))
