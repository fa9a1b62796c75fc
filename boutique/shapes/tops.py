"""Tops: T-shirt, shirt, jumper, hoodie, jacket, as laid out on a table."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from boutique.curve import Points, ellipse, flip, mirrored, ribbon, rounded, smooth, trace, turned
from boutique.drawing import Coat, Crease, Drawing, Form, Part, Seam
from boutique.palette import darker, lighter, luminance
from boutique.shapes.look import BRASS, IVORY, Look


@dataclass(frozen=True, slots=True)
class Cut:
    """A top's measures in picture widths, from the middle line or downwards; ``angle`` is the sleeve's, in degrees."""

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


def sleeves(look: Look, cut: Cut, coat: Coat, *, stitched: bool = True) -> list[Part]:
    """Both sleeves, with elbow creases where they are long."""
    outline, middle, cuff = _sleeve(cut)
    parts = []
    for side in (1, -1):
        turn = (lambda points: points) if side > 0 else flip
        back = turn(cuff - (middle[-1] - middle[-2]) / np.linalg.norm(middle[-1] - middle[-2]) * 0.022)
        creases = _elbow(look, turn(middle), cut) if cut.sleeve > 0.3 else _armpit(cut, side)
        seams = (Seam(back, 0.003, -0.22),) if stitched else ()
        parts.append(
            Part(
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


def _elbow(look: Look, middle: Points, cut: Cut) -> tuple[Crease, ...]:
    creases = []
    for place in (2, 3, 3, 4):
        at = middle[place] + np.array([0, look.vary(-0.02, 0.02)])
        lean = np.array([look.vary(0.02, 0.045), look.vary(-0.03, 0.03)])
        creases.append(Crease(np.array([at - lean, at + lean]), 0.022, look.vary(-0.5, -0.3)))
    return tuple(creases)


def _body(look: Look, cut: Cut, coat: Coat, *, seams: tuple[Seam, ...] = (), folds: float = 0.75) -> Part:
    reach = cut.chest
    creases = [
        Crease(
            trace(
                [
                    (side * reach, cut.top + 0.22),
                    (side * reach * 0.6, cut.top + 0.27 + look.vary(0, 0.04)),
                    (side * reach * 0.35, cut.top + 0.30),
                ]
            ),
            0.035,
            -0.35,
        )
        for side in (1, -1)
    ]
    return Part(
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


def back_neck(look: Look, cut: Cut) -> Part:
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
    return Part("neck", (outline,), look.inside, Form.FLAT, seams=(label,), bulge=0.02, lift=0)


def neckband(cut: Cut, coat: Coat, width: float = 0.02) -> Part:
    """Ribbing around the neck's front."""
    tip = cut.top + cut.depth
    side = cut.neck * 0.62
    if cut.v:
        path = np.array([(-cut.neck, cut.top), (0, tip), (cut.neck, cut.top)])
        halves = (ribbon(path[:2], width), ribbon(path[1:], width))
        return Part("collar", halves, coat, bulge=0.012, lift=0.005)
    controls = [
        (-cut.neck, cut.top),
        (-side, tip - cut.depth * 0.28),
        (0, tip),
        (side, tip - cut.depth * 0.28),
        (cut.neck, cut.top),
    ]
    return Part("collar", (ribbon(trace(controls), width),), coat, bulge=0.012, lift=0.005)


def _cuffs(cut: Cut, coat: Coat, width: float) -> Part:
    _, middle, cuff = _sleeve(cut)
    along = (middle[-1] - middle[-2]) / np.linalg.norm(middle[-1] - middle[-2])
    band = ribbon(cuff + along * width * 0.2, width)
    return Part("cuff", (band, flip(band)), coat, grain=0, bulge=0.014, lift=0.004)


def _hem_band(cut: Cut, coat: Coat, width: float) -> Part:
    y = cut.bottom
    path = trace([(-cut.hem * 0.985, y), (0, y + 0.012), (cut.hem * 0.985, y)])
    return Part("hem", (ribbon(path, width),), coat, bulge=0.015, lift=0.004)


