"""Things for the home: mug, teapot, vase, cushion, lamp."""

from __future__ import annotations

import numpy as np

from recipes.boutique.articles import darker, lighter
from recipes.boutique.drawing import (
    BRASS,
    IVORY,
    PALE_WOOD,
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
    mirrored,
    ribbon,
    rounded,
    smooth,
    trace,
)


def _mouth(appearance: Appearance, y: float, rx: float, ry: float) -> list[DrawnPart]:
    """The rim of an open vessel: a lip and the dark within."""
    lip = appearance.coat.dyed(lighter(appearance.coat.colour, 0.12))
    return [
        DrawnPart("rim", (ellipse(0, y, rx, ry)[:-1],), lip, Form.FLAT, bulge=0.008, lift=0),
        DrawnPart(
            "rim",
            (ellipse(0, y + ry * 0.06, rx * 0.93, ry * 0.8)[:-1],),
            appearance.inside,
            Form.FLAT,
            bulge=0.03,
            lift=0,
        ),
    ]


def _base(foot: float, low: float, dip: float) -> list[tuple[float, ...]]:
    """The right half of a round foot, seen from a little above."""
    return [(foot, low, 1), (foot * 0.82, low + dip * 0.57), (foot * 0.45, low + dip * 0.9), (0.0, low + dip)]


def mug(appearance: Appearance) -> Drawing:
    """A mug with its handle to one side."""
    wide, tall = appearance.vary(0.19, 0.225), appearance.vary(0.36, 0.46)
    top, low, ry = -tall / 2, tall / 2, 0.042
    belly = wide * 1.08 if appearance.style == "rounded" else wide
    foot = wide * (0.72 if appearance.style == "rounded" else appearance.vary(0.86, 1.0))
    body = mirrored(
        [
            (0, top - 0.0),
            (wide, top, 1),
            (belly, top + tall * 0.45),
            ((belly + foot) / 2, low - tall * 0.16),
            *_base(foot, low, 0.03),
        ]
    )
    y, reach, drop = top + tall * 0.47, appearance.vary(0.10, 0.135), tall * appearance.vary(0.26, 0.32)
    ear = trace(
        [
            (wide - 0.01, y - drop),
            (wide + reach * 0.75, y - drop * 0.95),
            (wide + reach, y - drop * 0.1),
            (wide + reach * 0.7, y + drop * 0.7),
            (wide - 0.015, y + drop),
        ]
    )
    parts = [
        DrawnPart("handle", (ribbon(ear, 0.044, 0.036),), appearance.coat.plain(), bulge=0.022, lift=0),
        DrawnPart("body", (body,), appearance.coat, Form.LATHE),
        *_mouth(appearance, top, wide, ry),
    ]
    return Drawing(parts, Pose.UPRIGHT)


def teapot(appearance: Appearance) -> Drawing:
    """A teapot with spout, handle and lid."""
    tall = appearance.style == "tall"
    wide, top, low = (0.17, -0.2, 0.26) if tall else (appearance.vary(0.215, 0.24), -0.1, 0.24)
    neck, foot = wide * (0.62 if tall else 0.5), wide * (0.85 if tall else 0.55)
    body = mirrored(
        [
            (0, top - 0.005),
            (neck, top, 1),
            (wide * 0.82, top + 0.05),
            (wide * 0.97, top + 0.125),
            (wide, (top + low) / 2 + 0.03),
            (wide * 0.96, low - 0.09),
            (wide * (0.91 if tall else 0.79), low - 0.03),
            *_base(foot, low, 0.02),
        ]
    )
    y = (top + low) / 2
    spout = smooth(
        [
            (wide * 0.7, y + 0.10, 1),
            (wide + 0.06, y + 0.02),
            (wide + 0.085, y - 0.1),
            (wide + 0.15, y - 0.155, 1),
            (wide + 0.105, y - 0.17, 1),
            (wide + 0.04, y - 0.10),
            (wide * 0.75, y - 0.06, 1),
        ]
    )
    reach = appearance.vary(0.12, 0.15)
    ear = trace(
        [
            (-wide * 0.8, y - 0.1),
            (-wide - reach * 0.6, y - 0.12),
            (-wide - reach, y - 0.01),
            (-wide - reach * 0.65, y + 0.09),
            (-wide * 0.85, y + 0.1),
        ]
    )
    cover = mirrored(
        [
            (0, top - 0.075),
            (neck * 0.5, top - 0.062),
            (neck * 0.95, top - 0.018),
            (neck * 1.04, top + 0.008, 1),
            (0, top + 0.022),
        ]
    )
    knob = ellipse(0, top - 0.09, 0.03, 0.026)[:-1]
    wood = PALE_WOOD if appearance.coin(0.3) else appearance.coat.plain()
    parts = [
        DrawnPart("handle", (ribbon(ear, 0.036, 0.03),), wood, bulge=0.018, lift=0),
        DrawnPart("spout", (spout,), appearance.coat.plain(), bulge=0.05, lift=0),
        DrawnPart("body", (body,), appearance.coat, Form.LATHE),
        DrawnPart("lid", (cover,), appearance.coat.plain(), Form.LATHE, lift=0.006),
        DrawnPart("lid", (knob,), wood, bulge=0.03, lift=0.003),
    ]
    return Drawing(parts, Pose.UPRIGHT)


