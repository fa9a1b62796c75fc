"""The articles: what the boutique sells, in which materials, patterns, styles and colours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

RGB = tuple[float, float, float]
"""Red, green, blue in 0..1, sRGB encoded."""

COLOURS: Mapping[str, RGB] = MappingProxyType(
    {
        "black": (0.13, 0.13, 0.145),
        "white": (0.95, 0.945, 0.93),
        "grey": (0.56, 0.57, 0.585),
        "navy blue": (0.12, 0.17, 0.37),
        "blue": (0.17, 0.40, 0.80),
        "teal": (0.09, 0.53, 0.54),
        "red": (0.83, 0.14, 0.15),
        "maroon": (0.44, 0.08, 0.16),
        "pink": (0.95, 0.60, 0.70),
        "orange": (0.94, 0.48, 0.12),
        "yellow": (0.97, 0.80, 0.21),
        "green": (0.16, 0.55, 0.27),
        "olive": (0.44, 0.45, 0.22),
        "brown": (0.43, 0.27, 0.17),
        "beige": (0.85, 0.76, 0.61),
        "purple": (0.46, 0.25, 0.62),
    }
)


def lab(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """CIE L*a*b* (D65) of sRGB in 0..1, shape (..., 3) in and out. Formulae: CIE 15 and IEC 61966-2-1."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = linear @ to_xyz.T / np.array([0.9505, 1.0, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)


def luminance(rgb: RGB) -> float:
    """Perceived lightness in 0..1 (Rec. 601 luma)."""
    return 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]


def mixed(one: RGB, other: RGB, share: float) -> RGB:
    """``one`` moved towards ``other`` by ``share`` in 0..1."""
    red, green, blue = (a + (b - a) * share for a, b in zip(one, other, strict=True))
    return (red, green, blue)


def darker(rgb: RGB, share: float) -> RGB:
    """``rgb`` moved towards black by ``share`` in 0..1."""
    return mixed(rgb, (0.05, 0.05, 0.06), share)


def lighter(rgb: RGB, share: float) -> RGB:
    """``rgb`` moved towards white by ``share`` in 0..1."""
    return mixed(rgb, (1.0, 1.0, 1.0), share)


ALL_COLOURS = tuple(COLOURS)
PRINTS = ("solid", "striped", "checked", "dotted", "floral", "zigzag")
PLAIN = ("solid",)

MATERIAL_COLOURS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "denim": ("blue", "navy blue", "black", "grey", "white"),
        "leather": ("black", "brown", "beige", "maroon", "red", "white", "navy blue", "olive", "pink", "grey"),
        "steel": ("grey", "black"),
        "glass": ("blue", "green", "teal", "purple", "orange", "pink"),
    }
)
"""Colours a material is sensibly dyed in; a material not named here takes any."""

MATERIAL_PATTERNS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "denim": PLAIN,
        "leather": PLAIN,
        "steel": PLAIN,
        "glass": PLAIN,
        "wool": ("solid", "striped", "checked", "zigzag"),
    }
)


@dataclass(frozen=True, slots=True)
class Article:
    """One kind of product; ``price`` is a range in whole currency units."""

    name: str
    category: str
    subcategory: str
    styles: tuple[str, ...]
    materials: tuple[str, ...]
    patterns: tuple[str, ...]
    genders: tuple[str, ...]
    usages: tuple[str, ...]
    price: tuple[int, int]
    colours: tuple[str, ...] = ALL_COLOURS


_MEN, _WOMEN, _BOTH, _ALL = ("men",), ("women",), ("men", "women"), ("men", "women", "unisex")
_SOME = ("solid", "solid", "striped", "checked", "dotted")