def buttons(look: Look, places: list[tuple[float, float]], radius: float = 0.008) -> Part:
    """Round buttons, pale on dark cloth and the other way round."""
    colour = darker(look.coat.colour, 0.55) if luminance(look.coat.colour) > 0.5 else lighter(look.coat.colour, 0.72)
    discs = tuple(ellipse(x, y, radius, radius)[:-1:3] for x, y in places)
    return Part("buttons", discs, Coat(colour, "acetate"), bulge=0.006, lift=0.004)


def _varied(look: Look, cut: Cut) -> Cut:
    return replace(
        cut,
        neck=cut.neck * look.vary(0.92, 1.1),
        shoulder=cut.shoulder * look.vary(0.97, 1.05),
        waist=cut.waist * look.vary(0.96, 1.04),
        hem=cut.hem * look.vary(0.97, 1.06),
        bottom=cut.bottom + look.vary(-0.03, 0.025),
        sleeve=cut.sleeve * look.vary(0.94, 1.06),
        angle=cut.angle + look.vary(-4, 4),
    )


LONG = Cut(sleeve=0.60, angle=17.0, upper=0.14, cuff=0.075, bottom=0.33, shoulder=0.205)


def t_shirt(look: Look) -> Drawing:
    """A T-shirt with a ribbed neck."""
    v = look.style == "v-neck"
    cut = replace(_varied(look, Cut()), v=v, depth=0.12 if v else look.vary(0.055, 0.075))
    parts = [back_neck(look, cut), *sleeves(look, cut, look.coat), _body(look, cut, look.coat, seams=(hem(cut),))]
    return Drawing([*parts, neckband(cut, look.trim)])


def jumper(look: Look) -> Drawing:
    """A knitted jumper with ribbed cuffs and hem, round-necked or with a roll of collar."""
    cut = replace(_varied(look, LONG), depth=0.05)
    parts = [back_neck(look, cut), *sleeves(look, cut, look.coat, stitched=False), _body(look, cut, look.coat)]
    parts += [_cuffs(cut, look.trim, 0.045), _hem_band(cut, look.trim, 0.05)]
    if look.style != "turtleneck":
        return Drawing([*parts, neckband(cut, look.trim, 0.028)])
    top, neck = cut.top, cut.neck * 0.9
    roll = mirrored(
        [(0, top - 0.052), (neck * 0.92, top - 0.048), (neck, top - 0.01), (neck * 1.06, top + 0.025), (0, top + 0.045)]
    )
    fold = Seam(trace([(-neck, top - 0.018), (0, top - 0.004), (neck, top - 0.018)]), 0.006, -0.3)
    return Drawing([*parts, Part("collar", (roll,), look.trim, seams=(fold,), bulge=0.03)])


def shirt(look: Look) -> Drawing:
    """A buttoned shirt with a pointed collar, a placket and perhaps a pocket."""
    short = look.style == "short-sleeved"
    cut = replace(_varied(look, Cut(bottom=0.36) if short else replace(LONG, bottom=0.36)), depth=0.085, v=True)
    line = 0.017
    placket = tuple(
        Seam(np.array([(x, cut.top + cut.depth - 0.01), (x, cut.bottom + 0.01)]), 0.003, -0.26) for x in (-line, line)
    )
    parts = [back_neck(look, cut), *sleeves(look, cut, look.coat)]
    parts.append(_body(look, cut, look.coat, seams=(*placket, hem(cut, 0.014))))
    if not short:
        parts.append(_cuffs(cut, look.coat.plain(), 0.05))
    if look.coin(0.6):
        pocket = smooth(
            [(0.055, -0.13, 1), (0.145, -0.13, 1), (0.145, -0.045, 1), (0.10, -0.025, 1), (0.055, -0.045, 1)]
        )
        parts.append(Part("pocket", (pocket,), look.coat, Form.FLAT, bulge=0.008, lift=0.004))
    low = cut.top + cut.depth
    places = [(0.0, y) for y in np.linspace(low + 0.025, cut.bottom - 0.04, 7)]
    return Drawing([*parts, buttons(look, places), *_pointed_collar(look, cut)])


