"""Tops: T-shirt, shirt, jumper, hoodie, jacket, as laid out on a table."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from recipes.boutique.articles import darker, lighter, luminance
from recipes.boutique.drawing import (
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
    smooth,
    trace,
)


@dataclass(frozen=True, slots=True)
class Cut:
    """A top's measures in image widths, from the middle line or downwards; ``angle`` is the sleeve's, in degrees."""

    neck: float = 0.09
    depth: float = 0.06
    shoulder: float = 0.21
    chest: float = 0.205
    waist: float = 0.195
    hem: float = 0.205
    top: float = -0.38
    bottom: float = 0.36
    sleeve: float = 0.22
    angle: float = 38.0
    upper: float = 0.15
    cuff: float = 0.12
    v: bool = False


def body_outline(cut: Cut) -> Points:
    """Front of the body, from shoulder to hem."""
    tip = cut.top + cut.depth
    throat = [(0.0, tip, 1)] if cut.v else [(0.0, tip), (cut.neck * 0.62, tip - cut.depth * 0.28)]
    return mirrored(
        [
            *throat,
            (cut.neck, cut.top, 1),
            (cut.shoulder, cut.top + 0.045, 1),
            (cut.chest - 0.012, cut.top + 0.13),
            (cut.chest, cut.top + 0.21, 1),
            (cut.waist, (cut.top + cut.bottom) * 0.5 + 0.06),
            (cut.hem, cut.bottom, 1),
            (cut.hem * 0.5, cut.bottom + 0.009),
            (0.0, cut.bottom + 0.012),
        ]
    )


def _sleeve(cut: Cut) -> tuple[Points, Points, Points]:
    """The right sleeve: outline, middle line and the cuff's edge."""
    angle = np.radians(cut.angle)
    along, across = np.array([np.sin(angle), np.cos(angle)]), np.array([np.cos(angle), -np.sin(angle)])
    top, pit = np.array([cut.shoulder, cut.top + 0.045]), np.array([cut.chest - 0.012, cut.top + 0.205])
    end = (top * 0.62 + pit * 0.38) + along * cut.sleeve
    outer, inner = end + across * cut.cuff / 2, end - across * cut.cuff / 2
    bulge = (top + outer) / 2 + across * 0.012
    pinch = (pit + inner) / 2 + across * 0.004
    root = [(float(top[0]) - 0.03, float(top[1]) - 0.005), (float(pit[0]) - 0.035, float(pit[1]) - 0.01)]
    outline = smooth(
        [
            (*root[0], 1),
            (*top, 1),
            tuple(bulge),
            (*outer, 1),
            tuple((outer + inner) / 2 + along * 0.005),
            (*inner, 1),
            tuple(pinch),
            (*pit, 1),
            (*root[1], 1),
        ]
    )
    middle = np.linspace((top + pit) / 2, end, 6)
    return outline, middle, np.array([inner, outer])


def sleeves(appearance: Appearance, cut: Cut, coat: Coat, *, stitched: bool = True) -> list[DrawnPart]:
    """Both sleeves, with elbow creases where they are long."""
    outline, middle, cuff = _sleeve(cut)
    parts = []
    for side in (1, -1):
        turn = (lambda points: points) if side > 0 else flip
        back = turn(cuff - (middle[-1] - middle[-2]) / np.linalg.norm(middle[-1] - middle[-2]) * 0.022)
        creases = _elbow(appearance, turn(middle), cut) if cut.sleeve > 0.3 else _armpit(cut, side)
        seams = (Seam(back, 0.003, -0.22),) if stitched else ()
        parts.append(
            DrawnPart(
                "sleeve",
                (turn(outline),),
                coat,
                seams=seams,
                creases=creases,
                grain=-side * cut.angle * 0.85,
                bulge=0.04,
                folds=0.55,
                drape=(0.07, 0.13),
            )
        )
    return parts


def _armpit(cut: Cut, side: int) -> tuple[Crease, ...]:
    path = np.array([(cut.chest - 0.02, cut.top + 0.2), (cut.shoulder + 0.01, cut.top + 0.13)]) * np.array([side, 1])
    return (Crease(path, 0.03, -0.4),)


def _elbow(appearance: Appearance, middle: Points, cut: Cut) -> tuple[Crease, ...]:
    creases = []
    for place in (2, 3, 3, 4):
        at = middle[place] + np.array([0, appearance.vary(-0.02, 0.02)])
        lean = np.array([appearance.vary(0.02, 0.045), appearance.vary(-0.03, 0.03)])
        creases.append(Crease(np.array([at - lean, at + lean]), 0.022, appearance.vary(-0.5, -0.3)))
    return tuple(creases)