ARTICLES: tuple[Article, ...] = (
    Article("t-shirt", "clothing", "tops", ("crew-neck", "v-neck"), ("cotton", "linen"), PRINTS, _ALL,
            ("casual", "sports"), (15, 39)),
    Article("sneakers", "shoes", "shoes", ("low-top", "high-top"), ("canvas", "leather"), _SOME, _ALL,
            ("casual", "sports"), (49, 129)),
    Article("mug", "home", "kitchen", ("straight", "rounded"), ("ceramic", "ceramic", "steel"), PRINTS, ("unisex",),
            ("home",), (9, 24)),
    Article("dress", "clothing", "dresses", ("sleeveless", "short-sleeved", "long-sleeved"),
            ("cotton", "linen", "silk"), PRINTS, _WOMEN, ("casual", "party"), (49, 159)),
    Article("handbag", "bags", "bags", ("top-handle", "flap"), ("leather", "leather", "canvas"), _SOME, _WOMEN,
            ("casual", "formal"), (79, 249)),
    Article("watch", "accessories", "watches", ("round", "square"), ("leather", "steel"), PLAIN, _ALL,
            ("casual", "formal"), (89, 399)),
    Article("shirt", "clothing", "tops", ("long-sleeved", "short-sleeved"), ("cotton", "linen", "denim"), PRINTS,
            _BOTH, ("casual", "formal"), (35, 89)),
    Article("vase", "home", "decor", ("bottle", "amphora", "round"), ("ceramic", "glass"), PRINTS, ("unisex",),
            ("home",), (19, 79)),
    Article("boots", "shoes", "shoes", ("ankle", "knee-high"), ("leather",), PLAIN, _BOTH, ("casual",), (99, 229)),
    Article("jumper", "clothing", "tops", ("crew-neck", "turtleneck"), ("wool", "cotton"), PRINTS, _ALL, ("casual",),
            (45, 119)),
    Article("backpack", "bags", "bags", ("classic", "roll-top"), ("canvas", "leather", "nylon"), _SOME, ("unisex",),
            ("travel", "casual"), (59, 149)),
    Article("trousers", "clothing", "bottoms", ("slim", "wide-leg"), ("cotton", "linen", "wool"),
            ("solid", "solid", "striped", "checked"), _BOTH, ("casual", "formal"), (49, 119)),
    Article("sunglasses", "accessories", "eyewear", ("round", "square", "cat-eye"), ("acetate",), PLAIN, _ALL,
            ("casual",), (39, 149)),
    Article("teapot", "home", "kitchen", ("round", "tall"), ("ceramic", "ceramic", "steel"), PRINTS, ("unisex",),
            ("home",), (29, 79)),
    Article("skirt", "clothing", "bottoms", ("a-line", "pleated", "pencil"), ("cotton", "linen", "silk", "denim"),
            PRINTS, _WOMEN, ("casual", "formal"), (35, 99)),
    Article("cap", "accessories", "headwear", ("baseball",), ("cotton", "canvas", "denim"), _SOME, _ALL,
            ("casual", "sports"), (15, 39)),
    Article("hoodie", "clothing", "tops", ("pullover", "zip-up"), ("cotton",), PLAIN, _ALL, ("casual", "sports"),
            (45, 99)),
    Article("tie", "accessories", "ties", ("classic", "slim"), ("silk", "wool"), PRINTS, _MEN, ("formal",), (19, 69)),
    Article("heels", "shoes", "shoes", ("pump", "slingback"), ("leather", "silk"), _SOME, _WOMEN, ("formal", "party"),
            (69, 199)),
    Article("cushion", "home", "decor", ("square", "round"), ("cotton", "linen", "wool", "silk"), PRINTS, ("unisex",),
            ("home",), (19, 59)),
    Article("tote bag", "bags", "bags", ("long-handled", "short-handled"), ("canvas", "cotton", "leather"), PRINTS,
            _ALL, ("casual",), (19, 89)),
    Article("jacket", "clothing", "outerwear", ("bomber", "trucker", "blazer"),
            ("denim", "leather", "wool", "cotton"), ("solid", "solid", "solid", "checked"), _BOTH,
            ("casual", "formal"), (89, 289)),
    Article("scarf", "accessories", "scarves", ("fringed", "plain-edged"), ("wool", "silk", "cotton"), PRINTS, _ALL,
            ("casual",), (19, 79)),
    Article("lamp", "home", "lighting", ("table", "globe"), ("ceramic", "linen", "glass"), PRINTS, ("unisex",),
            ("home",), (39, 149)),
    Article("jeans", "clothing", "bottoms", ("slim", "straight"), ("denim",), PLAIN, _BOTH, ("casual",), (49, 119),
            colours=("blue", "navy blue", "black", "grey", "white")),
    Article("belt", "accessories", "belts", ("coiled", "looped"), ("leather", "canvas"), PLAIN, _BOTH,
            ("casual", "formal"), (19, 69)),
    Article("socks", "clothing", "socks", ("crew", "knee-high"), ("cotton", "wool"), PRINTS, _ALL,
            ("casual", "sports"), (6, 19)),
    Article("umbrella", "accessories", "umbrellas", ("open",), ("nylon",), PRINTS, ("unisex",), ("travel",), (19, 59)),
    Article("sandals", "shoes", "shoes", ("flat", "platform"), ("leather", "canvas"), PLAIN, _WOMEN, ("casual",),
            (39, 99)),
    Article("shorts", "clothing", "bottoms", ("tailored", "drawstring"), ("cotton", "linen", "denim"), PRINTS, _BOTH,
            ("casual", "sports"), (25, 59)),
    Article("beanie", "accessories", "headwear", ("cuffed", "pompom"), ("wool", "cotton"),
            ("solid", "striped", "zigzag"), _ALL, ("casual",), (12, 39)),
    Article("wallet", "accessories", "wallets", ("bifold", "zip"), ("leather", "canvas"), PLAIN, _ALL, ("casual",),
            (25, 99)),
)  # fmt: skip
