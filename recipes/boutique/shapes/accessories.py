"""Hard accessories: watch, sunglasses, belt, wallet, umbrella."""

from __future__ import annotations

import itertools

import numpy as np

from recipes.boutique.articles import darker, lighter, luminance
from recipes.boutique.drawing import (
    BRASS,
    DARK_WOOD,
    IVORY,
    STEEL,
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

_CREAM = Coat((0.95, 0.94, 0.90), "paper")
_NIGHT = Coat((0.14, 0.16, 0.22), "paper")


def watch(appearance: Appearance) -> Drawing:
    """A wristwatch: its strap and case in the named colour's material, with a dial, hands and a crown."""
    steel = appearance.coat.material == "steel"
    radius, wide = appearance.vary(0.155, 0.185), appearance.vary(0.135, 0.155)
    case = appearance.coat if steel else (BRASS if appearance.coin(0.35) else STEEL)
    dial = (_NIGHT if appearance.coin(0.4) else _CREAM) if steel or luminance(appearance.coat.colour) < 0.6 else _NIGHT
    square = appearance.style == "square"

    def plate(size: float) -> Points:
        return rounded(0, 0, size * 1.85, size * 2, size * 0.35) if square else ellipse(0, 0, size, size)[:-1]

    parts = [
        *_strap(appearance, wide, radius, steel),
        DrawnPart("crown", (rounded(radius + 0.012, 0, 0.035, 0.04, 0.007),), case, bulge=0.012, lift=0),
    ]
    lugs = tuple(rounded(sx * wide * 0.47, sy * radius * 0.92, 0.03, 0.085, 0.012) for sx in (1, -1) for sy in (1, -1))
    parts += [
        DrawnPart("case", lugs, case, bulge=0.014),
        DrawnPart("case", (plate(radius),), case, bulge=0.028),
        DrawnPart(
            "dial",
            (plate(radius * 0.82),),
            dial,
            Form.FLAT,
            seams=_ticks(radius * 0.76, dial is _NIGHT),
            bulge=0.012,
            lift=0.004,
        ),
    ]
    return Drawing([*parts, *_hands(appearance, radius, dial is _NIGHT)])


def _strap(appearance: Appearance, wide: float, radius: float, steel: bool) -> list[DrawnPart]:
    half = mirrored(
        [(0, radius * 0.7), (wide / 2, radius * 0.7, 1), (wide * 0.42, 0.28), (wide * 0.38, 0.44, 1), (0, 0.475)]
    )
    stitch = 0.5 if luminance(appearance.coat.colour) < 0.4 else -0.4
    if steel:
        rows = [Seam(np.array([(-0.1, y), (0.1, y)]), 0.006, -0.55) for y in np.arange(radius, 0.47, 0.034)]
        rows += [Seam(np.array([(s * 0.024, radius), (s * 0.022, 0.47)]), 0.004, -0.5) for s in (1, -1)]
    else:
        rows = [
            Seam(np.array([(s * wide * 0.41, radius), (s * wide * 0.32, 0.43)]), 0.003, stitch, 0.012) for s in (1, -1)
        ]
    lower = DrawnPart("strap", (half,), appearance.coat, seams=tuple(rows), bulge=0.03, folds=0.2)
    upside = tuple(Seam(seam.path * np.array([1, -1]), seam.width, seam.tone, seam.dash) for seam in rows)
    upper = DrawnPart("strap", (half * np.array([1, -1]),), appearance.coat, seams=upside, bulge=0.03, folds=0.2)
    if steel:
        return [lower, upper]
    holes = tuple(ellipse(0, y, 0.006, 0.008)[:-1:4] for y in (0.33, 0.37, 0.41))
    return [DrawnPart("strap", (half,), appearance.coat, holes=holes, seams=tuple(rows), bulge=0.03, folds=0.2), upper]


def _ticks(radius: float, night: bool) -> tuple[Seam, ...]:
    seams = []
    for hour in range(12):
        way = np.array([np.sin(hour * np.pi / 6), -np.cos(hour * np.pi / 6)])
        start, width = (0.8, 0.009) if hour % 3 == 0 else (0.9, 0.006)
        seams.append(Seam(np.array([way * radius * start, way * radius]), width, 1.0 if night else -0.8))
    return tuple(seams)


def _hands(appearance: Appearance, radius: float, night: bool) -> list[DrawnPart]:
    coat = Coat(IVORY if night else (0.12, 0.12, 0.14), "paper")
    parts = []
    for turn, reach, width in ((10.15, 0.45, 0.014), (1.9, 0.66, 0.010)):
        way = np.array([np.sin(turn * np.pi / 6), -np.cos(turn * np.pi / 6)])
        parts.append(ribbon(np.array([-way * 0.02, way * radius * reach]), width, width * 0.5))
    angle = appearance.vary(0, 6.28)
    second = ribbon(np.array([(0, 0), (np.sin(angle) * radius * 0.62, -np.cos(angle) * radius * 0.62)]), 0.004)
    return [
        DrawnPart("hands", tuple(parts), coat, Form.FLAT, bulge=0.004, lift=0.005),
        DrawnPart(
            "hands",
            (second, ellipse(0, 0, 0.011, 0.011)[:-1:3]),
            Coat((0.80, 0.25, 0.18), "paper"),
            bulge=0.004,
            lift=0.004,
        ),
    ]


def sunglasses(appearance: Appearance) -> Drawing:
    """Sunglasses from the front, temples folded behind."""
    x, rx, ry = 0.205, appearance.vary(0.15, 0.165), appearance.vary(0.12, 0.14)
    if appearance.style == "square":
        rim = rounded(x, 0, rx * 2, ry * 1.75, 0.045)
        lens = rounded(x, 0, rx * 2 - 0.075, ry * 1.75 - 0.075, 0.03)
    elif appearance.style == "cat-eye":
        rim = smooth(
            [
                (x - rx, -0.06),
                (x - 0.02, -0.10),
                (x + rx + 0.045, -0.15, 1),
                (x + rx, -0.01),
                (x + 0.05, 0.105),
                (x - 0.1, 0.08),
            ]
        )
        lens = (rim - np.array([x, -0.01])) * 0.72 + np.array([x - 0.008, -0.006])
    else:
        rim, lens = ellipse(x, 0, rx, rx * 0.95)[:-1], ellipse(x, 0, rx - 0.036, rx * 0.95 - 0.036)[:-1]
    arms = ribbon(
        trace(
            [
                (x + rx - 0.02, -0.05),
                (x + rx + 0.016, -0.09),
                (x + rx - 0.012, -0.17),
                (x + 0.075, -0.235),
                (x + 0.02, -0.245),
            ]
        ),
        0.026,
        0.02,
    )
    bridge = ribbon(trace([(-0.075, -0.02), (-0.03, -0.055), (0.03, -0.055), (0.075, -0.02)]), 0.03)
    tints = ((0.20, 0.21, 0.24), (0.30, 0.22, 0.17), (0.18, 0.26, 0.25))
    glass = Coat(tints[int(appearance.generator.integers(3))], "lens")
    parts = [
        DrawnPart(
            "temples",
            (arms, flip(arms)),
            appearance.coat.dyed(darker(appearance.coat.colour, 0.25)),
            bulge=0.01,
            lift=0,
        ),
        DrawnPart("lenses", (lens, flip(lens)), glass, bulge=0.1, lift=0),
        DrawnPart("frame", (bridge,), appearance.coat, bulge=0.016, lift=0.004),
        DrawnPart("frame", (rim, flip(rim)), appearance.coat, holes=(lens, flip(lens)), bulge=0.024, lift=0.008),
    ]
    hinges = tuple(rounded(s * (x + rx - 0.018), -0.06, 0.016, 0.01, 0.004) for s in (1, -1))
    return Drawing([*parts, DrawnPart("hinges", hinges, appearance.metal, bulge=0.004, lift=0)])


def belt(appearance: Appearance) -> Drawing:
    """A belt, rolled up or laid in a loop, its buckle in front."""
    stitch = 0.4 if luminance(appearance.coat.colour) < 0.4 else -0.35
    wide = appearance.vary(0.085, 0.105)
    if appearance.style == "coiled":
        return _coiled_belt(appearance, wide, stitch)
    rx, ry = appearance.vary(0.34, 0.38), appearance.vary(0.17, 0.22)
    back = ribbon(ellipse(0, -0.05, rx, ry, start=180, sweep=180), wide * 0.85)
    front_path = ellipse(0, -0.05, rx, ry, start=-8, sweep=196)
    edges = tuple(
        Seam(ellipse(0, -0.05, rx + d, ry + d, start=-8, sweep=196), 0.003, stitch, 0.012)
        for d in (-wide * 0.36, wide * 0.36)
    )
    tail = trace([(0.06, ry - 0.05), (0.2, ry - 0.03), (0.36, ry - 0.015)])
    parts = [
        DrawnPart("strap", (back,), appearance.inside, bulge=0.02, lift=0),
        DrawnPart("strap", (ribbon(front_path, wide),), appearance.coat, seams=edges, bulge=0.022),
        DrawnPart("strap", (ribbon(tail, wide, wide * 0.8),), appearance.coat, bulge=0.022),
    ]
    return Drawing([*parts, *_buckle(appearance, 0.0, ry - 0.05, wide)])


def _coiled_belt(appearance: Appearance, wide: float, stitch: float) -> Drawing:
    """Rolled up and stood on its edge, seen from a little above."""
    rx, ry, top, tall = (
        appearance.vary(0.28, 0.31),
        appearance.vary(0.12, 0.15),
        appearance.vary(-0.08, -0.03),
        wide * 1.9,
    )
    wall = mirrored(
        [(0, top), (rx, top, 1), (rx, top + tall, 1), (rx * 0.71, top + tall + ry * 0.72), (0, top + tall + ry)]
    )
    turns = np.linspace(0.4, 6.4 * np.pi + appearance.vary(-0.6, 0.6), 180)
    radius = (0.3 + 0.68 * turns / turns[-1])[:, None]
    spiral = radius * np.stack([rx * np.cos(turns), ry * np.sin(turns)], axis=1) + np.array([0, top])
    lines = tuple(
        Seam(ellipse(0, top + d, rx, ry, start=0, sweep=180), 0.003, stitch, 0.012) for d in (0.018, tall - 0.018)
    )
    face = ellipse(0, top, rx, ry)[:-1]
    hollow = appearance.coat.dyed(darker(appearance.coat.colour, 0.72))
    parts = [
        DrawnPart("strap", (wall,), appearance.coat, Form.LATHE, seams=lines),
        DrawnPart("strap", (face,), hollow, Form.FLAT, bulge=0.01, lift=0),
    ]
    parts.append(
        DrawnPart(
            "strap",
            (ribbon(spiral, 0.016, 0.022),),
            appearance.coat.dyed(lighter(appearance.coat.colour, 0.1)),
            bulge=0.008,
            lift=0.006,
        )
    )
    return Drawing([*parts, *_buckle(appearance, 0.0, top + ry + tall / 2, tall)])


def _buckle(appearance: Appearance, x: float, y: float, wide: float) -> list[DrawnPart]:
    frame, gap = rounded(x, y, 0.15, wide + 0.055, 0.022), rounded(x, y, 0.10, wide + 0.005, 0.012)
    if appearance.coin(0.3):
        frame, gap = ellipse(x, y, 0.085, (wide + 0.055) / 2)[:-1], ellipse(x, y, 0.06, (wide + 0.005) / 2)[:-1]
    pin = ribbon(np.array([(x - 0.065, y), (x + 0.06, y + 0.003)]), 0.018, 0.012)
    loop = rounded(x + 0.15, y - 0.006, 0.032, wide + 0.02, 0.006)
    return [
        DrawnPart("loop", (loop,), appearance.trim, bulge=0.012, lift=0.008),
        DrawnPart("buckle", (frame,), appearance.metal, holes=(gap,), bulge=0.012),
        DrawnPart("buckle", (pin,), appearance.metal, bulge=0.008),
    ]


def wallet(appearance: Appearance) -> Drawing:
    """A wallet: folded once, or with a zip around it."""
    wide, tall = appearance.vary(0.31, 0.37), appearance.vary(0.23, 0.26)
    zipped = appearance.style == "zip"
    if zipped:
        wide = appearance.vary(0.38, 0.43)
    stitch = 0.45 if luminance(appearance.coat.colour) < 0.45 else -0.35
    body = rounded(0, 0, wide * 2 * 0.9, tall * 2 * 0.9, 0.035)
    edge = np.vstack(
        [
            rounded(0, 0, wide * 1.8 - 0.04, tall * 1.8 - 0.04, 0.025),
            rounded(0, 0, wide * 1.8 - 0.04, tall * 1.8 - 0.04, 0.025)[:1],
        ]
    )
    behind = DrawnPart("body", (body + np.array([0.012, 0.018]),), appearance.inside, bulge=0.02, lift=0)
    line = Seam(
        np.array([(-wide * 0.88, appearance.vary(-0.02, 0.05)), (wide * 0.88, appearance.vary(-0.02, 0.05))]),
        0.004,
        -0.3,
    )
    main = DrawnPart(
        "body",
        (body,),
        appearance.coat,
        seams=(Seam(edge, 0.0035, stitch, 0.013), *(() if zipped else (line,))),
        bulge=0.05,
        folds=0.8,
    )
    parts = [behind, main]
    if zipped:
        ring = np.vstack([body, body[:1]]) * np.array([1.0, 1.0])
        parts.insert(
            1,
            DrawnPart("zip", (ribbon(ring, 0.028),), BRASS, seams=(Seam(ring, 0.02, -0.4, 0.007),), bulge=0.01, lift=0),
        )
        pull = ribbon(
            trace([(wide * 0.9, -tall * 0.5), (wide * 0.97, -tall * 0.3), (wide * 0.95, tall * 0.1)]), 0.03, 0.04
        )
        parts.append(DrawnPart("pull", (pull,), appearance.trim, bulge=0.012))
    else:
        flap = smooth(
            [
                (wide * 0.9, -0.055, 1),
                (wide * 0.5, -0.055),
                (wide * 0.42, 0),
                (wide * 0.5, 0.055),
                (wide * 0.9, 0.055, 1),
            ]
        )
        parts += [
            DrawnPart("tab", (flap,), appearance.trim, bulge=0.02),
            DrawnPart("snap", (ellipse(wide * 0.53, 0, 0.025, 0.025)[:-1],), appearance.metal, bulge=0.02),
        ]
    mark = rounded(-wide * 0.55, tall * 0.58, 0.11, 0.03, 0.006)
    parts.append(
        DrawnPart(
            "logo", (mark,), appearance.coat.dyed(darker(appearance.coat.colour, 0.3)), Form.FLAT, bulge=0.006, lift=0
        )
    )
    return Drawing(parts)


def umbrella(appearance: Appearance) -> Drawing:
    """An open umbrella: gores, ribs, a shaft and a crook."""
    reach, peak, low = appearance.vary(0.41, 0.45), appearance.vary(-0.38, -0.34), 0.0
    places = np.linspace(-1, 1, 7)
    tips = [(x * reach, low + 0.012 + 0.03 * (1 - x * x)) for x in places]
    scallops: list[tuple[float, ...]] = []
    for (ax, ay), (bx, by) in itertools.pairwise(tips):
        scallops += [(ax, ay, 1), ((ax + bx) / 2, (ay + by) / 2 - 0.045)]
    dome = smooth(
        [
            *scallops,
            (*tips[-1], 1),
            (reach * 0.86, peak * 0.52),
            (reach * 0.5, peak * 0.86),
            (0, peak),
            (-reach * 0.5, peak * 0.86),
            (-reach * 0.86, peak * 0.52),
        ]
    )
    ribs = tuple(
        trace([(0, peak), (x * reach * 0.62, peak * 0.62), (x * reach, y)])
        for x, (_, y) in zip(places[1:-1], tips[1:-1], strict=True)
    )
    creases = tuple(Crease(rib, 0.04, 0.45) for rib in ribs)
    seams = tuple(Seam(rib, 0.004, -0.28) for rib in ribs)
    crook = trace([(0, -0.02), (0, 0.18), (0, 0.33), (0.02, 0.395), (0.065, 0.405), (0.095, 0.36)])
    inner = smooth([(-reach * 0.97, low + 0.01), (0, -0.075), (reach * 0.97, low + 0.01), (0, 0.035)])
    parts = [
        DrawnPart("canopy", (inner,), appearance.inside, Form.FLAT, bulge=0.02, lift=0),
        DrawnPart("shaft", (ribbon(np.array([(0.0, -0.05), (0.0, 0.34)]), 0.013),), STEEL, bulge=0.006, lift=0),
        DrawnPart(
            "handle",
            (ribbon(crook[14:], 0.03),),
            DARK_WOOD if appearance.coin() else Coat(lighter((0.1, 0.1, 0.12), 0.08), "acetate"),
            bulge=0.014,
            lift=0.003,
        ),
        DrawnPart("canopy", (dome,), appearance.coat, seams=seams, creases=creases, bulge=0.11, folds=0.3),
        DrawnPart(
            "tip",
            (ribbon(np.array([(0, peak + 0.01), (0, peak - 0.05)]), 0.02, 0.01),),
            Coat((0.2, 0.2, 0.22), "acetate"),
            bulge=0.008,
            lift=0,
        ),
    ]
    return Drawing(parts)