def body(
    appearance: Appearance, cut: Cut, coat: Coat, *, seams: tuple[Seam, ...] = (), folds: float = 0.75
) -> DrawnPart:
    reach = cut.chest
    creases = [
        Crease(
            trace(
                [
                    (side * reach, cut.top + 0.22),
                    (side * reach * 0.6, cut.top + 0.27 + appearance.vary(0, 0.04)),
                    (side * reach * 0.35, cut.top + 0.30),
                ]
            ),
            0.035,
            -0.35,
        )
        for side in (1, -1)
    ]
    return DrawnPart(
        "body",
        (body_outline(cut),),
        coat,
        seams=seams,
        creases=tuple(creases),
        bulge=0.055,
        folds=folds,
        drape=(0.11, 0.24),
    )


def hem(cut: Cut, rise: float = 0.022) -> Seam:
    """The stitched line above the hem."""
    y = cut.bottom - rise
    return Seam(trace([(-cut.hem, y), (0.0, y + 0.011), (cut.hem, y)]), 0.003, -0.22)


def back_neck(appearance: Appearance, cut: Cut) -> DrawnPart:
    """The inside of the back, seen through the neck."""
    outline = smooth(
        [
            (-cut.neck - 0.005, cut.top, 1),
            (0, cut.top - 0.022),
            (cut.neck + 0.005, cut.top, 1),
            (cut.neck * 0.8, cut.top + cut.depth * 0.8),
            (0, cut.top + cut.depth + 0.02),
            (-cut.neck * 0.8, cut.top + cut.depth * 0.8),
        ]
    )
    label = Seam(np.array([(-0.02, cut.top + 0.004), (0.02, cut.top + 0.004)]), 0.018, 0.9)
    return DrawnPart("neck", (outline,), appearance.inside, Form.FLAT, seams=(label,), bulge=0.02, lift=0)


def neckband(cut: Cut, coat: Coat, width: float = 0.02) -> DrawnPart:
    """Ribbing around the neck's front."""
    tip = cut.top + cut.depth
    side = cut.neck * 0.62
    if cut.v:
        path = np.array([(-cut.neck, cut.top), (0, tip), (cut.neck, cut.top)])
        sides = (ribbon(path[:2], width), ribbon(path[1:], width))
        return DrawnPart("collar", sides, coat, bulge=0.012, lift=0.005)
    controls = [
        (-cut.neck, cut.top),
        (-side, tip - cut.depth * 0.28),
        (0, tip),
        (side, tip - cut.depth * 0.28),
        (cut.neck, cut.top),
    ]
    return DrawnPart("collar", (ribbon(trace(controls), width),), coat, bulge=0.012, lift=0.005)


def cuffs(cut: Cut, coat: Coat, width: float) -> DrawnPart:
    _, middle, cuff = _sleeve(cut)
    along = (middle[-1] - middle[-2]) / np.linalg.norm(middle[-1] - middle[-2])
    band = ribbon(cuff + along * width * 0.2, width)
    return DrawnPart("cuff", (band, flip(band)), coat, grain=0, bulge=0.014, lift=0.004)


def hem_band(cut: Cut, coat: Coat, width: float) -> DrawnPart:
    y = cut.bottom
    path = trace([(-cut.hem * 0.985, y), (0, y + 0.012), (cut.hem * 0.985, y)])
    return DrawnPart("hem", (ribbon(path, width),), coat, bulge=0.015, lift=0.004)


def buttons(appearance: Appearance, places: list[tuple[float, float]], radius: float = 0.008) -> DrawnPart:
    """Round buttons, pale on dark cloth and the other way round."""
    colour = (
        darker(appearance.coat.colour, 0.55)
        if luminance(appearance.coat.colour) > 0.5
        else lighter(appearance.coat.colour, 0.72)
    )
    discs = tuple(ellipse(x, y, radius, radius)[:-1:3] for x, y in places)
    return DrawnPart("buttons", discs, Coat(colour, "acetate"), bulge=0.006, lift=0.004)


def varied(appearance: Appearance, cut: Cut) -> Cut:
    return replace(
        cut,
        neck=cut.neck * appearance.vary(0.92, 1.1),
        shoulder=cut.shoulder * appearance.vary(0.97, 1.05),
        waist=cut.waist * appearance.vary(0.96, 1.04),
        hem=cut.hem * appearance.vary(0.97, 1.06),
        bottom=cut.bottom + appearance.vary(-0.03, 0.025),
        sleeve=cut.sleeve * appearance.vary(0.94, 1.06),
        angle=cut.angle + appearance.vary(-4, 4),
    )