def _pointed_collar(look: Look, cut: Cut) -> list[Part]:
    top, tip, spread = cut.top, cut.top + cut.depth, look.vary(0.05, 0.075)
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
    right = Part("collar", (leaf,), look.coat.plain(), seams=(stitch,), bulge=0.012, lift=0.009)
    return [right, replace(right, outlines=(flip(leaf),), seams=(replace(stitch, path=flip(stitch.path)),))]


def hoodie(look: Look) -> Drawing:
    """A hooded sweatshirt with a front pocket and cords, pulled over or zipped."""
    cut = replace(_varied(look, LONG), depth=0.075, neck=0.1)
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
    parts = [*sleeves(look, cut, look.coat, stitched=False), _body(look, cut, look.coat)]
    parts += [_cuffs(cut, look.trim, 0.045), _hem_band(cut, look.trim, 0.05)]
    pocket = mirrored([(0, 0.10), (0.085, 0.10, 1), (0.135, 0.20, 1), (0.135, 0.285, 1), (0, 0.29)])
    parts.append(Part("pocket", (pocket,), look.coat, Form.PUFF, bulge=0.015, lift=0.007, folds=0.4))
    parts += [Part("hood", (hood,), look.coat, bulge=0.04, folds=0.6), Part("hood", (inner,), look.inside, bulge=0.02)]
    if look.style == "zip-up":
        parts.append(zipper(0.0, top + 0.1, cut.bottom + 0.03))
    cords = tuple(
        ribbon(
            trace([(s * 0.035, top + 0.075), (s * 0.042, top + 0.13), (s * 0.038, top + look.vary(0.19, 0.24))]), 0.0085
        )
        for s in (1, -1)
    )
    return Drawing([*parts, Part("cords", cords, Coat(IVORY, "cotton"), bulge=0.005, lift=0.006)])


def zipper(x: float, top: float, bottom: float) -> Part:
    """A closed zip with its teeth and its pull."""
    path = np.linspace((x, top), (x, bottom), 12)
    teeth = Seam(path, 0.007, -0.45, dash=0.006)
    pull = rounded(x, top + 0.025, 0.012, 0.034, 0.005)
    return Part(
        "zip", (ribbon(path, 0.014), pull), Coat((0.66, 0.67, 0.69), "steel"), seams=(teeth,), bulge=0.005, lift=0.005
    )


def jacket(look: Look) -> Drawing:
    """A bomber with ribbing and a zip, a trucker with pockets and studs, or a blazer with lapels."""
    cut = replace(_varied(look, LONG), depth=0.06, cuff=0.085, shoulder=0.215, bottom=0.30)
    if look.style == "blazer":
        return _blazer(look, replace(cut, depth=0.30, v=True, bottom=0.36, hem=0.22))
    parts = [back_neck(look, cut), *sleeves(look, cut, look.coat), _body(look, cut, look.coat, folds=0.9)]
    if look.style == "bomber":
        ribbing = look.coat.dyed(darker(look.coat.colour, 0.3))
        ribbing = replace(ribbing, material="wool")
        parts += [_cuffs(cut, ribbing, 0.045), _hem_band(cut, ribbing, 0.055), neckband(cut, ribbing, 0.045)]
        slits = tuple(Seam(np.array([(s * 0.13, 0.10), (s * 0.085, 0.21)]), 0.008, -0.5) for s in (1, -1))
        parts[3] = replace(parts[3], seams=slits)
        return Drawing([*parts, zipper(0, cut.top + cut.depth - 0.02, cut.bottom + 0.03)])
    return Drawing([*parts, *_trucker(look, cut)])