_PROFILES: dict[str, tuple[tuple[float, float], ...]] = {
    "bottle": (
        (0.055, -0.36),
        (0.045, -0.27),
        (0.05, -0.16),
        (0.12, -0.04),
        (0.165, 0.12),
        (0.155, 0.26),
        (0.11, 0.35),
    ),
    "amphora": ((0.105, -0.33), (0.075, -0.27), (0.09, -0.2), (0.19, -0.06), (0.2, 0.06), (0.13, 0.24), (0.095, 0.35)),
    "round": ((0.085, -0.2), (0.075, -0.15), (0.13, -0.08), (0.225, 0.05), (0.225, 0.17), (0.16, 0.28), (0.11, 0.32)),
}
"""Half widths and heights of the vases, rim to foot."""


def vase(appearance: Appearance) -> Drawing:
    """A vase, turned or blown; sometimes with dry stems."""
    slim, scale = appearance.vary(0.88, 1.1), appearance.vary(0.92, 1.0)
    profile = [(x * slim, y * scale) for x, y in _PROFILES[appearance.style]]
    rim, top = profile[0]
    half = [(0.0, top), (*profile[0], 1), *profile[1:-1], *_base(*profile[-1], 0.02)]
    parts = _stems(appearance, rim, top) if appearance.coin(0.4) and appearance.style != "bottle" else []
    back = [
        DrawnPart("body", (mirrored(half),), appearance.coat, Form.LATHE),
        *_mouth(appearance, top, rim, rim * 0.24),
    ]
    if appearance.coin(0.25) and appearance.style == "amphora":
        ear = trace([(0.085 * slim, -0.25), (0.17, -0.24), (0.19, -0.15), (0.15 * slim, -0.09)])
        parts.append(
            DrawnPart(
                "handle",
                (ribbon(ear, 0.026), ribbon(ear * np.array([-1, 1]), 0.026)),
                appearance.coat.plain(),
                bulge=0.014,
                lift=0,
            )
        )
    return Drawing([*parts, *back], Pose.UPRIGHT)


def _stems(appearance: Appearance, rim: float, top: float) -> list[DrawnPart]:
    stems: list[Points] = []
    heads: list[Points] = []
    for _ in range(int(appearance.generator.integers(3, 6))):
        x = appearance.vary(-0.16, 0.16)
        tip = (x, top - appearance.vary(0.06, 0.13))
        stems.append(ribbon(trace([(x * 0.2, top + 0.02), (x * 0.45, top - 0.05), tip]), 0.006))
        heads += [
            ellipse(tip[0] + appearance.vary(-0.025, 0.025), tip[1] + d * 0.02, 0.016, 0.012)[:-1:3]
            for d in range(-1, 4)
        ]
    green, straw = Coat((0.45, 0.47, 0.32), "paper"), Coat((0.86, 0.76, 0.60), "paper")
    return [
        DrawnPart("stems", tuple(stems), green, bulge=0.006, lift=0),
        DrawnPart("stems", tuple(heads), straw, bulge=0.012, lift=0.002),
    ]


def cushion(appearance: Appearance) -> Drawing:
    """A plump cushion, square with piping or round with a button."""
    if appearance.style == "round":
        return _round_cushion(appearance)
    reach, pinch = appearance.vary(0.32, 0.36), appearance.vary(0.025, 0.045)
    side = reach - pinch
    outline = smooth(
        [
            (-reach, -reach, 1),
            (0, -side),
            (reach, -reach, 1),
            (side, 0),
            (reach, reach, 1),
            (0, side),
            (-reach, reach, 1),
            (-side, 0),
        ]
    )
    creases = tuple(
        Crease(
            trace(
                [
                    (sx * reach * 0.95, sy * reach * 0.95),
                    (sx * reach * 0.75, sy * reach * (0.72 + d)),
                    (sx * reach * 0.5, sy * reach * (0.55 + 2 * d)),
                ]
            ),
            0.05,
            -0.4,
        )
        for sx in (1, -1)
        for sy in (1, -1)
        for d in (-0.06, 0.05)
    )
    closed = np.vstack([outline, outline[:1]])
    piping = DrawnPart(
        "piping",
        (ribbon(closed, 0.016),),
        appearance.coat.dyed(darker(appearance.coat.colour, 0.3)),
        bulge=0.008,
        lift=0,
    )
    cover = DrawnPart(
        "cover", (outline,), appearance.coat, creases=creases, bulge=0.17, folds=0.5, drape=(0.16, 0.16), lift=0
    )
    if appearance.coin(0.4):
        tassels = _tassels(reach)
        return Drawing([DrawnPart("tassels", tassels, Coat(IVORY, "wool"), bulge=0.012), cover, piping])
    return Drawing([cover, piping])