LONG = Cut(sleeve=0.60, angle=17.0, upper=0.14, cuff=0.075, bottom=0.33, shoulder=0.205)


def t_shirt(appearance: Appearance) -> Drawing:
    """A T-shirt with a ribbed neck."""
    v = appearance.style == "v-neck"
    cut = replace(varied(appearance, Cut()), v=v, depth=0.12 if v else appearance.vary(0.055, 0.075))
    parts = [
        back_neck(appearance, cut),
        *sleeves(appearance, cut, appearance.coat),
        body(appearance, cut, appearance.coat, seams=(hem(cut),)),
    ]
    return Drawing([*parts, neckband(cut, appearance.trim)])


def jumper(appearance: Appearance) -> Drawing:
    """A knitted jumper with ribbed cuffs and hem, round-necked or with a roll of collar."""
    cut = replace(varied(appearance, LONG), depth=0.05)
    parts = [
        back_neck(appearance, cut),
        *sleeves(appearance, cut, appearance.coat, stitched=False),
        body(appearance, cut, appearance.coat),
    ]
    parts += [cuffs(cut, appearance.trim, 0.045), hem_band(cut, appearance.trim, 0.05)]
    if appearance.style != "turtleneck":
        return Drawing([*parts, neckband(cut, appearance.trim, 0.028)])
    top, neck = cut.top, cut.neck * 0.9
    roll = mirrored(
        [(0, top - 0.052), (neck * 0.92, top - 0.048), (neck, top - 0.01), (neck * 1.06, top + 0.025), (0, top + 0.045)]
    )
    fold = Seam(trace([(-neck, top - 0.018), (0, top - 0.004), (neck, top - 0.018)]), 0.006, -0.3)
    return Drawing([*parts, DrawnPart("collar", (roll,), appearance.trim, seams=(fold,), bulge=0.03)])


def shirt(appearance: Appearance) -> Drawing:
    """A buttoned shirt with a pointed collar, a placket and perhaps a pocket."""
    short = appearance.style == "short-sleeved"
    cut = replace(varied(appearance, Cut(bottom=0.36) if short else replace(LONG, bottom=0.36)), depth=0.085, v=True)
    line = 0.017
    placket = tuple(
        Seam(np.array([(x, cut.top + cut.depth - 0.01), (x, cut.bottom + 0.01)]), 0.003, -0.26) for x in (-line, line)
    )
    parts = [back_neck(appearance, cut), *sleeves(appearance, cut, appearance.coat)]
    parts.append(body(appearance, cut, appearance.coat, seams=(*placket, hem(cut, 0.014))))
    if not short:
        parts.append(cuffs(cut, appearance.coat.plain(), 0.05))
    if appearance.coin(0.6):
        pocket = smooth(
            [(0.055, -0.13, 1), (0.145, -0.13, 1), (0.145, -0.045, 1), (0.10, -0.025, 1), (0.055, -0.045, 1)]
        )
        parts.append(DrawnPart("pocket", (pocket,), appearance.coat, Form.FLAT, bulge=0.008, lift=0.004))
    low = cut.top + cut.depth
    places = [(0.0, y) for y in np.linspace(low + 0.025, cut.bottom - 0.04, 7)]
    return Drawing([*parts, buttons(appearance, places), *_pointed_collar(appearance, cut)])


def _pointed_collar(appearance: Appearance, cut: Cut) -> list[DrawnPart]:
    top, tip, spread = cut.top, cut.top + cut.depth, appearance.vary(0.05, 0.075)
    leaf = smooth(
        [
            (0.002, tip - 0.006, 1),
            (cut.neck * 0.55, top - 0.005),
            (cut.neck * 0.92, top - 0.03, 1),
            (cut.neck + 0.018, top + 0.006),
            (spread + 0.025, tip + 0.022, 1),
        ]
    )
    stitch = Seam(np.array([(0.012, tip - 0.004), (spread + 0.02, tip + 0.012)]), 0.002, -0.25)
    right = DrawnPart("collar", (leaf,), appearance.coat.plain(), seams=(stitch,), bulge=0.012, lift=0.009)
    return [right, replace(right, outlines=(flip(leaf),), seams=(replace(stitch, path=flip(stitch.path)),))]