def _trucker(look: Look, cut: Cut) -> list[Part]:
    stitch = 0.55 if luminance(look.coat.colour) < 0.5 else -0.4
    yoke = [
        Seam(trace([(s * 0.015, -0.20), (s * 0.1, -0.205), (s * cut.chest, -0.215)]), 0.003, stitch, 0.011)
        for s in (1, -1)
    ]
    darts = [Seam(np.array([(s * 0.055, -0.19), (s * 0.035, cut.bottom)]), 0.003, stitch, 0.011) for s in (1, -1)]
    front = Seam(np.array([(0.0, cut.top + cut.depth), (0.0, cut.bottom)]), 0.005, -0.5)
    lines = tuple(replace(part, tone=stitch) for part in (*yoke, *darts))
    panel = Part(
        "front",
        (rounded(0, (cut.top + cut.bottom) / 2 + 0.03, 0.05, cut.bottom - cut.top - 0.07, 0.004),),
        look.coat,
        Form.FLAT,
        seams=(front,),
        bulge=0.008,
        lift=0.004,
    )
    flap = smooth([(0.06, -0.20, 1), (0.155, -0.20, 1), (0.155, -0.165, 1), (0.107, -0.145, 1), (0.06, -0.165, 1)])
    dart = Part(
        "front",
        (body_outline(replace(cut, chest=cut.chest - 0.02, top=cut.top + 0.06)),),
        look.coat,
        Form.FLAT,
        seams=lines,
        bulge=0.01,
        folds=0.7,
        lift=0,
    )
    pockets = Part("pocket", (flap, flip(flap)), look.coat, bulge=0.01, lift=0.008)
    studs = [(0.0, y) for y in np.linspace(cut.top + 0.1, cut.bottom - 0.015, 6)] + [(0.107, -0.165), (-0.107, -0.165)]
    discs = tuple(ellipse(x, y, 0.0095, 0.0095)[:-1:3] for x, y in studs)
    band = _hem_band(cut, look.coat, 0.045)
    collar = smooth(
        [
            (0.004, cut.top + 0.055, 1),
            (cut.neck, cut.top - 0.045, 1),
            (cut.neck + 0.045, cut.top + 0.02),
            (0.085, cut.top + 0.095, 1),
        ]
    )
    leaves = Part("collar", (collar, flip(collar)), look.trim, bulge=0.015, lift=0.01)
    return [
        dart,
        panel,
        pockets,
        band,
        _cuffs(cut, look.coat, 0.04),
        leaves,
        Part("buttons", discs, BRASS, bulge=0.006),
    ]


def _blazer(look: Look, cut: Cut) -> Drawing:
    tip = cut.top + cut.depth
    edge = Seam(np.array([(0.0, tip), (0.012, cut.bottom)]), 0.006, -0.5)
    shirt_front = mirrored(
        [(0, cut.top - 0.01), (cut.neck, cut.top), (cut.neck * 0.8, cut.top + 0.15), (0, tip + 0.02)]
    )
    lining = Part(
        "lining", (shirt_front,), look.coat.dyed(darker(look.coat.colour, 0.6)), Form.FLAT, bulge=0.02, lift=0
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
    lapels = Part("lapels", (lapel, flip(lapel)), look.coat, bulge=0.014, lift=0.012, grain=18)
    flaps = tuple(turned(rounded(s * 0.125, 0.15, 0.11, 0.035, 0.008), -s * 4) for s in (1, -1))
    pockets = Part(
        "pocket", (*flaps, turned(rounded(0.115, -0.085, 0.075, 0.016, 0.004), -8)), look.coat, bulge=0.008, lift=0.006
    )
    places = [(0.008, tip + 0.04), (0.008, tip + 0.12)]
    body = _body(look, cut, look.coat, seams=(edge,), folds=0.6)
    return Drawing(
        [lining, *sleeves(look, cut, look.coat, stitched=False), body, pockets, lapels, buttons(look, places, 0.012)]
    )