def _round_cushion(appearance: Appearance) -> Drawing:
    radius = appearance.vary(0.33, 0.37)
    angles = np.linspace(0, 2 * np.pi, 14, endpoint=False) + appearance.vary(0, 1)
    folds = tuple(
        Crease(
            np.array([(np.cos(a) * 0.03, np.sin(a) * 0.03), (np.cos(a) * radius * 0.6, np.sin(a) * radius * 0.6)]),
            0.045,
            -0.4,
        )
        for a in angles
    )
    disc = DrawnPart(
        "cover", (ellipse(0, 0, radius, radius * 0.97)[:-1],), appearance.coat, creases=folds, bulge=0.15, folds=0.3
    )
    return Drawing([disc, DrawnPart("button", (ellipse(0, 0, 0.03, 0.03)[:-1],), appearance.trim, bulge=0.02)])


def _tassels(reach: float) -> tuple[Points, ...]:
    corners = ((-reach, -reach), (reach, -reach), (reach, reach), (-reach, reach))
    return tuple(
        ribbon(np.array([(x * (1 + d), y * (1 - d)), (x * (1.13 + d), y * (1.13 - d))]), 0.02, 0.03)
        for x, y in corners
        for d in (-0.025, 0.025)
    )


def lamp(appearance: Appearance) -> Drawing:
    """A lamp: a shade on a turned base, or a globe on a stand. The named colour and print are the larger piece's."""
    if appearance.style == "globe":
        return _globe(appearance)
    wide, narrow, top, low = appearance.vary(0.25, 0.3), appearance.vary(0.14, 0.2), -0.38, appearance.vary(-0.06, 0.0)
    shade = mirrored([(0, top + 0.0), (narrow, top, 1), *_base(wide, low, 0.035)])
    linen = appearance.coat.material == "linen"
    base_coat = Coat((0.90, 0.87, 0.82), "ceramic") if linen else appearance.coat
    shade_coat = appearance.coat if linen else Coat((0.93, 0.89, 0.80), "linen")
    base = mirrored(
        [
            (0, low),
            (0.03, low, 1),
            (0.035, low + 0.07),
            (appearance.vary(0.1, 0.16), low + 0.22),
            (0.08, 0.36),
            (0.1, 0.39, 1),
            (0, 0.405),
        ]
    )
    trims = tuple(
        Seam(trace([(-x, y - 0.006), (0, y + d), (x, y - 0.006)]), 0.008, -0.12)
        for x, y, d in ((narrow, top + 0.012, 0.004), (wide, low - 0.008, 0.024))
    )
    parts = [
        DrawnPart("stem", (rounded(0, low + 0.03, 0.016, 0.14, 0.004),), BRASS, bulge=0.008, lift=0),
        DrawnPart("base", (base,), base_coat, Form.LATHE, lift=0),
        DrawnPart("shade", (shade,), shade_coat, Form.LATHE, seams=trims, lift=0.02),
    ]
    return Drawing(parts, Pose.UPRIGHT)


def _globe(appearance: Appearance) -> Drawing:
    radius = appearance.vary(0.21, 0.25)
    y = 0.02 - radius * 0.5
    globe = ellipse(0, y, radius, radius)[:-1]
    foot = mirrored([(0, 0.33), (0.09, 0.335, 1), (0.15, 0.37), (0.155, 0.39, 1), (0, 0.405)])
    stem = rounded(0, (y + radius + 0.35) / 2 - 0.01, 0.03, 0.36 - y - radius + 0.04, 0.004)
    collar = mirrored(
        [(0, y + radius - 0.02), (0.055, y + radius - 0.022, 1), (0.045, y + radius + 0.02, 1), (0, y + radius + 0.028)]
    )
    parts = [
        DrawnPart("base", (stem, foot), BRASS, Form.LATHE, lift=0),
        DrawnPart("shade", (globe,), appearance.coat, Form.LATHE, lift=0),
        DrawnPart("base", (collar,), BRASS, Form.LATHE),
    ]
    return Drawing(parts, Pose.UPRIGHT)
